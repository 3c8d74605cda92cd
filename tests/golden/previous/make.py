"""What a version leaves behind: run with that version's code, before the next one is released.

    git worktree add ../released TAG
    PYTHONPATH=../released .venv/bin/python tests/golden/previous/make.py VERSION

Writes `VERSION.tar.xz` and `VERSION.json` beside it: the directory of a governed house whose gateway was told to end
once, and killed once, with what the notary had sealed, and what was answered. The keys in it guard nothing.
"""

from __future__ import annotations

import io
import json
import os
import signal
import sys
import tarfile
import tempfile
import urllib.request
from pathlib import Path
from typing import Any, Final

from audit.config import load
from audit.errors import AuditError
from audit.log import configured_log
from audit.notary.keys import generate
from audit.trees import configured_trees
from tests.components.approvals import POLICY, House
from tests.components.packages import credit_package, credit_table
from tests.components.ports import free_port
from tests.components.process import Process, wait_until

HERE: Final = Path(__file__).parent
PORTS: Final = ("gateway", "sidecar", "notary", "monitor")


def main() -> None:
    """Make both files."""
    version = sys.argv[1]
    with tempfile.TemporaryDirectory() as made:
        directory = Path(made) / "house"
        directory.mkdir()
        told = fill(directory)
        (HERE / f"{version}.json").write_text(json.dumps(told, indent=1) + "\n")
        (HERE / f"{version}.tar.xz").write_bytes(packed(directory))


def fill(directory: Path) -> dict[str, Any]:
    """Serve, answer, label, end; then answer again, and be killed."""
    lasting = POLICY.replace(", valid_days: 10", "")
    assert lasting != POLICY  # approvals that end would end the test that reads them
    house = House.build(directory, [credit_package()], policy=lasting)
    house.gates()
    for person, role in (("dan", "legal"), ("bob", "compliance")):
        assert house.sign("approve", person, role).code == 0
    generate(directory / "notary.key", directory / "notary.pub", "affiant.golden")
    with (directory / "affiant.toml").open("a") as file:
        file.write(settings(house.digest))
    port = load(directory / "affiant.toml").tables["gateway"]["port"]
    argv = [sys.executable, "-m", "cli.main", "up", "--config", str(directory / "affiant.toml")]
    process = Process(argv, log=directory / "up.txt", cwd=Path.cwd())
    answered = [each for number in range(2) for each in run(process, directory, port, number)]
    head, state = sealed(directory)
    return {"digest": house.digest, "answered": answered, "sealed": state, "checkpoint": head.decode()}


def settings(digest: str) -> str:
    """The rest of affiant.toml."""
    lines = [
        f"[{name}]\n{'port' if name == 'gateway' else 'metrics_port'} = {free_port()}\n" for name in PORTS
    ]
    lines[2] += 'name = "affiant.golden"\narchive_seconds = 1\n'
    lines[3] += "pane_records = 16\n"
    lines.append("[journal]\nsegment_bytes = 1048576\nmax_bytes = 16777216\n")
    return "".join(lines) + f'[[plan]]\nservice = "credit"\ndigest = "{digest}"\n'


def run(process: Process, directory: Path, port: int, number: int) -> list[dict[str, Any]]:
    """Forty answers, and an orderly end; the second time seven, and none."""
    process.start()
    process.wait_until(lambda: process.log_text().count("│ ready; ") > number, what="ready", deadline_s=120)
    rows = json.loads(credit_table().frame.drop(columns=["creditability"]).head(47).to_json(orient="records"))
    answered = [ask(port, row) for row in (rows[40:] if number else rows[:40])]
    if number:
        kill(process)
    else:
        label(port, answered)
        wait_until(lambda: sealed(directory)[1] >= 42, what="sealing", deadline_s=60)
        wait_until(
            lambda: any((directory / "data" / "sealed").rglob("archive/entries/**/*.parquet")), what="archive"
        )
        assert process.stop(deadline_s=60) == 0
    return answered


def kill(process: Process) -> None:
    """Supervisor and components, all at once: none of them is told to end first."""
    process.pause()
    for place in Path("/proc").glob("[0-9]*"):
        try:
            parent, group = (place / "stat").read_text().rpartition(")")[2].split()[1:3]
        except OSError:
            continue  # it has just ended
        if int(parent) == process.pid and group == place.name:
            os.killpg(int(group), signal.SIGKILL)
    process.kill()


def ask(port: int, row: dict[str, Any]) -> dict[str, Any]:
    """One prediction."""
    answer, headers = post(port, "/v1/models/credit:predict", {"instances": [row]})
    return {"record": headers["Affiant-Record"], "predictions": answer["predictions"]}


def label(port: int, answered: list[dict[str, Any]]) -> None:
    """What came of the first three."""
    for each, outcome in zip(answered, ("good", "bad", "good"), strict=False):
        post(port, "/v1/models/credit:label", {"record": each["record"], "label": outcome})


def post(port: int, path: str, body: dict[str, Any]) -> tuple[Any, Any]:
    """Answer and headers."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.loads(answer.read()), answer.headers


def sealed(directory: Path) -> tuple[bytes, int]:
    """The records' newest checkpoint, and its size."""
    config = load(directory / "affiant.toml")
    tree = configured_trees(config).tree(configured_log(config).topic().id, 0)
    try:
        published = tree.published()
    except AuditError:
        return b"", 0  # not yet
    return published.raw, published.size


def packed(directory: Path) -> bytes:
    """All of it but logs and locks, in the order of names, with no owner and no time."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:xz", preset=9) as tar:
        for path in sorted(directory.rglob("*")):
            if (
                path.suffix in (".txt", ".sock")
                or path.name.endswith("lock")
                or not (path.is_file() or path.is_dir())
            ):
                continue
            about = tar.gettarinfo(path, str(path.relative_to(directory)))
            about.uid = about.gid = 0
            about.uname = about.gname = ""
            about.mtime = 0
            with path.open("rb") if path.is_file() else io.BytesIO() as content:
                tar.addfile(about, content if path.is_file() else None)
    return buffer.getvalue()


if __name__ == "__main__":
    main()
