"""Volumes of a release that is there: how they are grown, and what is said to who grows them by an upgrade."""

from __future__ import annotations

import re
import subprocess
from typing import Any

import pytest
import yaml

from tests.components.cluster import cluster
from tests.components.kubernetes import Refused, render
from tests.deploy.helm_chart import CHART, MATRIX, ROOT, Manifest

PAGE = (ROOT / "docs" / "kubernetes.md").read_text()
DOCUMENTED = PAGE.partition("**A volume that is to grow**")[2].partition(
    "**A volume that was left behind.**"
)[0]
OTHER = ("--set", "gateway.resources.limits.ephemeral-storage=1Gi")
"""A size that is not the claims'."""


def stateful(*given: str) -> Manifest:
    """The gateways' StatefulSet of the bank."""
    found = yaml.load_all(render(CHART, [MATRIX["bank"]], *OTHER, *given), Loader=yaml.CSafeLoader)
    (one,) = [each for each in found if each and each["kind"] == "StatefulSet"]
    return dict(one)


def sized(size: str) -> Manifest:
    """The StatefulSet as it would be read from a cluster."""
    found = stateful()
    (claim,) = found["spec"]["volumeClaimTemplates"]
    claim["spec"]["resources"]["requests"]["storage"] = size
    return found


def test_the_statefulset_is_made_anew_as_the_upgrade_wants_it() -> None:
    """By the documented line: with the claims' new size and nothing else, so that no pod restarts by it."""
    (change,) = re.findall(r"sed '([^']+)'", DOCUMENTED)
    before = yaml.safe_dump(stateful())
    done = subprocess.run(["sed", change], input=before, capture_output=True, text=True, check=True)
    assert yaml.safe_load(done.stdout) == stateful("--set", "gateway.persistence.size=40Gi")
    assert yaml.safe_load(done.stdout) != yaml.safe_load(before)


def test_the_documented_claims_are_those_of_the_gateways() -> None:
    """By the labels that they have; and the StatefulSet is deleted without its pods."""
    (asked,) = re.findall(r"--selector (\S+) --output name", DOCUMENTED)
    (claim,) = stateful()["spec"]["volumeClaimTemplates"]
    assert dict(each.split("=") for each in asked.split(",")).items() <= claim["metadata"]["labels"].items()
    assert (
        f"delete statefulset {stateful()['metadata']['name']} --namespace bank --cascade=orphan" in DOCUMENTED
    )


@pytest.mark.parametrize(("has", "wants"), [("20Gi", "40Gi"), ("40Gi", "20Gi"), ("1Pi", "20Gi")])
def test_a_size_that_an_upgrade_cannot_change_is_refused(has: str, wants: str) -> None:
    """With the way that goes, before the cluster refuses it without one."""
    there: Any = {("StatefulSet", "affiant-gateway"): sized(has)}
    with cluster(there) as asked, pytest.raises(Refused) as refused:
        render(CHART, [MATRIX["bank"]], *asked, "--set", f"gateway.persistence.size={wants}")
    said = f"gateway.persistence.size is {wants}, and the StatefulSet that is there makes claims of {has}, which an"
    assert said in refused.value.said
    assert "docs/kubernetes.md, How a gateway pod ends" in refused.value.said


@pytest.mark.parametrize(("has", "says"), [("20Gi", "20Gi"), ("20Gi", "20480Mi"), ("1Pi", "1024Ti")])
def test_a_size_that_is_the_same_is_taken(has: str, says: str) -> None:
    """However a cluster writes it."""
    with cluster({("StatefulSet", "affiant-gateway"): sized(has)}) as there:
        assert f"storage: {says}\n" in render(
            CHART, [MATRIX["bank"]], *there, "--set", f"gateway.persistence.size={says}"
        )


def test_a_bound_that_the_volumes_have_no_room_for_says_how_they_are_grown() -> None:
    """Who raises settings.journal.max_bytes alone is told of the other step."""
    with pytest.raises(Refused, match="Volumes that are there are grown first: docs/"):
        stateful("--set", "settings.journal.max_bytes=34359738368")
