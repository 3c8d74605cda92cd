"""What attackers do to a sealed log, and the auditor who looks at it afterwards."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from contextlib import closing
from hashlib import sha256
from pathlib import Path

from audit.archive import Archive
from audit.auditor.verified import TreeVerified
from audit.auditor.verify import LiveLog, Wanted, verify_trees
from audit.log.base import LogEntry
from audit.log.local import LocalLog
from audit.proof.entry import Key, parse_entry
from audit.proof.flaws import Flaw
from audit.proof.hashing import leaf_hash
from audit.proof.note import VerifierKey
from audit.proof.record import encode_payload, frame_record, parse_payload, parse_record
from audit.trees import Trees, Trust
from tests.components.sealed import SealedLog


class HeldLog:
    """A log's entries in memory."""

    def __init__(self, entries: list[LogEntry]) -> None:
        self.entries = entries

    def bounds(self, partition: int) -> tuple[int, int]:
        return 0, len(self.entries)

    def read(self, partition: int, offset: int, max_bytes: int, timeout: float) -> list[LogEntry]:
        return self.entries[offset:]

    def close(self) -> None:
        pass


def copy(made: SealedLog, root: Path) -> SealedLog:
    """The same log elsewhere, to be attacked."""
    shutil.copytree(made.root, root, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.seg", "spare"))
    return SealedLog(root, made.topic, made.records)


def verified(
    made: SealedLog,
    *,
    log: bool = True,
    witnesses: Sequence[VerifierKey] = (),
    quorum: int = 0,
    **wanted: object,
) -> TreeVerified:
    """What `affiant audit verify` finds."""
    trust = Trust(made.vkey.name, Path(), tuple(witnesses), quorum, made.vkey)
    trees = Trees(trust, made.objects)
    if not log:
        return verify_trees(
            trees, [made.tree_id], Archive(made.objects), {}, Wanted(**wanted), pause=_at_once
        )[0]
    live = LocalLog(made.log_directory, made.topic.name, 1, create=False)
    with closing(live.reader()) as reader:
        topic = live.topic()
        found = verify_trees(
            trees,
            [made.tree_id],
            Archive(made.objects),
            {topic.id: LiveLog(reader, topic)},
            Wanted(**wanted),
            pause=_at_once,
        )
    return found[0]


def _at_once(_: float) -> None:
    """No notary is about to publish."""


def flaws(made: SealedLog, **options: object) -> list[Flaw]:
    """What is wrong."""
    return verified(made, **options).flaws  # type: ignore[arg-type]


def named(found: Sequence[Flaw], what: str, **place: object) -> Flaw:
    """The flaw of that name and place, which MUST be there."""
    for flaw in found:
        if flaw.what == what and all(getattr(flaw, name) == value for name, value in place.items()):
            return flaw
    raise AssertionError(f"no {what} flaw at {place} in {[str(flaw) for flaw in found]}")


def changed_entry(value: bytes, *, chain: bytes | None = None, answer: bytes | None = None) -> bytes:
    """A record whose entry has another chain, or whose answer is another one with all that follows from it."""
    from audit.proof.cbor import encode

    record = parse_record(value)
    fields, payload = dict(record.entry.fields), record.payload
    if answer is not None:
        parts = parse_payload(payload)
        header = {key: each for key, each in parts.header.items() if key not in (6, 8)}
        payload = encode_payload(parts.salt, header, parts.request, answer, parts.input)
        fields[int(Key.PAYLOAD_DIGEST)] = sha256(payload).digest()
        fields[int(Key.PAYLOAD_LENGTH)] = len(payload)
    if chain is not None:
        fields[int(Key.CHAIN)] = chain
    return frame_record(encode(fields), payload)


def rewritten(at: int, answer: bytes) -> Callable[[list[LogEntry]], list[LogEntry]]:
    """The answer at an offset is another one, and every later entry of the journal is chained to it again."""

    def change(entries: list[LogEntry]) -> list[LogEntry]:
        out = list(entries)
        out[at] = out[at]._replace(value=changed_entry(out[at].value, answer=answer))
        for later in range(at + 1, len(out)):
            head = leaf_hash(parse_record(out[later - 1].value).entry.raw)
            out[later] = out[later]._replace(value=changed_entry(out[later].value, chain=head))
        return out

    return change


def sequence(entry: LogEntry) -> int:
    """Of a journal's record."""
    found: int = parse_record(entry.value).entry.fields[Key.SEQUENCE]
    return found


def entry_bytes(made: SealedLog, offset: int) -> bytes:
    """As the log has it."""
    return parse_entry(parse_record(made.entries()[offset].value).entry.raw).raw
