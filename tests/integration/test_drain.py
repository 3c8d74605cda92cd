"""A volume that a gateway has left behind: the command, real journals, a real log, a real tree."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from audit.config import load
from audit.journal import JournalReader, JournalSettings
from audit.log import configured_log
from audit.proof.entry import Kind
from audit.proof.record import parse_record
from audit.settings import SidecarSettings
from audit.ship.drain import Left, close_journals, ship
from audit.ship.sidecar import Sidecar
from audit.trees import configured_trees
from cli.main import run
from tests.components.journals import OPENING, write, write_journal
from tests.components.sealer import NAME, Sealer

_DIES = """
import asyncio, os, sys
from pathlib import Path
from audit.journal import Journal, JournalSettings
from audit.proof.record import Header
from tests.components.journals import OPENING, exchange
async def main(data):
    directory, shipping = data / "journals" / "0", data / "shipping" / "0"
    directory.mkdir(parents=True)
    shipping.mkdir(parents=True)
    journal = Journal.open(directory, shipping, JournalSettings(), OPENING)
    for number in range(3):
        body = b"%d" % number
        ticket = journal.accept({Header.COMPRESSION: 0, Header.LENGTHS: [len(body), 0, 0]}, body, 1)
        if number < 2:
            await journal.append(*exchange(body, ticket), ticket)
    await journal.append(*exchange(b"last", 0), 0)
    os._exit(9)
asyncio.run(main(Path(sys.argv[1])))
"""


def _settings(directory: Path, *, free_after: str = "acknowledged") -> Path:
    config = directory / "affiant.toml"
    config.write_text(
        '[data]\ndirectory = "data"\n'
        f'[journal]\nfree_after = "{free_after}"\n'
        "[sidecar]\nscan_seconds = 0.05\nretry_seconds = 0.05\ndrain_seconds = 20\n"
        f'[notary]\nname = "{NAME}"\n'
    )
    return config


def _drain(config: Path, *arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        run(["drain", "--config", str(config), *arguments])
    return int(ended.value.code or 0)


def _kinds(config: Path) -> list[Kind]:
    """Of the log's entries of journals, in its order."""
    log = configured_log(load(config))
    reader = log.reader()
    found: list[Kind] = []
    try:
        first, end = reader.bounds(0)
        while first < end:
            for entry in reader.read(0, first, 1 << 20, 5.0):
                assert entry.value is not None
                found.append(Kind(parse_record(entry.value).entry.kind))
                first = entry.offset + 1
    finally:
        reader.close()
    return [kind for kind in found if kind != Kind.SHIPPER]


def test_what_a_killed_gateway_left_is_recovered_closed_and_shipped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each answer is in the log, the request without one as an aborted entry, and a signed closing ends it."""
    config = _settings(tmp_path)
    died = subprocess.run([sys.executable, "-c", _DIES, str(tmp_path / "data")], check=False)
    assert died.returncode == 9
    assert _drain(config, "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert said["whole"] is True
    assert [each["unshipped"] for each in said["journals"]] == [0]
    kinds = _kinds(config)
    assert kinds.count(Kind.INFERENCE) == 3
    assert kinds.count(Kind.ABORTED) == 1
    assert kinds[-1] == Kind.CLOSING


def test_a_journal_that_a_gateway_has_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its lock says so: exit code 3, and nothing was written to it."""
    config = _settings(tmp_path)
    write_journal(tmp_path / "data", [b"one"])
    directory = tmp_path / "data" / "journals" / "0"
    holder = subprocess.Popen(
        [
            sys.executable, "-c",
            "import fcntl, sys; held = open(sys.argv[1]); fcntl.flock(held, fcntl.LOCK_EX); print(flush=True); input()",
            str(directory / "lock"),
        ],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert holder.stdout is not None
        holder.stdout.readline()
        before = JournalReader(directory).mark()
        assert _drain(config) == 3
        assert JournalReader(directory).mark() == before
    finally:
        holder.communicate(b"\n")
    assert "end the other one first" in capsys.readouterr().err


def test_a_directory_without_journals_is_no_success(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever mounted another volume must not take it for drained."""
    assert _drain(_settings(tmp_path)) == 1
    assert "nothing was drained" in capsys.readouterr().err


def test_what_is_not_sealed_yet_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Shipped, and no notary: exit code 3 when it is waited for, 0 when it is not; `whole` is the same, and what is not
    sealed is said either way.
    """
    config = _settings(tmp_path, free_after="sealed")
    write_journal(tmp_path / "data", [b"one"])
    Sealer(configured_log(load(config)), tmp_path)  # a notary that never seals
    assert _drain(config, "--sealed", "0.2") == 3
    assert "not sealed yet; ask again" in capsys.readouterr().err
    for waited, code in (("0.2", 3), ("0", 0)):
        assert _drain(config, "--sealed", waited, "--json") == code
        said = json.loads(capsys.readouterr().out)
        assert (said["whole"], said["journals"][0]["unsealed"] > 0) == (code == 0, True)
    assert _drain(config, "--sealed", "0") == 0
    shown = capsys.readouterr()
    assert "not sealed yet; the notary was not waited for" in shown.err
    assert "on this disk alone\n" not in shown.out
    assert "all of these journals is in the log" in shown.out


async def test_it_ends_as_soon_as_everything_is_sealed(tmp_path: Path) -> None:
    """Shipped, then sealed by a notary that comes by."""
    config = load(_settings(tmp_path, free_after="sealed"))
    sealer = Sealer(configured_log(config), config.data)
    (tmp_path / "notary.pub").write_text(sealer.public_key.read_text())
    await write(config.data, [b"a", b"b"])
    journals = await close_journals(config.data, JournalSettings(), OPENING)
    settings = SidecarSettings(scan_seconds=0.05, retry_seconds=0.05)
    sidecar = Sidecar(config.data, configured_log(config), settings, configured_trees(config))
    seen: list[tuple[Left, ...]] = []

    def told(left: tuple[Left, ...]) -> None:
        seen.append(left)
        if left and not any(each.unshipped for each in left) and any(each.unsealed for each in left):
            sealer.seal()

    left = ship(sidecar, threading.Event(), journals, shipped_seconds=60, sealed_seconds=60, told=told)
    assert [each.whole for each in left] == [True]
    assert all(each.unsealed == 0 for each in left)
    assert any(each.unsealed for now in seen for each in now)
