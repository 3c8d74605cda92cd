"""The longest names and labels that the chart makes are as short as Kubernetes wants them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.components.kubernetes import render
from tests.deploy.helm_chart import CHART, MATRIX, Manifest

LABEL = 63
"""Characters of a label's value, and of a DNS label."""
NAMES = {
    "CronJob": 52,  # -TIME is put behind it for each job
    "StatefulSet": LABEL - len("-0123456789"),  # pods have NAME-HASH as the label controller-revision-hash
    "Job": LABEL,  # a label of its pods
    "Service": LABEL,  # a name in DNS
    "Pod": LABEL,  # its host name
    "ScaledObject": LABEL,  # a label of the autoscaler that KEDA makes
    "KafkaUser": LABEL,  # the common name of its certificate: 64
    "Certificate": LABEL,  # likewise, for those who show it
}
"""Of other kinds: 253, as of any object."""
RELEASE = "r" * 53
"""Helm takes none that is longer."""


def longest(name: str) -> tuple[Manifest, ...]:
    """What is rendered of values, with all names as long as they can be."""
    given = ["--set", f"fullnameOverride={'f' * 63}", "--set", f"nameOverride={'n' * 63}"]
    given += ["--set", "drain.claims={data-affiant-gateway-9}"]
    found = yaml.load_all(render(CHART, [MATRIX[name]], *given, release=RELEASE), Loader=yaml.CSafeLoader)
    return tuple(each for each in found if each)


def labels(node: Any) -> Iterator[str]:
    """Values of all labels, and of all selectors by them."""
    if isinstance(node, list):
        for each in node:
            yield from labels(each)
    elif isinstance(node, dict):
        for key, value in node.items():
            if key in ("labels", "matchLabels") and isinstance(value, dict):
                yield from value.values()
            else:
                yield from labels(value)


@pytest.mark.parametrize("name", MATRIX)
def test_the_longest_names_are_not_too_long(name: str) -> None:
    """Each kind has its bound, by what Kubernetes puts behind a name, or makes of it."""
    found = longest(name)
    names = [(each["kind"], each["metadata"]["name"]) for each in found]
    assert [(kind, name) for kind, name in names if len(name) > NAMES.get(kind, 253)] == []
    assert [each for each in labels(list(found)) if len(each) > LABEL] == []
    assert len(set(names)) == len(names)


def test_every_kind_that_has_a_bound_is_looked_at() -> None:
    """And the names are the longest: the release's own is cut."""
    found = [(each["kind"], each["metadata"]["name"]) for each in longest("bank")]
    assert set(NAMES) <= {kind for kind, _ in found}
    assert [name for _, name in found if "f" * 41 in name] == []
    assert [name for kind, name in found if kind == "CronJob"] == [
        f"{'f' * 40}-{each}" for each in ("auditor", "cards", "mlflow")
    ]
