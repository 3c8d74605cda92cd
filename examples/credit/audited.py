"""The demo's last part: what an auditor does with what the notary has sealed. Each step is a command of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from zipfile import ZipFile

from system import affiant

from audit.config import load
from audit.log import configured_log
from audit.trees import configured_trees

ROOT: Final = Path(__file__).resolve().parents[2]
VERIFIER: Final = "from audit.proof.command import run; run()"
"""What the command `affiant-verify` of the verifier's own wheel does."""
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Step:
    """A command as it was typed, what it printed, and whether that is what it should be."""

    typed: str
    printed: str
    good: bool


def verify(config: Path) -> Step:
    """Everything that is sealed, by our own verifier."""
    done = affiant("audit", "verify", "--config", str(config))
    return Step("affiant audit verify", done.stdout + done.stderr, done.returncode == 0)


def fsck(config: Path) -> Step:
    """The same tree by Tessera's checker, which others wrote; where Go is there to build it."""
    typed = "fsck -storage_url=file://… -public_key=…"
    if shutil.which("go") is None:
        said = "  not run: it is built with Go, which is not on this machine's PATH"
        return Step(typed, said, True)
    built = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "tools"), "fsck"], capture_output=True, text=True, check=False
    )
    if built.returncode:
        return Step(typed, f"  not run: it could not be built: {built.stderr.strip()[-200:]}", True)
    cache = Path(os.environ.get("AFFIANT_CACHE") or Path.home() / ".cache" / "affiant")
    trees = configured_trees(load(config))
    printed, good = "", True
    key = config.with_name("fsck.vkey")
    for prefix in sealed_prefixes(config):
        topic, partition = prefix.split("/")
        tree = trees.tree(bytes.fromhex(topic), int(partition)).tree
        key.write_text(str(tree.key(trees.trust.public_key())))
        url = f"-storage_url=file://{store(config) / prefix}/"
        done = subprocess.run(
            [str(cache / "bin" / "fsck"), "-ui=false", "-N=4", url, f"-public_key={key}"],
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        said = done.stdout + done.stderr
        found = "Successfully fsck'd" in said  # it exits 0 also when it failed
        good = good and found
        line = next((line for line in said.splitlines() if "fsck'd" in line), said[-300:])
        printed += f"{tree.origin}: {line.partition('] ')[2] or line}\n"
    return Step(typed, printed, good)


def store(config: Path) -> Path:
    """The notary's, a directory here."""
    return load(config).data / "sealed"


def sealed_prefixes(config: Path) -> list[str]:
    """Trees with something in them."""
    place = store(config)
    return sorted(
        str(path.parent.relative_to(place))
        for path in place.glob("*/*/checkpoint")
        if int(path.read_bytes().split(b"\n")[1])
    )


def replay(config: Path) -> tuple[Step, dict[str, Any]]:
    """A verdict for every answer."""
    done = affiant("audit", "replay", "--config", str(config), "--json")
    if done.returncode not in (0, 1):
        return Step("affiant audit replay", done.stderr, False), {}
    told: dict[str, Any] = json.loads(done.stdout)
    shown = verdicts_of(told)
    return Step("affiant audit replay", shown, done.returncode == 0), told


def verdicts_of(told: dict[str, Any]) -> str:
    """The summary, a line a model."""
    lines = []
    for model in told["models"]:
        verdicts = ", ".join(f"{model[name]:,} {name}" for name in told["verdicts"] if model[name])
        lines.append(f"{model['service']} {model['digest'][:19]}…: {verdicts}\n")
    return "".join(lines)


def bundle(config: Path) -> tuple[list[Step], Path]:
    """Evidence of all that is sealed, and its check by the verifier that needs nothing else."""
    out = config.with_name("evidence.zip")
    prefix = (
        f"{configured_log(load(config), create=False).topic().id.hex()}/0"  # beside it: the governance log's
    )
    size = int((store(config) / prefix / "checkpoint").read_bytes().split(b"\n")[1])
    wanted = f"0:0-{size - 1}"
    made = affiant("audit", "bundle", "-o", str(out), "--range", wanted, "--config", str(config))
    said = (made.stdout + made.stderr).replace(str(out), out.name)
    steps = [Step(f"affiant audit bundle -o {out.name} --range {wanted}", said, made.returncode == 0)]
    report = config.with_name("report.html")
    if made.returncode == 0:
        vkey = (config.with_name("notary.pub")).read_text().strip()
        checked = subprocess.run(
            [sys.executable, "-P", "-c", VERIFIER, "bundle", str(out), "--key", vkey],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        steps.append(
            Step(
                "affiant-verify bundle evidence.zip --key VKEY", checked.stdout + checked.stderr,
                checked.returncode == 0,
            )
        )  # fmt: skip
        with ZipFile(out) as archive:
            report.write_bytes(archive.read("report.html"))
    return steps, report
