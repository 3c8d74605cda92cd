"""The steps of each image's build, without Docker: the wheel, the environment, the list of it, and the command."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from cli.up import PARTS
from tests.components.environments import run

ROOT: Final = Path(__file__).resolve().parents[2]
SETS: Final = {
    "gateway-cpu": ("gateway",),
    "gateway-gpu": ("gateway",),
    "sidecar": ("sidecar",),
    "notary": ("notary",),
    "monitoring": ("monitor",),
    "controller": ("controller",),
    "auditor": (),
}
"""What is installed, and the components that must run by it."""

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def builder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python with pip and what builds the wheel, as in the image's first stages."""
    builder = tmp_path_factory.mktemp("builder")
    run([sys.executable, "-m", "venv", str(builder)])
    build = ROOT / "requirements" / "build.txt"
    run([str(builder / "bin" / "pip"), "install", "--quiet", "--require-hashes", "-r", str(build)])
    return builder


@pytest.fixture(scope="module")
def wheels(builder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of what the Dockerfile copies, by its own line."""
    wheels, source = tmp_path_factory.mktemp("wheels"), tmp_path_factory.mktemp("source")
    text = (ROOT / "deploy" / "images" / "Dockerfile").read_text()
    names = re.findall(r"(?m)^COPY ([\w. ]+?) \S+$", text)
    for name in " ".join(names).split():
        run(["cp", "-r", str(ROOT / name), str(source / name)])
    [line] = re.findall(r"(?m)^RUN python (-m pip wheel .*) --wheel-dir /wheels \.$", text)
    command = [str(builder / "bin" / "python"), *line.split(), "--wheel-dir", str(wheels), "."]
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    return wheels


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", SETS)
def test_an_image_s_environment_runs_its_components_and_is_listed(
    name: str, builder: Path, wheels: Path, tmp_path: Path
) -> None:
    """From hashed requirements and our wheel alone; the list is what is locked, and us."""
    into = tmp_path / "affiant"
    install = ROOT / "deploy" / "images" / "install"
    run(
        [str(install), name, str(into), str(ROOT / "requirements"), str(wheels)],
        {"PATH": f"{builder / 'bin'}:/usr/bin:/bin"},
    )
    found = json.loads((into / "sbom.cdx.json").read_text())
    listed = {(each["name"].lower().replace("_", "-"), each["version"]) for each in found["components"]}
    locked = set(
        re.findall(r"(?m)^([a-z0-9-]+)==([^ ;]+)", (ROOT / "requirements" / f"{name}.txt").read_text())
    )
    assert ("affiant", "0.1.0") in listed
    assert listed - {("affiant", "0.1.0")} <= locked
    assert {"cryptography", "pydantic", "typer"} <= {each for each, _ in listed}
    for part in [part for part in PARTS if part.name in SETS[name]]:
        command = part.command or (part.name,)
        done = subprocess.run(
            [into / "bin" / "affiant", *command, "--help"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert f"Usage: affiant {' '.join(command)}" in done.stdout
