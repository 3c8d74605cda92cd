"""The images' Dockerfile, as BuildKit's parser reads it: what is in an image, as whom it runs, and that it starts."""

from __future__ import annotations

import os
import re
import subprocess
from fnmatch import fnmatch
from pathlib import Path
from typing import Final

import pytest

from audit.settings import NotarySettings, SidecarSettings
from cli.up import PARTS
from monitoring.settings import ControllerSettings, MonitorSettings
from service.settings import GatewaySettings
from tests.components.dockerfile import Dockerfile, parsed
from tests.components.environments import environment

ROOT: Final = Path(__file__).resolve().parents[2]
IMAGES: Final = ROOT / "deploy" / "images"
TARGETS: Final = {
    "gateway": ("gateway-cpu", "gateway", GatewaySettings().port),
    "gateway-cuda": ("gateway-gpu", "gateway", GatewaySettings().port),
    "sidecar": ("sidecar", "sidecar", SidecarSettings().metrics_port),
    "notary": ("notary", "notary", NotarySettings().metrics_port),
    "monitor": ("monitoring", "monitor", MonitorSettings().metrics_port),
    "controller": ("controller", "controller", ControllerSettings().port),
}
"""Target: its set of requirements, the component that it runs, and where that listens."""
SETS: Final = {**{target: wanted for target, (wanted, _, _) in TARGETS.items()}, "auditor": "auditor"}
"""Every target, and its set of requirements: the auditor's runs commands that end, and no component."""
TOOLS: Final = {"build.txt", "sbom.txt"}
"""What builds an image and is not in it."""
DIGEST: Final = "sha256:" + "0" * 64


@pytest.fixture(scope="module")
def dockerfile() -> Dockerfile:
    """Parsed."""
    return parsed(IMAGES / "Dockerfile")


def test_buildkit_s_linter_finds_nothing(dockerfile: Dockerfile) -> None:
    """And every image is a target."""
    assert dockerfile.warnings == ()
    assert set(SETS) <= set(dockerfile.stages)


def test_bases_come_from_outside_alone_and_only_by_digest(dockerfile: Dockerfile) -> None:
    """The guard is run as the build runs it: with a tag, a short digest and nothing it ends the build."""
    outside = {
        stage.base: stage for stage in dockerfile.stages.values() if stage.base not in dockerfile.stages
    }
    assert set(outside) == {"${PYTHON_IMAGE}", "${CUDA_IMAGE}"}
    for base, stage in outside.items():
        name = base[2:-1]
        [argument, guard, *_] = stage.commands
        assert (argument.name, guard.name) == ("ARG", "RUN")
        [script] = guard.parts["CmdLine"]
        for value, ends in {
            f"example.org/python:3.11@{DIGEST}": 0, f"python@{DIGEST}": 0, "python:3.11-slim": 1, "": 1,
            "scratch": 1, DIGEST: 1, f"python@{DIGEST[:-1]}": 1, f"python@{DIGEST}0": 1,
        }.items():  # fmt: skip
            done = subprocess.run(
                ["sh", "-c", script], env={name: value}, capture_output=True, text=True, check=False
            )
            assert (value, done.returncode) == (value, ends)
            assert bool(ends) == (f"{name} must be pinned" in done.stderr)


def test_nothing_is_named_by_what_changes(dockerfile: Dockerfile) -> None:
    """No `latest`, no download, no secret as an argument."""
    for stage in dockerfile.stages.values():
        assert not stage.of("ADD")
        for command in stage.commands:
            assert not re.search(r"\blatest\b|curl |wget |https?://", command.text), command.text
            assert not re.search(r"(?i)password|secret|token", command.text), command.text


def test_each_path_that_is_copied_is_there_and_not_ignored(dockerfile: Dockerfile) -> None:
    """From the checkout, and from stages that have made it; nothing else of the checkout gets into a build."""
    kept = re.findall(r"(?m)^!(\S+)", (IMAGES / "Dockerfile.dockerignore").read_text())
    copied = {
        path
        for stage in dockerfile.stages.values()
        for command in stage.of("COPY")
        if not command.parts["From"]
        for path in command.parts["SourcePaths"]
    }
    for path in copied:
        assert (ROOT / path).exists(), path
        assert any(fnmatch(path, pattern) for pattern in kept), path
    assert {pattern for pattern in kept if "*" not in pattern} == {
        p for p in copied if not p.endswith(".txt")
    }
    for stage in dockerfile.stages.values():
        for command in stage.of("COPY"):
            assert not command.parts["From"] or command.parts["From"] in dockerfile.stages, command.text


@pytest.mark.parametrize("target", SETS)
def test_an_image_installs_its_own_requirements_and_no_others(dockerfile: Dockerfile, target: str) -> None:
    """Locked and hashed; those of other components are not even copied into a stage of its build."""
    wanted = SETS[target]
    stages = [dockerfile.stages[name] for name in dockerfile.reached(target)]
    copied = {
        Path(path).name
        for stage in stages
        for command in stage.of("COPY")
        for path in command.parts["SourcePaths"]
        if path.startswith("requirements/")
    }
    assert copied - TOOLS == {f"{wanted}.txt"}
    installed = [each for stage in stages for each in stage.of("RUN") if "install-affiant" in each.text]
    assert [each.parts["CmdLine"] for each in installed] == [[f"install-affiant {wanted}"]]
    text = (ROOT / "requirements" / f"{wanted}.txt").read_text()
    assert all("--hash=sha256:" in part for part in re.split(r"(?m)^(?=[a-z])", text)[1:])


def test_what_installs_takes_hashes_alone() -> None:
    """Every line that fetches asks for them; our own wheel comes from the build."""
    lines = re.sub(r"\\\n\s*", "", (IMAGES / "install").read_text()).splitlines()
    installs = [line for line in lines if " install " in line and not line.startswith("#")]
    assert len(installs) == 3
    assert all("--require-hashes" in line or "--no-index" in line for line in installs)
    assert os.access(IMAGES / "install", os.X_OK)


@pytest.mark.parametrize("target", SETS)
def test_an_image_runs_as_nobody_from_a_root_that_it_does_not_write(
    dockerfile: Dockerfile, target: str
) -> None:
    """A number, so that a cluster can see that it is not root; what must be written lies in /tmp or in a volume."""
    chain = dockerfile.chain(target)
    [user] = [command.parts["User"] for stage in chain for command in stage.of("USER")]
    assert user == "10001:10001"
    assert not dockerfile.stages[target].of("RUN"), "runs as root after all"
    environ = {
        pair["Key"]: pair["Value"]
        for stage in reversed(chain)
        for command in stage.of("ENV")
        for pair in command.parts["Env"]
    }
    assert environ["PYTHONDONTWRITEBYTECODE"] == "1"
    assert environ["HOME"] == "/tmp"
    assert environ["BENTOML_HOME"].startswith("/tmp/")
    [copy] = dockerfile.stages[target].of("COPY")
    assert not copy.parts["Chown"], "its code belongs to root"


@pytest.mark.parametrize("target", TARGETS)
def test_an_image_starts_its_component_and_asks_it_whether_it_lives(
    dockerfile: Dockerfile, target: str
) -> None:
    """The command is the supervisor's, the port the settings' default."""
    _, name, port = TARGETS[target]
    [part] = [part for part in PARTS if part.name == name]
    stage = dockerfile.stages[target]
    assert stage.of("ENTRYPOINT")[0].parts["CmdLine"] == ["affiant", *(part.command or (part.name,))]
    assert stage.of("HEALTHCHECK")[0].parts["Health"]["Test"] == ["CMD", "python", "/opt/health.py", name]
    assert stage.of("EXPOSE")[0].parts["Ports"] == [str(port)]


def test_the_auditor_s_image_has_its_commands_and_no_health(dockerfile: Dockerfile) -> None:
    """It looks and ends: nothing listens that could be asked."""
    stage = dockerfile.stages["auditor"]
    assert stage.of("ENTRYPOINT")[0].parts["CmdLine"] == ["affiant", "audit"]
    assert stage.of("HEALTHCHECK")[0].parts["Health"]["Test"] == ["NONE"]
    assert not stage.of("EXPOSE")


def test_a_component_starts_with_its_own_requirements_alone(tmp_path: Path) -> None:
    """The sidecar, in an environment of what its image holds: its help, and its health once it runs, and not before."""
    from tests.components.ports import free_port
    from tests.components.process import Process, wait_until

    python = environment("image-sidecar", ROOT / "requirements" / "sidecar.txt") / "bin" / "python"
    config = tmp_path / "affiant.toml"
    config.write_text(
        f'[journal]\nfree_after = "acknowledged"\n[sidecar]\nmetrics_port = {free_port()}\n'
        '[fluentd]\naddress = "127.0.0.1:1"\n'
    )
    environ = {"PYTHONPATH": str(ROOT), "AFFIANT_CONFIG": str(config)}

    def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [python, "-P", *arguments], cwd=tmp_path, env=environ, capture_output=True, text=True, check=False
        )

    shown = run("-m", "cli.main", "sidecar", "--help")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "Example: affiant sidecar" in shown.stdout
    missing = run("-c", "import bentoml")
    assert "No module named 'bentoml'" in missing.stderr
    health = run(IMAGES / "health.py", "sidecar")
    assert health.returncode == 1
    assert "refused" in health.stderr
    argv = [python, "-P", "-m", "cli.main", "sidecar", "--config", config]
    with Process(argv, log=tmp_path / "log", cwd=tmp_path, env=environ, name="sidecar") as process:
        process.wait_for_log("ready")
        wait_until(lambda: run(IMAGES / "health.py", "sidecar").returncode == 0, what="it lives")
