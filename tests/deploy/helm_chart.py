"""The chart as it renders for each of its example values, once for all tests; and its pods."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.components.kubernetes import render

ROOT = Path(__file__).parents[2]
CHART = ROOT / "deploy" / "helm" / "affiant"
MATRIX = {path.name.removesuffix("-values.yaml"): path for path in sorted((CHART / "ci").glob("*.yaml"))}
COMPONENTS = ("gateway", "notary", "monitor", "controller")

Manifest = dict[str, Any]


@cache
def text(name: str) -> str:
    """What `helm template` makes of ci/NAME-values.yaml."""
    return render(CHART, [MATRIX[name]])


@cache
def manifests(name: str) -> tuple[Manifest, ...]:
    return tuple(each for each in yaml.load_all(text(name), Loader=yaml.CSafeLoader) if each)


def of_kind(name: str, *kinds: str) -> list[Manifest]:
    return [each for each in manifests(name) if each["kind"] in kinds]


def the(name: str, kind: str, called: str) -> Manifest:
    """The one manifest of that kind whose name ends so."""
    (found,) = [each for each in of_kind(name, kind) if each["metadata"]["name"].endswith(called)]
    return found


@dataclass(frozen=True)
class Pod:
    """A pod, or the template of some."""

    where: str
    kind: str
    labels: Mapping[str, str]
    spec: Mapping[str, Any]

    @property
    def long_lived(self) -> bool:
        return self.kind in ("Deployment", "StatefulSet")

    @property
    def component(self) -> str:
        return self.labels["app.kubernetes.io/component"]

    def containers(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """(init, sidecar or main; the container)."""
        for each in self.spec.get("initContainers", ()):
            yield "sidecar" if each.get("restartPolicy") == "Always" else "init", each
        for each in self.spec["containers"]:
            yield "main", each

    def container(self, name: str) -> Mapping[str, Any]:
        (found,) = [each for _, each in self.containers() if each["name"] == name]
        return found

    def volumes(self) -> dict[str, Mapping[str, Any]]:
        return {each["name"]: each for each in self.spec["volumes"]}


def pods(name: str) -> list[Pod]:
    """The pods of an example."""
    return pods_of(manifests(name))


def pods_of(rendered: Iterable[Manifest]) -> list[Pod]:
    """Of Deployments, StatefulSets, Jobs, CronJobs, and those that are pods themselves."""
    found = []
    for each in rendered:
        spec = each.get("spec", {})
        template = (
            each if each["kind"] == "Pod" else spec.get("jobTemplate", {}).get("spec", spec).get("template")
        )
        if isinstance(template, dict) and "spec" in template:
            labels = template["metadata"]["labels"]
            found.append(
                Pod(f"{each['kind']}/{each['metadata']['name']}", each["kind"], labels, template["spec"])
            )
    return found


def pod(name: str, component: str) -> Pod:
    (found,) = [each for each in pods(name) if each.component == component and each.long_lived]
    return found


def settings_file(name: str, component: str) -> str:
    """affiant.toml of a component."""
    (found,) = [
        each["data"]["affiant.toml"]
        for each in of_kind(name, "ConfigMap")
        if "affiant.toml" in each["data"]
        and each["metadata"]["labels"]["app.kubernetes.io/component"] == component
    ]
    return str(found)


def settings(name: str, component: str) -> dict[str, Any]:
    return tomllib.loads(settings_file(name, component))


def running(name: str) -> list[str]:
    """The components that these values switch on."""
    return [each for each in COMPONENTS if any(found.component == each for found in pods(name))]
