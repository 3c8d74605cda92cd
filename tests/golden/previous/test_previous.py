"""What an earlier version left is read, and gone on from, by this one: records, trees, states, statements, packages."""

from __future__ import annotations

import json
import re
import shutil
import sys
import tarfile
import urllib.request
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from audit.log import configured_log
from audit.proof.entry import Kind
from audit.proof.record import parse_record
from audit.trees import configured_trees
from tests.components.approvals import House, affiant
from tests.components.packages import credit_table
from tests.components.ports import free_port
from tests.components.process import Process

HERE = Path(__file__).parent
VERSIONS = sorted(path.name.removesuffix(".tar.xz") for path in HERE.glob("*.tar.xz"))


class Left:
    """The house as that version left it, on ports of its own."""

    def __init__(self, version: str, directory: Path) -> None:
        self.told: dict[str, Any] = json.loads((HERE / f"{version}.json").read_text())
        with tarfile.open(HERE / f"{version}.tar.xz") as tar:
            tar.extractall(directory, filter="data")
        for key in directory.rglob("*key*"):
            if key.is_file() and not key.name.endswith(".pub"):
                key.chmod(0o600)
        settings = directory / "affiant.toml"
        settings.write_text(re.sub(r"port = \d+", lambda _: f"port = {free_port()}", settings.read_text()))
        self.house = House(directory)
        self.house.digest = self.told["digest"]
        self.checkpoint = directory / "kept.checkpoint"
        self.checkpoint.write_text(self.told["checkpoint"])

    @property
    def records(self) -> list[str]:
        """Of all that was answered."""
        return [each["record"] for each in self.told["answered"]]

    def sealed(self) -> int:
        """Leaves under the published checkpoint."""
        config = self.house.loaded
        return configured_trees(config).tree(configured_log(config).topic().id, 0).published().size

    def verified(self) -> dict[str, Any]:
        """Of the log of records, held to the checkpoint that was kept."""
        done = affiant("audit", "verify", "--checkpoint", self.checkpoint, "--json", *self.house.config)
        assert done.code == 0, done
        found: list[dict[str, Any]] = done.json["trees"]
        return next(each for each in found if each["size"] >= self.told["sealed"])


@pytest.fixture(scope="module", params=VERSIONS)
def left(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Left:
    """As it was left; what only reads may share it."""
    return Left(request.param, tmp_path_factory.mktemp("left"))


def test_there_is_a_version() -> None:
    """Else nothing below would be run."""
    assert VERSIONS


def test_its_log_is_read_as_it_was_sealed(left: Left) -> None:
    """Nothing is wrong, and each answer that is sealed is found, proved and replayed to the same bits."""
    tree = left.verified()
    assert (tree["size"], tree["flaws"]) == (left.told["sealed"], [])
    first = left.told["answered"][0]
    shown = affiant("audit", "show", first["record"], "--json", *left.house.config)
    assert shown.code == 0, shown
    assert first["record"] in json.dumps(shown.json)
    replayed = affiant("audit", "replay", "--json", *left.house.config)
    assert replayed.code == 0, replayed
    verdicts = replayed.json["verdicts"]
    # Another processor than the one that answered may round otherwise; another answer it may not give.
    assert verdicts["identical"] + verdicts["within tolerance"] == replayed.json["records"] >= 40


def test_its_statements_count(left: Left) -> None:
    """Root, policy, gates, approvals."""
    assert left.house.status().code == 0
    assert affiant("policy", "show", "--json", *left.house.config).json["in_force"] is not None


def test_it_is_gone_on_from(left: Left, tmp_path: Path) -> None:
    """Killed then, started now: all gets sealed; trees go on from their heads, the monitor from its panes."""
    shutil.copytree(left.house.directory, tmp_path / "house")
    gone_on = House(tmp_path / "house")
    port = gone_on.loaded.tables["gateway"]["port"]
    argv = [sys.executable, "-m", "cli.main", "up", *gone_on.config]
    process = Process(argv, log=tmp_path / "up.txt", cwd=Path.cwd())
    old = left.records
    with process:
        process.wait_until(lambda: "│ ready; " in process.log_text(), what="ready", deadline_s=120)
        new = [predict(port, row) for row in rows(20)]
        config = gone_on.loaded
        topic = configured_log(config).topic().id
        tree = configured_trees(config).tree(topic, 0)
        process.wait_until(
            lambda: tree.published().size >= len(old) + len(new), what="sealing", deadline_s=60
        )
        monitor = f"http://127.0.0.1:{config.tables['monitor']['metrics_port']}/metrics"
        process.wait_until(lambda: counted(monitor) >= 50, what="panes of before and of now", deadline_s=60)
        assert process.stop(deadline_s=60) == 0
    assert set(alarms(gone_on)) <= {"heartbeat"}  # nobody beat since it was killed
    verified = affiant("audit", "verify", "--checkpoint", left.checkpoint, "--json", *gone_on.config)
    assert verified.code == 0, verified
    found = records(gone_on)
    assert [each for each in found if each in old + new] == old + new
    assert len(found) == len(set(found))


def alarms(house: House) -> list[str]:
    """What the notary says is wrong."""
    done = affiant("notary", "alarms", "--json", *house.config)
    return [json.loads(line)["what"] for line in done.out.splitlines()]


def rows(count: int) -> list[dict[str, Any]]:
    """Of the example's data."""
    frame = credit_table().frame.drop(columns=["creditability"])
    found: list[dict[str, Any]] = json.loads(frame.tail(count).to_json(orient="records"))
    return found


def predict(port: int, row: dict[str, Any]) -> str:
    """The record's id."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/v1/models/credit:predict", json.dumps({"instances": [row]}).encode(),
        {"Content-Type": "application/json"},
    )  # fmt: skip
    with urllib.request.urlopen(request, timeout=10) as answer:
        return str(answer.headers["Affiant-Record"])


def counted(url: str) -> float:
    """Rows that the monitor has counted of the package, those of before among them."""
    with urllib.request.urlopen(url, timeout=10) as answer:
        text = answer.read().decode()
    return sum(
        float(each) for each in re.findall(r"^affiant_monitor_rows_total\{.*\} (\S+)$", text, re.MULTILINE)
    )


def records(house: House) -> list[str]:
    """Ids in the log, of answers, in its order."""
    with closing(configured_log(house.loaded).reader()) as reader:
        first, end = reader.bounds(0)
        found: list[str] = []
        while first < end:
            for each in reader.read(0, first, 1 << 20, 5.0):
                entry = parse_record(each.value or b"").entry
                if entry.kind == Kind.INFERENCE:
                    found.append(entry.record_id)
                first = each.offset + 1
    return found
