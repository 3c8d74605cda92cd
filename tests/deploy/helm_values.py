"""Every value of the chart, something else for each that the schema takes, and sets of values in which each is at work.

    MARKS[path]        a value that is found again in a render: (what is looked for, the value)
    choices(path)      of switches, choices and small numbers, which nobody would find: what they may be
    values(base)       one of BASES, with all marks
    bases(path)        in which order they are worth a try

A path is `gateway.tls.secretName`. `settings` is not among them: its tables are those of affiant.toml (SETTINGS).
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml
from jsonschema import Draft7Validator

from tests.components.kubernetes import render
from tests.deploy.helm_chart import CHART

Schema = Mapping[str, Any]
Values = dict[str, Any]
WHOLE: Final[Schema] = json.loads((CHART / "values.schema.json").read_text())
COMPONENTS: Final = ("gateway", "notary", "monitor", "controller", "follow", "auditor")


def _leaves(schema: Schema, path: str = "") -> Iterator[tuple[str, Schema]]:
    """Values whose parts the schema does not name."""
    for name, part in schema["properties"].items():
        if "properties" in part:
            yield from _leaves(part, f"{path}{name}.")
        else:
            yield path + name, part


LEAVES: Final = {path: part for path, part in _leaves(WHOLE) if not path.startswith("settings.")}
SETTINGS: Final = dict(_leaves(WHOLE["properties"]["settings"]))


def fits(schema: Schema, value: Any) -> bool:
    """Whether the schema takes it."""
    return bool(Draft7Validator(schema).is_valid(value))


def at(values: Mapping[str, Any], path: str) -> Any:
    """What stands there."""
    found: Any = values
    for name in path.split("."):
        found = found[name]
    return found


def put(values: Values, path: str, value: Any) -> None:
    """Have it stand there."""
    *before, last = path.split(".")
    for name in before:
        values = values.setdefault(name, {})
    values[last] = value


def rendered(values: Values) -> str:
    """What `helm template` makes of these values. Raises Refused."""
    return _rendered(yaml.safe_dump(values))


@cache
def _rendered(values: str) -> str:
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(values)
        file.flush()
        return render(CHART, [Path(file.name)])


# ---------------------------------------------------------------- something else


def _marked(path: str, schema: Schema, number: int) -> tuple[str, Any] | None:
    """A word of its own in the first form that the schema takes, of numbers one of four digits; None: it takes none."""
    word, whole = f"mark{number:03}x", 1000 + number
    if path in _FORMED:
        return _FORMED[path](word, number)
    texts = (word, f"{word}:9092", f"s3://{word}", f"https://{word}", f"/{word}", f"{word} * * * *")
    rule = {"to": [{"name": word}], "ports": [{"port": 1, "protocol": "TCP"}]}
    package = {"service": word, "digest": f"sha256:{0:064}"}
    parts = (word, {"name": word}, {"secretName": word, "key": word, "path": word}, rule, package)
    maps = ({word: word}, {"cpu": "1", "memory": "1Gi", word: 1})
    forms: list[tuple[str, Any]] = [
        *((word, text) for text in texts),
        *((text, text) for text in (f"{whole}Gi", f"{whole}h", f"sha256:{number:064x}")),
        *((word, each) for each in maps),
        *((word, [each]) for each in parts),
        *((str(each), each) for each in (whole, whole + schema.get("minimum", 0))),
        (str(whole), [whole]),
    ]
    return next(((mark, value) for mark, value in forms if fits(schema, value)), None)


def _rules_file(word: str, _: int) -> tuple[str, Any]:
    rule = {"alert": word, "expr": "vector(1)", "labels": {"affiant_action": "rollback"}}
    return word, yaml.safe_dump({"groups": [{"name": "affiant-gateway", "rules": [rule]}]})


def _retention(_: str, number: int) -> tuple[str, Any]:
    return str(86400000 + number), 86400000 + number  # no less than a day


_FORMED: Final = {"prometheus.rules.file": _rules_file, "kafka.retentionMs": _retention}
"""What the chart itself wants more of than the schema says."""
_NAMED: Final = {"prometheus.rules.excludedGroups": [[], ["affiant-gateway"]]}
"""Words that the chart knows, and takes no others."""
MARKS: Final = {
    path: found
    for number, (path, schema) in enumerate(LEAVES.items())
    if path not in _NAMED and (found := _marked(path, schema, number)) is not None
}


def choices(path: str) -> list[Any]:
    """What it may be, of a value without a mark."""
    schema = LEAVES[path]
    if path in _NAMED:
        return _NAMED[path]
    if schema.get("type") == "boolean":
        return [False, True]
    if schema.get("type") == "array":
        return [[word] for word in schema["items"]["enum"]]
    if "enum" in schema:
        return list(schema["enum"])
    return [schema["minimum"] + 11, schema["minimum"] + 12]


# ---------------------------------------------------------------- where it is at work


def _each(components: tuple[str, ...], path: str, value: Any) -> Values:
    return {f"{component}.{path}": value for component in components}


_ALL: Final[Values] = {
    **_each(COMPONENTS[1:], "enabled", value=True),
    **{f"prometheus.{each}.enabled": True for each in ("serviceMonitors", "rules", "alertmanagerConfig")},
    "certManager.enabled": True,
    "governance.checkpoint": True,
    "kafka.archived": True,
    "prometheus.rules.excludedGroups": [],
}
# Of two values that name the same thing, one.
_FIRST: Final[Values] = {"caBundle.secretName": "", "governance.rootConfigMap": ""}
_SECOND: Final[Values] = {"caBundle.configMapName": "", "kafka.ca.configMapName": "", "governance.root": ""}
BASES: Final[Mapping[str, Values]] = {
    "passwords, an OCI registry, autoscaling by CPU": {
        **_ALL, **_FIRST,
        **{f"images.{each}.digest": "" for each in (*COMPONENTS, "sidecar") if each != "follow"},
        "kafka.securityProtocol": "SASL_SSL",
        "gateway.tls.secretName": "",
        "gateway.autoscaling.kind": "hpa",
    },
    "certificates, MLflow, Strimzi, KEDA": {
        **_ALL, **_SECOND,
        **_each(COMPONENTS, "serviceAccount.name", ""),
        **_each(("gateway", "monitor"), "autoscaling.kind", "keda"),
        "models.backend": "mlflow",
        "follow.mlflow.trackingUri": "",
        "controller.tls.secretName": "",
        "controller.tls.clientCertificates": True,
        "strimzi.enabled": True,
        "kafka.partitions": 10000,  # as many monitors as there may be
    },
    "a mesh": {
        **_ALL, **_SECOND,
        "istio.enabled": True,
        "istio.virtualService.enabled": True,
        "gateway.tls.secretName": "",
    },
    "little": {
        **_SECOND,
        "gateway.persistence.enabled": False,
        "gateway.persistence.acceptLoss": True,
        "gateway.tls.secretName": "",
        "settings.journal.free_after": "acknowledged",
        "kafka.retentionMs": -1,
        "grafana.dashboards.enabled": True,
    },
}  # fmt: skip


def bases(path: str) -> list[str]:
    """All of them, and those first that say something of what a value is of: there it does something, most likely."""
    of = path.partition(".")[0]
    return sorted(BASES, key=lambda base: all(said.partition(".")[0] != of for said in BASES[base]))


def values(base: str) -> Values:
    """All marks, but for what a base says otherwise."""
    made: Values = {}
    for path, (_, value) in MARKS.items():
        put(made, path, value)
    for path, value in BASES[base].items():
        put(made, path, value)
    return made
