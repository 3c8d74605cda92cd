"""`affiant-verify`: checks what others hand over, with nothing but their public key.

Exit codes: 0 it holds; 1 something is wrong; 2 wrong usage, or a file that cannot be read.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from .beyond import larger
from .bundle import Bundle, parse_bundle_file
from .certificate import MAX_CERTIFICATE, is_digest
from .certificate_check import verify_certificate
from .certificate_told import certificate_json
from .checkpoint import UNWITNESSED, open_checkpoint, parse_checkpoint
from .encryption import NO_KEYS, PayloadKeys, parse_keys
from .entry import Key, Kind, parse_entry, parse_record_id
from .errors import FormatError, NotProved
from .evidence import key_of, verify_parsed
from .exchange import Told, files_of, records_of, told_json
from .flaws import Flaw
from .members import MAX_TOTAL
from .note import MAX_NOTE, VerifierKey, parse_note
from .progress import Progress
from .receipt import MAX_RECEIPT, parse_receipt, verify_receipt
from .regular import check_free, read_regular, write_new
from .tiles import size_limit
from .told import bundle_json, lines
from .whole import TreeCheck

HOLDS: Final = 0
WRONG: Final = 1
USAGE: Final = 2
MAX_KEYS: Final = 1 << 20

_EPILOG: Final = """\
keys:
  KEY is the notary's vkey (name+id+key) as `affiant notary keygen` wrote it and its owner published it: the key of
  each of its trees follows from it. A single tree's own vkey does as well. Get it from another place than the file.

examples:
  affiant-verify bundle evidence.zip --key example.org+1c2f…+AXk…
  affiant-verify bundle evidence.zip --key example.org+1c2f…+AXk… --record 9f86d081884c7d659a2feaa0c55ad015-42
  affiant-verify bundle evidence.zip --key example.org+1c2f…+AXk… --extract records
  affiant-verify receipt answer.tlog-proof --key example.org+1c2f…+AXk…
  affiant-verify log copy-of-the-store --key example.org+1c2f…+AXk… --witness w.example+…+…
  affiant-verify certificate credit.certificate.zip --root-digest sha256:7d1c… --key example.org+1c2f…+AXk…

exit codes: 0 it holds; 1 something is wrong; 2 wrong usage, or a file that cannot be read
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; its exit code."""
    asked = _parser().parse_args(arguments)
    try:
        key = None if asked.key is None else VerifierKey.parse(asked.key)
        witnesses = [VerifierKey.parse(each) for each in asked.witness]
        asked.quorum = _quorum(asked.quorum, witnesses)
        if key is None and witnesses:
            raise FormatError("--witness goes with --key: witnesses vouch for what the notary has signed")
        if asked.what == "certificate" and not is_digest(asked.root_digest):
            raise FormatError("--root-digest: want sha256: and 64 lower-case hex digits")
        for each in asked.record:
            parse_record_id(each)
    except FormatError as error:
        return _tell_usage(str(error))
    try:
        found = _found(asked, key, witnesses)
    except OSError as error:
        return _tell_usage(f"{error.filename or asked.file}: {error.strerror or error}")
    except _Unusable as error:
        return _tell_usage(str(error))
    except (FormatError, NotProved) as error:
        found = Found({}, [Flaw("file", str(error), path=str(asked.file))])
    try:
        _tell(found, as_json=asked.json)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader (`head`) has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes once more at its end
    return WRONG if found.flaws else HOLDS


def run() -> None:
    """The entry point of the installed command."""
    sys.exit(main())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="affiant-verify",
        description="Verify evidence of Affiant: off-line, with nothing but the notary's public key.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="what", required=True, metavar="{bundle,receipt,log,certificate}")
    for name, about in (
        ("bundle", "an evidence bundle: records, proofs, packages"),
        ("receipt", "a receipt (.tlog-proof) of one record"),
        (
            "log",
            "a copy of a tree's folder, or of the whole store: every entry and tile against the checkpoints",
        ),
        (
            "certificate",
            "a certificate: that a package may answer, by the root, the policy and what was signed",
        ),
    ):
        command = commands.add_parser(
            name, help=about, description=about.capitalize(), epilog=_EPILOG,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )  # fmt: skip
        command.add_argument("file", type=Path, metavar="DIR" if name == "log" else "FILE")
        told = "; without it the proofs of a certificate are not looked at" if name == "certificate" else ""
        command.add_argument(
            "--key", required=name != "certificate", metavar="VKEY", help=f"the notary's vkey{told}"
        )
        command.add_argument(
            "--witness",
            action="append",
            default=[],
            metavar="VKEY",
            help="a witness that you believe; may be repeated",
        )
        command.add_argument(
            "--quorum",
            type=int,
            metavar="N",
            help="so many of them must vouch for each checkpoint; all of them when not said",
        )
        command.add_argument("--json", action="store_true", help="as one JSON object")
        command.set_defaults(record=[], extract=None, payload_keys=None)
        if name == "bundle":
            _add_reading(command)
        if name == "certificate":
            command.add_argument(
                "--root-digest",
                required=True,
                metavar="DIGEST",
                help="sha256:… of the first root, from another place than the file (`affiant roles show`)",
            )
    return parser


def _add_reading(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--record",
        action="append",
        metavar="ID",
        help="print what was asked and answered in this record; may be repeated",
    )
    command.add_argument(
        "--extract",
        type=Path,
        metavar="DIR",
        help="write the records that were asked for (or those of --record) into this directory, which MUST be empty "
        "or new: TOPIC-PARTITION-OFFSET.json, and .request, .answer and .input with the bytes as they were",
    )
    command.add_argument(
        "--payload-keys",
        type=Path,
        metavar="FILE",
        help="open encrypted payloads for --record and --extract with these keys",
    )


def _quorum(said: int | None, witnesses: Sequence[VerifierKey]) -> int:
    """How many MUST vouch: all, when nothing else is said, as who names a witness wants its word.

    Raises:
        FormatError: more than there are.
    """
    if said is None:
        return len(set(witnesses))
    if not 0 <= said <= len(witnesses):
        raise FormatError(f"--quorum {said} of {len(witnesses)} witnesses")
    return said


def _tell_usage(message: str) -> int:
    sys.stderr.write(f"affiant-verify: {message}\n")
    return USAGE


def _read(path: Path, limit: int) -> bytes:
    with path.open("rb") as file:
        raw = file.read(limit + 1)
    if len(raw) > limit:
        raise FormatError(f"{path.name}: over {limit} bytes")
    return raw


Verified = tuple[dict[str, Any], list[Flaw]]


class Found(NamedTuple):
    """What a verification has found; `told`: records to be printed, none where something is wrong."""

    content: dict[str, Any]
    flaws: list[Flaw]
    told: Sequence[Told] = ()


class _Unusable(Exception):  # noqa: N818 — says what happened
    """What was asked for is not in the bundle, or cannot be read."""


def _found(asked: argparse.Namespace, key: VerifierKey | None, witnesses: Sequence[VerifierKey]) -> Found:
    if asked.what == "certificate":
        return Found(*_verify_certificate(asked, key, witnesses))
    assert key is not None  # the parser wants one
    if asked.what == "bundle":
        return _read_bundle(asked, key, witnesses)
    return Found(*_VERIFY[asked.what](asked.file, key, witnesses, asked.quorum))


def _read_bundle(asked: argparse.Namespace, key: VerifierKey, witnesses: Sequence[VerifierKey]) -> Found:
    """Verify it; only of one that holds records are printed or written."""
    if asked.extract is not None:
        check_free(asked.extract)  # before what takes a while
    keys = _keys(asked.payload_keys)
    bundle, changed = parse_bundle_file(_read(asked.file, MAX_TOTAL))
    with Progress("verifying", sum(len(part.records) for part in bundle.trees)) as progress:
        shown = verify_parsed(bundle, changed, key, witnesses, asked.quorum, progress)
    content = bundle_json(shown)
    if shown.flaws:
        return Found(content, shown.flaws)
    told = _named(bundle, asked.record, keys)
    if asked.extract is not None:
        some = told or [each for each in records_of(bundle, keys) if each.asked]
        with Progress("writing", len(some)) as progress:
            files = write_new(asked.extract, (file for each in progress.of(some) for file in files_of(each)))
        content["extracted"] = {"directory": str(asked.extract), "records": len(some), "files": files}
    return Found(content, [], told)


def _keys(path: Path | None) -> PayloadKeys:
    if path is None:
        return NO_KEYS
    try:
        return parse_keys(_read(path, MAX_KEYS))
    except FormatError as error:
        raise _Unusable(f"--payload-keys {path}: {error}") from error


def _named(bundle: Bundle, names: Sequence[str], keys: PayloadKeys) -> list[Told]:
    """The records with these ids, in the bundle's order; one that was delivered twice is there twice."""
    wanted = set(names)
    told = [each for each in records_of(bundle, keys) if each.record in wanted] if wanted else []
    if missing := wanted - {each.record for each in told}:
        raise _Unusable(f"--record {min(missing)}: the bundle holds, and has no such record")
    return told


def _verify_receipt(path: Path, key: VerifierKey, witnesses: Sequence[VerifierKey], quorum: int) -> Verified:
    receipt = parse_receipt(_read(path, MAX_RECEIPT))
    origin = parse_checkpoint(parse_note(receipt.checkpoint).text).origin
    opened = verify_receipt(receipt, key_of(key, origin), witnesses, quorum)
    entry = parse_entry(receipt.entry)
    return {
        "origin": origin,
        "offset": receipt.index,
        "size": opened.checkpoint.size,
        "witnesses": [(each.key.name, each.time) for each in opened.cosignatures],
        "kind": Kind(entry.kind).name.lower() if entry.kind in list(Kind) else entry.kind,
        "record": entry.record_id if Key.JOURNAL in entry.fields else None,
        "entry": {
            Key(key).name.lower() if key in list(Key) else str(key): value.hex() if isinstance(value, bytes) else value
            for key, value in entry.fields.items()
            if not isinstance(value, dict)
        },
        "not_shown": [] if opened.cosignatures else [UNWITNESSED],
    }, []  # fmt: skip


def _verify_log(path: Path, key: VerifierKey, witnesses: Sequence[VerifierKey], quorum: int) -> Verified:
    found = {each.parent for each in path.rglob("checkpoint") if each.is_file()}
    # What else a tree leaves: without its checkpoint it would not be missed.
    named = {each.parent for each in path.rglob("tile") if each.is_dir()}
    named |= {each.parent for each in path.rglob("state") if each.is_file()}
    if not found | named:
        if not path.is_dir():
            raise FileNotFoundError(2, "is no directory", str(path))
        raise FormatError(
            "no checkpoint in it or below it: nothing is sealed here, and there was nothing to verify"
        )
    trees, flaws = [], []
    for folder in sorted(named - found):
        said = "is not there; tiles or a state beside its place are"
        flaws.append(Flaw("checkpoint", said, path=str(folder / "checkpoint")))
    for folder in sorted(found):
        try:
            tree, wrong = _verify_tree(folder, key, witnesses, quorum)
        except (FormatError, NotProved) as error:
            flaws.append(Flaw("checkpoint", str(error), path=str(folder / "checkpoint")))
        else:
            trees.append(tree)
            flaws += wrong
    not_shown = [] if all(tree["witnesses"] for tree in trees) else [UNWITNESSED]
    return {"trees_checked": len(trees), "trees": trees, "not_shown": not_shown}, flaws


def _verify_tree(folder: Path, key: VerifierKey, witnesses: Sequence[VerifierKey], quorum: int) -> Verified:
    raw = read_regular(folder / "checkpoint", MAX_NOTE)
    origin = parse_checkpoint(parse_note(raw).text).origin
    trusted = key_of(key, origin)
    opened = open_checkpoint(raw, trusted, witnesses, quorum)
    size, root = opened.checkpoint.size, opened.checkpoint.root

    def fetch(name: str) -> bytes | None:
        try:
            return read_regular(folder / name, size_limit(name))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:  # a flaw of this file: the others are looked at all the same
            raise FormatError(f"cannot be read ({error.strerror})") from error

    check = TreeCheck(origin, fetch, size, root)
    entries = 0
    with Progress("verifying", size) as progress:
        for part in check.entries():
            entries += len(part.entries) - part.entries.count(None)
            progress(len(part.entries))
    for each in sorted((folder / "tile").rglob("*")):
        if not each.is_dir() and not each.name.startswith("."):
            check.other(each.relative_to(folder).as_posix())
    has_state = (folder / "state").is_file()
    more = larger(
        trusted,
        size,
        check.beyond,
        lambda: read_regular(folder / "checkpoint", MAX_NOTE),
        has_state=has_state,
    )
    found = check.flaws if more is None else [*check.flaws, more]
    flaws = [flaw._replace(path=str(folder / (flaw.path or ""))) for flaw in found]
    names = [(each.key.name, each.time) for each in opened.cosignatures]
    return {
        "origin": origin, "size": size, "root": root.hex(), "entries": entries, "files_beyond": len(check.beyond),
        "witnesses": names,
    }, flaws  # fmt: skip


def _verify_certificate(
    asked: argparse.Namespace, key: VerifierKey | None, witnesses: Sequence[VerifierKey]
) -> Verified:
    raw = read_regular(asked.file, MAX_CERTIFICATE)
    found = verify_certificate(raw, asked.root_digest, key, witnesses, asked.quorum)
    return certificate_json(found, time.time()), found.flaws


_VERIFY: Final = {"receipt": _verify_receipt, "log": _verify_log}


def _tell(found: Found, *, as_json: bool) -> None:
    if as_json:
        told = {"exchanges": [told_json(each) for each in found.told]} if found.told else {}
        flaws = [flaw._asdict() for flaw in found.flaws]
        said = {"holds": not flaws, **found.content, **told, "flaws": flaws}
        print(json.dumps(said, indent=2, ensure_ascii=True))  # noqa: T201 — a command prints
        return
    print("\n".join(lines(found.content, found.flaws, found.told)))  # noqa: T201
