"""Helm and kubeconform, and the schemas that kubeconform holds manifests against: Kubernetes' own, and of CRDs.

    schemas()                                   their folder; made in the cache the first time
    render(chart, values=[file])                what `helm template` makes, as one text
    kubeconform(folder, OLDEST)                 what kubeconform has against it, a line each

Ahead of the tests: python -m tests.components.kubernetes. The schemas are made from the Go modules below, whose
content Go checks; nothing is asked of a cluster, or of anybody else.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import yaml

from tests.components.cache import cache_dir, cached
from tests.components.environments import run
from tests.components.process import ComponentError

KUBERNETES: Final = "1.37.2"
OLDEST: Final = "1.30.0"
"""Whose API the manifests are held against: a new one's, and that of the oldest cluster that the chart is for."""
SWAGGER: Final = "api/openapi-spec/swagger.json"
"""Of the module k8s.io/kubernetes."""
CRDS: Final = (
    (
        "github.com/prometheus-operator/prometheus-operator@v0.85.0",
        "example/prometheus-operator-crd/*.yaml",
    ),
    ("github.com/kedacore/keda/v2@v2.21.0", "config/crd/bases/keda.sh_*.yaml"),
    ("istio.io/api@v1.31.1", "kubernetes/customresourcedefinitions.gen.yaml"),
    ("github.com/cert-manager/cert-manager@v1.19.1", "deploy/crds/*.yaml"),
)
STRIMZI: Final = Path(__file__).with_name("strimzi.yaml")
"""Strimzi is no Go module: what the chart may use of its two resources, written down here."""
_GROUPS: Final = frozenset(
    {
        "", "apps", "autoscaling", "batch", "networking.k8s.io", "policy", "rbac.authorization.k8s.io",
        "monitoring.coreos.com", "keda.sh", "networking.istio.io", "security.istio.io", "cert-manager.io",
        "kafka.strimzi.io",
    }
)  # fmt: skip


_OTHERS: Final = "others"
"""The folder of CRDs."""


class _Loader(yaml.CSafeLoader):  # type: ignore[misc]  # yaml ships no types
    """Takes `=` for text, as Kubernetes does."""


_Loader.add_constructor("tag:yaml.org,2002:value", lambda loader, node: loader.construct_scalar(node))
_LOOSE: Final = {
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": {"type": ["string", "integer"]},
    "io.k8s.apimachinery.pkg.api.resource.Quantity": {"type": ["string", "number"]},
}


def schemas() -> Path:
    """The folder with a folder for each Kubernetes, and one of CRDs. A schema for each kind, strict: what it does not
    name is refused.

    Raises:
        ComponentError: a module could not be downloaded.
    """
    target = cache_dir() / "kube-schemas"
    stamp = target / "stamp"
    wanted = sha256(Path(__file__).read_bytes() + STRIMZI.read_bytes()).hexdigest()
    if stamp.is_file() and stamp.read_text() == wanted:
        return target
    cache_dir().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache_dir(), prefix="kube-schemas.") as name:
        new = Path(name) / "new"
        for of in (KUBERNETES, OLDEST, _OTHERS):
            (new / of).mkdir(parents=True)
            for file, schema in _all(of):
                (new / of / file).write_text(json.dumps(schema))
        (new / "stamp").write_text(wanted)
        if target.exists():
            target.rename(Path(name) / "old")
        new.rename(target)
    return target


def _all(of: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Of a version of Kubernetes, or of the others."""
    if of != _OTHERS:
        yield from _of_swagger(json.loads((_module(f"k8s.io/kubernetes@v{of}") / SWAGGER).read_text()))
        return
    for module, pattern in CRDS:
        for file in sorted(_module(module).glob(pattern)):
            yield from _of_crds(file)
    yield from _of_crds(STRIMZI)


def _module(module: str) -> Path:
    """The folder of a Go module. Raises ComponentError."""
    own = cache_dir() / "go" / "bin" / "go"
    go = str(own) if own.exists() else shutil.which("go")
    if go is None:
        raise ComponentError("needs Go; run: scripts/tools go")
    with tempfile.TemporaryDirectory() as empty:
        command = [go, "-C", empty, "mod", "download", "-json", module]
        return Path(json.loads(run(command, {"GOFLAGS": "-mod=mod"}))["Dir"])


def file_name(group: str, kind: str, version: str) -> str:
    """Of the schema of a kind, as kubeconform is told to look for it (`_LOCATION`)."""
    return f"{kind.lower()}_{group or version}_{version}.json"


_LOCATION: Final = "{{.ResourceKind}}_{{.Group}}_{{.ResourceAPIVersion}}.json"


def _of_swagger(swagger: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    definitions: dict[str, Any] = {
        name: _LOOSE.get(name) or strict(content) for name, content in swagger["definitions"].items()
    }
    for name, content in swagger["definitions"].items():
        for named in content.get("x-kubernetes-group-version-kind", ()):
            if named["group"] not in _GROUPS or "properties" not in content:
                continue
            reached: dict[str, Any] = {}
            _reach(name, definitions, reached)
            root = {"$ref": f"#/definitions/{name}", "definitions": reached}
            yield file_name(named["group"], named["kind"], named["version"]), root


def _reach(name: str, definitions: Mapping[str, Any], reached: dict[str, Any]) -> None:
    """Collect a definition, and all that it refers to."""
    if name in reached:
        return
    reached[name] = definitions[name]
    for target in _references(definitions[name]):
        _reach(target, definitions, reached)


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"].removeprefix("#/definitions/")
        for value in node.values():
            yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)


def _of_crds(file: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for document in yaml.load_all(file.read_text(), Loader=_Loader):
        if not document or document.get("kind") != "CustomResourceDefinition":
            continue
        spec = document["spec"]
        if spec["group"] not in _GROUPS:
            continue
        for version in spec["versions"]:
            schema = strict(version["schema"]["openAPIV3Schema"])
            schema["properties"] |= {
                "apiVersion": {"type": "string"},
                "kind": {"type": "string"},
                "metadata": {"type": "object"},
            }
            yield file_name(spec["group"], spec["names"]["kind"], version["name"]), schema


def strict(node: Any) -> Any:
    """A schema that refuses what it does not name, but for where Kubernetes keeps everything."""
    if isinstance(node, list):
        return [strict(each) for each in node]
    if not isinstance(node, dict):
        return node
    texts = {key for key in node if key == "description" and isinstance(node[key], str)}
    made = {key: strict(value) for key, value in node.items() if key not in texts}
    if node.get("x-kubernetes-int-or-string") or node.get("format") == "int-or-string":
        return {"type": ["string", "integer"]}
    named = isinstance(node.get("properties"), dict) and node.get("type", "object") == "object"
    if named and "additionalProperties" not in node and not node.get("x-kubernetes-preserve-unknown-fields"):
        made["additionalProperties"] = False
    return made


# ---------------------------------------------------------------- the two programs


@dataclass(frozen=True)
class Refused(Exception):  # noqa: N818 — what Helm did, not a failure of ours
    """Helm does not render these values; `said` is what it said."""

    said: str


def helm(*arguments: str) -> str:
    """Run Helm offline; its output.

    Raises:
        Refused: it failed.
    """
    program = cached("bin", "helm", tool="helm")
    with tempfile.TemporaryDirectory() as home:
        done = subprocess.run(
            [str(program), *arguments],
            capture_output=True, text=True, check=False,
            env={"PATH": os.environ["PATH"], "HOME": home, "HELM_NO_PLUGINS": "1"},
        )  # fmt: skip
    if done.returncode != 0:
        raise Refused(done.stderr + done.stdout)
    return done.stdout


def render(chart: Path, values: Sequence[Path] = (), *given: str, release: str = "affiant") -> str:
    """The manifests of a chart: `given` are more arguments of `helm template`. Raises Refused.

    Beside NAME-values.yaml may lie NAME-rules.yml, which is given as prometheus.rules.file.
    """
    files = [part for file in values for part in given_by(file)]
    return helm(
        "template", release, str(chart), "--namespace", "bank", "--kube-version", KUBERNETES, *files, *given
    )


def given_by(values: Path) -> Iterator[str]:
    """A values file, and the rules beside it, as Helm is given them."""
    yield from ("--values", str(values))
    rules = values.with_name(values.name.replace("-values.yaml", "-rules.yml"))
    if rules.suffix == ".yml" and rules.is_file():
        yield from ("--set-file", f"prometheus.rules.file={rules}")


def kubeconform(manifests: Path, kubernetes: str = KUBERNETES) -> list[str]:
    """What is wrong with a folder of manifests, to that Kubernetes; a kind without a schema is wrong, too."""
    program = cached("bin", "kubeconform", tool="kubeconform")
    locations = [
        part for of in (kubernetes, _OTHERS) for part in ("-schema-location", f"{schemas()}/{of}/{_LOCATION}")
    ]
    done = subprocess.run(
        [str(program), "-strict", "-output", "json", "-summary", *locations, str(manifests)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    answer = json.loads(done.stdout)
    if not answer["summary"]["valid"] and not answer.get("resources"):
        raise ComponentError(f"kubeconform looked at nothing in {manifests}: {done.stderr}")
    return [
        f"{each['filename']}: {each['kind']} {each['name']}: {each['msg']}"
        for each in answer.get("resources") or ()
    ]


if __name__ == "__main__":
    schemas()
