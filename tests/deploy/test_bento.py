"""`bentoml build`, and what it has built: served from nothing but itself, in an environment of its own requirements."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from audit.proof.entry import Key
from tests.components.environments import environment
from tests.components.gateway import Site
from tests.components.packages import number_package
from tests.components.ports import free_port
from tests.components.process import Process

ROOT: Final = Path(__file__).resolve().parents[2]
LOCKED: Final = ROOT / "requirements" / "gateway-cpu.txt"
ADDED: Final = "bentoml=="
"""BentoML writes its own version behind what is asked for, once more and without a hash."""


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout: what git knows, without what was made here."""
    source = tmp_path_factory.mktemp("checkout")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, check=True,
    )  # fmt: skip
    for name in listed.stdout.decode().split("\0"):
        if name and (ROOT / name).is_file() and not name.startswith(("tests/", "bench/", "deploy/", "docs/")):
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, source / name)
    return source


@pytest.fixture(scope="module")
def bento(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built Bento's folder."""
    home = tmp_path_factory.mktemp("bentoml")
    uv = subprocess.run(
        [ROOT / "scripts" / "bootstrap", "--uv"], capture_output=True, text=True, check=True
    ).stdout.strip()
    environ = {
        "BENTOML_HOME": str(home), "AFFIANT_CONFIG": os.devnull, "BENTOML_DO_NOT_TRACK": "True",
        "PATH": os.pathsep.join((str(Path(uv).parent), os.environ["PATH"])),
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "bentoml_cli.cli", "build", "-f", "bentofile.yaml", ".", "--output", "tag"],
        cwd=source, env={**os.environ, **environ}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    name, version = done.stdout.strip().rsplit("__tag__:", 1)[1].split(":")
    return home / "bentos" / name / version


@pytest.fixture(scope="module")
def served(bento: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, int]]:
    """The Bento, serving a package; the site of its settings, and its port."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    requirements = elsewhere / "requirements.txt"
    requirements.write_text("".join(_without_added(bento)))
    python = environment("bento", requirements) / "bin" / "python"
    site = Site(tmp_path_factory.mktemp("site"))
    site.gateway["port"] = port = free_port()
    site.serve("numbers", number_package())
    site.write()
    process = Process(
        [python, "-P", "-m", "bentoml_cli.cli", "serve", bento],
        log=elsewhere / "bento.log",
        cwd=elsewhere,
        env={
            "AFFIANT_CONFIG": str(site.config), "BENTOML_HOME": str(elsewhere), "BENTOML_DO_NOT_TRACK": "True",
            "PYTHONDONTWRITEBYTECODE": "",
        },
        name="bento",
    )  # fmt: skip
    with process:
        process.wait_until(lambda: _answer(port, "/readyz") == 200, what="ready", deadline_s=120)
        yield site, port
        process.stop()


def _without_added(bento: Path) -> list[str]:
    lines = (bento / "env" / "python" / "requirements.txt").read_text().splitlines(keepends=True)
    return [line for line in lines if not (line.startswith(ADDED) and "\\" not in line)]


def _answer(port: int, path: str) -> int:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def test_a_bento_holds_the_gateway_and_what_it_stands_on_and_no_more(source: Path, bento: Path) -> None:
    """Every module of three rooms; no settings, no key, no model, no other room."""
    inside = {path.relative_to(bento / "src") for path in (bento / "src").rglob("*") if path.is_file()}
    inside = {path for path in inside if path.suffix != ".pyc"}
    rooms = {path for room in ("service", "audit", "registry") for path in (source / room).rglob("*.py")}
    wanted = {path.relative_to(source) for path in rooms}
    assert wanted <= inside
    assert {str(path) for path in inside - wanted} == {
        "pyproject.toml", "LICENSE", "NOTICE", "bentofile.yaml"
    }  # fmt: skip


def test_a_bento_asks_for_what_is_locked(bento: Path) -> None:
    """Versions and hashes are those of requirements/gateway-cpu.txt; BentoML writes conditions in its own way."""

    def asked(lines: list[str]) -> list[str]:
        return re.findall(r"(?m)^[a-zA-Z0-9._\[\]-]+==[^ ;]+|--hash=\S+", "".join(lines))

    assert asked(_without_added(bento)) == asked([LOCKED.read_text()])
    assert len(asked(_without_added(bento))) > 1000


@pytest.mark.slow
def test_a_served_bento_answers_and_the_answer_is_recorded(served: tuple[Site, int], bento: Path) -> None:
    """Settings come from where it is served, not from where it was built; the record is in the journal."""
    site, port = served
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/v1/models/numbers:predict",
        json.dumps({"instances": [[0.5, 0.5, 1.0]]}).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        record, body = answer.headers["Affiant-Record"], answer.read()
    assert len(json.loads(body)["predictions"]) == 1
    [exchange] = site.exchanges()
    assert (exchange.record_id, exchange.payload.response) == (record, body)
    assert exchange.fields[Key.SERVICE] == "numbers"
    assert list((bento / "src" / "service").rglob("*.pyc")), "it was not served from what was built"
