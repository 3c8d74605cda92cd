"""The locked requirements: complete, hashed, free of addresses, and no more than each component needs."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest
from packaging.markers import Marker, default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
EXTRAS = [
    "gateway-cpu", "gateway-gpu", "sidecar", "notary", "auditor",
    "monitoring", "controller", "reports", "dashboards", "registry", "gates", "signing",
]  # fmt: skip
SETS = [*EXTRAS, "verify", "demo", "dev"]
FILES = [*SETS, "build", "uv"]
PYTHONS = ["3.11", "3.12", "3.13"]
MODEL_LIBRARIES = {
    "bentoml",
    "xgboost",
    "xgboost-cpu",
    "onnx",
    "onnxruntime",
    "onnxruntime-gpu",
    "scikit-learn",
}


@dataclass(frozen=True)
class Pin:
    """One locked distribution: its name, version, marker and hashes."""

    name: str
    version: str
    marker: Marker | None
    hashes: tuple[str, ...]

    def applies(self, python: str) -> bool:
        """Whether it is installed on Linux under that Python."""
        environment = default_environment() | {
            "python_version": python,
            "python_full_version": f"{python}.9",
            "sys_platform": "linux",
            "platform_system": "Linux",
            "platform_machine": "x86_64",
        }
        return self.marker is None or self.marker.evaluate(environment)


def locked(name: str) -> list[Pin]:
    """The pins of requirements/NAME.txt; a line that is no pin with its hashes raises ValueError."""
    text = (ROOT / "requirements" / f"{name}.txt").read_text().replace("\\\n", " ")
    pins = []
    for line in text.splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        requirement_text, *hashes = line.split("--hash=")
        requirement = Requirement(requirement_text.strip())
        version = re.fullmatch(r"==([^,*]+)", str(requirement.specifier))
        if version is None or requirement.url:
            raise ValueError(f"not a pinned version: {line}")
        pins.append(
            Pin(
                canonicalize_name(requirement.name),
                version[1],
                requirement.marker,
                tuple(h.strip() for h in hashes),
            )
        )
    return pins


def installed_by(name: str, python: str) -> dict[str, str]:
    """Name → version of what a set installs on Linux under that Python."""
    found: dict[str, str] = {}
    for pin in locked(name):
        if pin.applies(python):
            assert pin.name not in found, f"{name}: two versions of {pin.name} under Python {python}"
            found[pin.name] = pin.version
    return found


def asked_by(extra: str) -> list[Requirement]:
    """What pyproject.toml asks for with an extra, its references to other extras followed."""
    project = PYPROJECT["project"]
    asked = []
    for text in project["optional-dependencies"][extra]:
        requirement = Requirement(text)
        if requirement.name == project["name"]:
            for other in requirement.extras:
                asked += asked_by(other)
        else:
            asked.append(requirement)
    return asked + [Requirement(text) for text in project["dependencies"]]


@pytest.mark.parametrize("name", FILES)
def test_every_line_is_a_pin_with_hashes_and_no_address(name: str) -> None:
    """Each line pins one version by sha256, and no index, address or path of a machine is named."""
    for pin in locked(name):
        assert pin.hashes, pin.name
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", value) for value in pin.hashes), pin.name
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    assert "://" not in text
    assert not re.search(r"^\s*-(?!-hash=)", text, re.MULTILINE), "an option, such as an index or an editable"


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("extra", EXTRAS)
def test_the_locked_versions_are_those_asked_for(extra: str, python: str) -> None:
    """Everything that an extra asks for is in its file, at a version that it allows, under each Python."""
    found = installed_by(extra, python)
    for requirement in asked_by(extra):
        marker = requirement.marker
        if marker is not None and not marker.evaluate(
            default_environment() | {"python_version": python, "sys_platform": "linux"}
        ):
            continue
        name = canonicalize_name(requirement.name)
        assert name in found
        assert requirement.specifier.contains(found[name], prereleases=True), (name, found[name])


@pytest.mark.parametrize("component", ["sidecar", "notary", "auditor", "monitoring", "controller"])
def test_components_without_a_model_install_no_model_library(component: str) -> None:
    """The sidecar above all: no BentoML, no XGBoost, no ONNX Runtime beside the record."""
    for python in PYTHONS:
        assert not MODEL_LIBRARIES & set(installed_by(component, python))


def test_who_decides_brings_nothing_for_late_labels() -> None:
    """They are the monitor's; templates are for cards, which the controller's image keeps up to date."""
    for python in PYTHONS:
        monitor, controller = (set(installed_by(each, python)) for each in ("monitoring", "controller"))
        assert "river" in monitor - controller
        assert "jinja2" in controller - monitor


def test_the_two_gateways_are_declared_conflicting() -> None:
    """gateway-cpu and gateway-gpu bring two builds of one library, and uv is told so."""
    conflicts = [{item["extra"] for item in pair} for pair in PYPROJECT["tool"]["uv"]["conflicts"]]
    assert {"gateway-cpu", "gateway-gpu"} in conflicts
    cpu, gpu = installed_by("gateway-cpu", "3.11"), installed_by("gateway-gpu", "3.11")
    assert {"onnxruntime", "xgboost-cpu"} <= set(cpu)
    assert not {"onnxruntime-gpu", "xgboost"} & set(cpu)
    assert {"onnxruntime-gpu", "xgboost"} <= set(gpu)
    assert not {"onnxruntime", "xgboost-cpu"} & set(gpu)


@pytest.mark.parametrize("name", [name for name in SETS if name != "dev"])
def test_what_runs_is_what_is_tested(name: str) -> None:
    """A library of any set has the version that the tests install (the GPU's own builds aside)."""
    for python in PYTHONS:
        tested = installed_by("dev", python)
        different = {
            library: (version, tested[library])
            for library, version in installed_by(name, python).items()
            if library in tested and tested[library] != version
        }
        assert not different


def _uv() -> str:
    """Where uv is; scripts/bootstrap gets it when the machine has none."""
    result = subprocess.run(
        ["scripts/bootstrap", "--uv"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return result.stdout.strip()


@pytest.mark.parametrize("extra", EXTRAS)
def test_an_extra_resolves_from_its_file_alone(extra: str, tmp_path: Path) -> None:
    """Constrained to its locked pins, an extra resolves to exactly them.

    Asked of the resolver itself, for the oldest Python: the file is complete and without conflict.
    """
    resolved = tmp_path / "resolved.txt"
    subprocess.run(
        [
            _uv(), "pip", "compile", "pyproject.toml", "--extra", extra, "--quiet", "--no-header",
            "--no-annotate", "--python-version", "3.11", "--python-platform", "x86_64-manylinux_2_28",
            "--constraints", f"requirements/{extra}.txt", "--output-file", str(resolved),
        ],
        cwd=ROOT,
        check=True,
        env=os.environ | {"UV_NO_PROGRESS": "1"},
    )  # fmt: skip
    lines = [Requirement(line) for line in resolved.read_text().splitlines() if line.strip()]
    found = {canonicalize_name(line.name): str(line.specifier).removeprefix("==") for line in lines}
    assert found == installed_by(extra, "3.11")


@pytest.mark.slow
def test_the_locked_files_are_up_to_date() -> None:
    """Locking again changes nothing: pyproject.toml was not edited without `make lock`."""
    result = subprocess.run(
        ["scripts/lock", "--check"],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
        env=os.environ | {"UV": _uv()},
    )
    assert result.returncode == 0, result.stderr
