"""Jobs for volumes that scaling in has left behind."""

from __future__ import annotations

import yaml

from tests.components.kubernetes import render
from tests.deploy.helm_chart import CHART, MATRIX, of_kind, pod, pods


def test_each_volume_that_was_left_behind_has_its_job() -> None:
    """With the gateway's settings, the sidecar's image, and that very claim."""
    jobs = [each for each in pods("drain") if each.kind == "Job"]
    claims = [each.volumes()["data"]["persistentVolumeClaim"]["claimName"] for each in jobs]
    assert claims == ["data-affiant-gateway-3", "data-affiant-gateway-4"]
    assert len({each.where for each in jobs}) == 2  # names of their own
    for job in of_kind("drain", "Job"):
        assert job["spec"]["ttlSecondsAfterFinished"] == 604800
        assert len(job["metadata"]["name"]) <= 63
    for each in jobs:
        assert each.volumes()["config"]["configMap"]["name"] == "affiant-gateway"
        assert each.container("drain")["command"][:2] == ["affiant", "drain"]
        assert each.container("drain")["image"] == pod("drain", "gateway").container("sidecar")["image"]


def test_what_a_job_does_is_in_its_name() -> None:
    """A job cannot be changed: an upgrade that would change one makes another, and the same values the same."""

    def jobs(*given: str) -> dict[str, object]:
        rendered = render(CHART, [MATRIX["drain"]], *given)
        return {
            each["metadata"]["name"]: each["spec"]
            for each in yaml.load_all(rendered, Loader=yaml.CSafeLoader)
            if each and each["kind"] == "Job"
        }

    before = jobs()
    assert jobs() == before
    for change in (
        "images.sidecar.tag=v9", "drain.sealedSeconds=1", "drain.deadlineSeconds=99", "kafka.bootstrap=b:1",
        "gateway.tolerations[0].operator=Exists",
    ):  # fmt: skip
        assert not set(jobs("--set", change)) & set(before), change
    assert jobs("--set", "gateway.replicas=9") == before
