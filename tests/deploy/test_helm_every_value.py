"""No value is there for nothing: each stands in a manifest, renders another one, or is judged."""

from __future__ import annotations

import re
import tomllib
from typing import Any, Final

import pytest
import yaml

from tests.components.kubernetes import Refused
from tests.deploy.helm_chart import MATRIX, Manifest, Pod, pods_of, text
from tests.deploy.helm_values import (
    BASES,
    COMPONENTS,
    LEAVES,
    MARKS,
    SETTINGS,
    at,
    bases,
    choices,
    fits,
    put,
    rendered,
    values,
)

UNREAD: Final = {"global": "of a chart around this one"}
JUDGED: Final = {
    "images.requireDigest": (True, ".digest is not set, and images.requireDigest is true"),
    "gateway.persistence.acceptLoss": (False, "say gateway.persistence.acceptLoss=true"),
}
"""What alone makes no other manifest, and is there to have values refused: so, and what is said then."""
SWITCHES: Final = sorted(LEAVES.keys() - MARKS.keys() - JUDGED.keys() - UNREAD.keys())
FIRST: Final = next(iter(BASES))


def test_what_is_set_stands_in_a_manifest() -> None:
    """Texts, lists, maps and numbers: each has a mark of its own, and some set of values brings it out."""
    marks = {path: mark for path, (mark, _) in MARKS.items() if path not in UNREAD}
    assert len(set(marks.values())) == len(marks)
    assert _found("".join(text(name) for name in MATRIX), marks) == set()  # none stands there anyway
    found = set().union(*(_found(rendered(values(base)), marks) for base in BASES))
    assert marks.keys() - found == set()


def _found(manifests: str, marks: dict[str, str]) -> set[str]:
    words = set(re.findall(r"sha256:[0-9a-f]{64}|[A-Za-z0-9]+", manifests))
    return {path for path, mark in marks.items() if mark in words}


@pytest.mark.parametrize("path", SWITCHES)
def test_what_is_chosen_renders_something_of_its_own(path: str) -> None:
    """Switches, choices and small numbers: in some set of values each of them is another render."""
    assert all(fits(LEAVES[path], choice) for choice in choices(path))
    assert any(_tells_apart(base, path) for base in bases(path))


def _tells_apart(base: str, path: str) -> bool:
    made: set[str] = set()
    for number, choice in enumerate(choices(path), start=1):
        changed = values(base)
        put(changed, path, choice)
        try:
            made.add(rendered(changed))
        except Refused:
            return False
        if len(made) < number:
            return False
    return True


@pytest.mark.parametrize("path", JUDGED)
def test_what_only_refuses_does(path: str) -> None:
    """With a word of what to set."""
    value, said = JUDGED[path]
    refusals = []
    for base in BASES:
        changed = values(base)
        rendered(changed)
        put(changed, path, value)
        try:
            rendered(changed)
        except Refused as refused:
            refusals.append(refused.said)
    assert any(said in each for each in refusals)


def test_each_setting_stands_in_somebody_s_file() -> None:
    """Whatever table of affiant.toml it is of, and in no other form than it was given."""
    changed = values(FIRST)
    wanted = {path: _some(schema) for path, schema in SETTINGS.items()}
    for path, value in wanted.items():
        put(changed, f"settings.{path}", value)
    put(changed, "notary.keySecret.secretName", "")  # settings.notary.signer_command signs
    files = [
        tomllib.loads(each["data"]["affiant.toml"])
        for each in _manifests(rendered(changed))
        if each["kind"] == "ConfigMap" and "affiant.toml" in each["data"]
    ]
    assert len(files) == len(COMPONENTS)
    assert [
        path for path, value in wanted.items() if not any(_has(file, path, value) for file in files)
    ] == []


def _some(schema: Any) -> Any:
    """Something that the schema takes."""
    least = schema.get("minimum", 0)
    some: list[Any] = [*schema.get("enum", ()), True, least, 0.5, 1000, "word", "https://word", ["word"]]
    some.append([{"url": "https://word", "key": "word"}])
    return next(value for value in some if fits(schema, value))


def _has(file: dict[str, Any], path: str, value: Any) -> bool:
    try:
        return bool(at(file, path) == value)
    except KeyError:
        return False


def _manifests(rendering: str) -> list[Manifest]:
    return [each for each in yaml.load_all(rendering, Loader=yaml.CSafeLoader) if each]


@pytest.mark.parametrize("component", [*COMPONENTS, "drain"])
def test_where_a_pod_goes_and_what_it_has_is_its_own(component: str) -> None:
    """GPUs, nodes, taints, affinity, a runtime, a priority: of the component's own values, in its own pods."""
    given = values(FIRST)
    # A volume goes where it is: with what its gateway had.
    own = given["gateway" if component == "drain" else component]
    found = [each for each in pods_of(_manifests(rendered(given))) if each.component == component]
    assert found != []
    for pod in found:
        for key in ("nodeSelector", "tolerations", "affinity", "priorityClassName"):
            assert pod.spec[key] == own[key], key
        assert own["extraVolumes"][0] in pod.spec["volumes"]
        if component == "drain":
            continue
        assert own["podLabels"].items() <= pod.labels.items()
        assert pod.spec.get("runtimeClassName") == own.get("runtimeClassName")
        (main,) = pod.spec["containers"]
        for of, amounts in own["resources"].items():
            assert amounts.items() <= main["resources"][of].items()  # beside those that are there anyway
        assert own["extraEnv"][0] in main["env"]
        assert own["extraVolumeMounts"][0] in main["volumeMounts"]
        assert _copied(pod, own["extraKeys"][0])


def _copied(pod: Pod, key: dict[str, str]) -> bool:
    sources = pod.volumes()["secrets"]["projected"]["sources"]
    wanted = {"name": key["secretName"], "items": [{"key": key["key"], "path": key["path"]}]}
    return {"secret": wanted} in sources


def test_a_gateway_gets_the_gpu_that_its_values_ask_for() -> None:
    """As the example for GPUs has it: the device, and where there is one."""
    given = yaml.safe_load(MATRIX["gpu"].read_text())["gateway"]
    (pod,) = [each for each in pods_of(_manifests(text("gpu"))) if each.component == "gateway"]
    assert pod.container("gateway")["resources"]["limits"]["nvidia.com/gpu"] == 1
    assert "nvidia.com/gpu" not in pod.container("sidecar")["resources"]["limits"]
    for key in ("runtimeClassName", "nodeSelector", "tolerations", "affinity"):
        assert pod.spec[key] == given[key]
