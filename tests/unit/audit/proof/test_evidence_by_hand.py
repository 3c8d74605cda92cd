"""The commands of docs/evidence-bundle.md, "Reading a bundle by hand", as they stand there."""

from __future__ import annotations

import dataclasses
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from audit.proof.bundle import Bundle, Kept, TreePart
from audit.proof.checkpoint import Checkpoint, sign_checkpoint
from audit.proof.entry import Key, encode_entry
from audit.proof.hashing import leaf_hash, node_hash
from audit.proof.members import Members, encode_members
from audit.proof.record import frame_record, parse_record
from tests.golden.proof import make

DOCS = Path(__file__).resolve().parents[4] / "docs"
COMMANDS = "".join(
    re.findall(
        r"<!-- run: by-hand -->\n```sh\n(.*?)```\n", (DOCS / "evidence-bundle.md").read_text(), re.DOTALL
    )
)
SOUND = make.evidence()
(TREE,) = SOUND.trees


def by_hand(tmp_path: Path, raw: bytes, vkey: str = str(make.VKEY)) -> subprocess.CompletedProcess[str]:
    """All of the page's commands, one after the other, on a bundle."""
    (tmp_path / "evidence.zip").write_bytes(raw)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", COMMANDS], cwd=tmp_path, check=False, capture_output=True, text=True,
        env={"PATH": path, "VKEY": vkey, "LANG": "C.UTF-8"},
    )  # fmt: skip


def test_the_commands_read_a_bundle(tmp_path: Path) -> None:
    """Members, signature, every record under the root, what was asked and answered."""
    done = by_hand(tmp_path, SOUND.encode())
    assert done.returncode == 0, done.stderr
    assert "{'kind': 'range', 'value': '3:0-16'}" in done.stdout
    assert f"{make.TREE}: {len(TREE.records)} leaves under the root" in done.stdout
    assert done.stdout.count("is in the tree") == len(TREE.records)
    assert "offset 1 is in the tree, kind 1 POST /v1/models/m:predict b'one' 200 b'1'" in done.stdout


def replaced(kept: Kept) -> Bundle:
    records = tuple(kept if each.offset == kept.offset else each for each in TREE.records)
    return dataclasses.replace(SOUND, trees=(dataclasses.replace(TREE, records=records),))


def other_entry() -> bytes:
    """Of another service."""
    record = TREE.records[4].record
    assert record.count(b"\x07\x61m") == 1
    return replaced(TREE.records[4]._replace(record=record.replace(b"\x07\x61m", b"\x07\x61n"))).encode()


def other_chain() -> bytes:
    """Sealed as it is: the second entry does not follow the first."""
    first, second = (parse_record(TREE.records[at].record).entry for at in (1, 2))
    entries = [first.raw, encode_entry({**second.fields, Key.CHAIN: bytes(32)})]
    one, two = map(leaf_hash, entries)
    note = sign_checkpoint(Checkpoint(make.TREE, 2, node_hash(one, two)), make.NOTARY)
    kept = tuple(
        Kept(at, frame_record(entry, b""), (sibling,))
        for at, (entry, sibling) in enumerate(zip(entries, (two, one), strict=True))
    )
    part = TreePart(make.TREE, note, kept, ((0, 2),))
    return dataclasses.replace(SOUND, trees=(part,)).encode()


def other_payload() -> bytes:
    record = parse_record(TREE.records[4].record)
    changed = record.payload[:-1] + bytes((record.payload[-1] ^ 1,))
    return replaced(TREE.records[4]._replace(record=frame_record(record.entry.raw, changed))).encode()


def other_proof() -> bytes:
    return replaced(TREE.records[4]._replace(proof=TREE.records[5].proof)).encode()


def other_key() -> bytes:
    note = sign_checkpoint(Checkpoint(make.TREE, len(TREE.records), bytes(32)), make.WITNESS)
    return dataclasses.replace(SOUND, trees=(dataclasses.replace(TREE, checkpoint=note),)).encode()


@pytest.mark.parametrize(
    ("changed", "said"),
    [(other_entry, "offset 4: not in the tree"), (other_payload, "offset 4: another payload"),
     (other_proof, "offset 4: not in the tree"), (other_key, "InvalidSignature"),
     (other_chain, "offset 1: does not follow")],
)  # fmt: skip
def test_the_commands_end_where_something_is_wrong(
    tmp_path: Path, changed: Callable[[], bytes], said: str
) -> None:
    """And say where."""
    done = by_hand(tmp_path, changed())
    assert done.returncode != 0
    assert said in done.stderr


def test_the_commands_hold_the_members_to_the_manifest(tmp_path: Path) -> None:
    """A member that was changed after the bundle was made; whoever does so makes its checksum anew."""
    raw = encode_members({**Members(SOUND.encode()), "report.html": b"other"})
    done = by_hand(tmp_path, raw)
    assert done.returncode != 0
    assert "report.html: FAILED" in done.stdout
