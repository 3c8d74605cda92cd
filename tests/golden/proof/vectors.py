"""Reads the golden files with the proof library alone, under whichever name it is installed.

    python vectors.py affiant_verify FOLDER

Needs nothing but that library: it is run in an environment that has nothing else.
"""

import base64
import contextlib
import io
import json
import sys
import tempfile
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

MODULES = (
    "bundle",
    "checkpoint",
    "command",
    "errors",
    "evidence",
    "hashing",
    "merkle",
    "note",
    "receipt",
    "record",
    "tiles",
    "whole",
)


def run(package: str, folder: Path) -> int:
    """Check every vector; how many held. Raises AssertionError, FormatError or NotProved at the first that does not."""
    lib = SimpleNamespace(**{name: import_module(f"{package}.{name}") for name in MODULES})
    wanted = json.loads((folder / "proof.json").read_bytes())
    key = lib.note.VerifierKey.parse(wanted["vkey"])
    tree_key = lib.note.VerifierKey.parse(wanted["tree vkey"])
    witness = lib.note.VerifierKey.parse(wanted["witness vkey"])
    assert lib.evidence.key_of(key, tree_key.name) == tree_key
    held = 0
    for size, root in wanted["roots"].items():
        held += _log(lib, folder / f"size-{size}", tree_key, int(size), bytes.fromhex(root))
    for pair, proof in wanted["consistency"].items():
        old, new = pair.split("-")
        roots = (bytes.fromhex(wanted["roots"][size]) for size in (old, new))
        old_root, new_root = roots
        hashes = [bytes.fromhex(each) for each in proof]
        lib.merkle.verify_consistency(int(old), old_root, int(new), new_root, hashes)
        held += 1
    receipt = lib.receipt.parse_receipt((folder / "receipt.tlog-proof").read_bytes())
    opened = lib.receipt.verify_receipt(receipt, tree_key, [witness], 1)
    assert (receipt.index, receipt.entry.hex()) == (wanted["receipt"]["index"], wanted["receipt"]["entry"])
    assert [each.time for each in opened.cosignatures] == [wanted["receipt"]["witness time"]]
    held += 1
    raw = (folder / "bundle.zip").read_bytes()
    shown = lib.evidence.verify_bundle(raw, key, [witness], 1)
    assert shown.flaws == [], shown.flaws
    assert shown.complete
    bundle, changed = lib.bundle.parse_bundle_file(raw)
    assert changed == ()
    records = [base64.b64decode(each) for each in wanted["bundle"]["records"]]
    assert [kept.record for kept in bundle.trees[0].records] == records
    held += len(records)
    return held + _command(lib, folder, wanted)


def _log(lib: SimpleNamespace, folder: Path, key: object, size: int, root: bytes) -> int:
    opened = lib.checkpoint.open_checkpoint((folder / "checkpoint").read_bytes(), key)
    assert (opened.checkpoint.size, opened.checkpoint.root) == (size, root)

    def fetch(path: str) -> bytes | None:
        file = folder / path
        return file.read_bytes() if file.is_file() else None

    check = lib.whole.TreeCheck(opened.checkpoint.origin, fetch, size, root)
    assert sum(len(part.entries) for part in check.entries()) == size
    assert check.flaws == []
    files = sorted(
        path.relative_to(folder).as_posix() for path in (folder / "tile").rglob("*") if path.is_file()
    )
    tiles = [each.path for each in (*lib.tiles.tiles_of(size), *lib.tiles.bundles_of(size))]
    assert files == sorted(tiles)
    return size


def _command(lib: SimpleNamespace, folder: Path, wanted: dict) -> int:
    """The command says the same, and refuses a changed byte."""
    trusted = ["--key", wanted["vkey"], "--witness", wanted["witness vkey"], "--quorum", "1", "--json"]
    name = lib.record.parse_record(base64.b64decode(wanted["bundle"]["records"][1])).entry.record_id
    asked = [
        ["bundle", str(folder / "bundle.zip"), *trusted, "--record", name],
        ["receipt", str(folder / "receipt.tlog-proof"), *trusted],
        ["bundle", str(folder / "bundle.zip"), *trusted],
        ["log", str(folder / "size-257"), "--key", wanted["vkey"], "--json"],
    ]
    for arguments in asked:
        with contextlib.redirect_stdout(io.StringIO()) as said:
            assert lib.command.main(arguments) == 0, said.getvalue()
        assert json.loads(said.getvalue())["holds"] is True
    with tempfile.TemporaryDirectory() as name:
        changed = Path(name) / "changed.zip"
        raw = bytearray((folder / "bundle.zip").read_bytes())
        raw[len(raw) // 2] ^= 1
        changed.write_bytes(raw)
        with contextlib.redirect_stdout(io.StringIO()):
            assert lib.command.main(["bundle", str(changed), *trusted]) == 1
    return len(asked)


if __name__ == "__main__":
    print(f"{run(sys.argv[1], Path(sys.argv[2]))} vectors hold")
