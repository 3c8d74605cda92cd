"""What the report keeps of each record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from audit.proof.bodies import body_of
from audit.proof.entry import Entry, Key, Kind, Protocol, Slot
from audit.proof.errors import FormatError
from audit.proof.record import Header, parse_payload

_ROWS: Final = 256
"""Of an answer, whose scores are kept."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """What the report needs of one record. Times in ns since 1970 UTC."""

    partition: int
    offset: int
    kind: str
    name: str | None
    arrived: int | None
    committing: int | None
    service: str | None
    digest: str | None
    slot: str | None
    status: int | None
    caller: str | None
    scores: tuple[float, ...] = ()
    payload: bool = False
    request_id: str | None = None
    """The client's own."""
    subject: str | None = None
    """Pseudonym, hex."""

    @property
    def wait(self) -> int | None:
        """From arrival to commit, in ns; None where the entry's times make none."""
        if self.arrived is None or self.committing is None:
            return None
        return self.committing - self.arrived if self.committing >= self.arrived > 10**15 else None

    @classmethod
    def of(cls, partition: int, offset: int, entry: Entry, payload: bytes) -> Exchange:
        """Of a record."""
        fields = entry.fields
        known = entry.kind in list(Kind)
        if not known:  # its fields may be anything
            fields = {}
        digest, caller, subject = (fields.get(key) for key in (Key.DIGEST, Key.CALLER, Key.SUBJECT))
        slot = fields.get(Key.SLOT)
        return cls(
            partition,
            offset,
            Kind(entry.kind).name.lower().replace("_", " ") if known else f"kind {entry.kind}",
            entry.record_id if entry.kind in (Kind.INFERENCE, Kind.ABORTED) else None,
            fields.get(Key.ARRIVED),
            fields.get(Key.COMMITTING) or fields.get(Key.TIME),
            fields.get(Key.SERVICE),
            None if digest is None else digest.hex(),
            None if slot is None else Slot(slot).name.lower() if slot in list(Slot) else str(slot),
            fields.get(Key.STATUS),
            None if caller is None else caller.hex(),
            _scores(entry, payload),
            bool(payload),
            fields.get(Key.REQUEST_ID),
            None if subject is None else subject.hex(),
        )


def _scores(entry: Entry, payload: bytes) -> tuple[float, ...]:
    """The first numbers that were answered for each row, whatever the protocol."""
    if entry.get(Key.STATUS) != 200 or not payload or entry.get(Key.SUITE) != 0:
        return ()
    if entry.get(Key.PROTOCOL) == Protocol.V1_EXPLAIN:
        return ()
    try:
        parts = parse_payload(payload)
    except FormatError:
        return ()
    length = parts.header.get(Header.RESPONSE_INFERENCE_LENGTH)
    answer = body_of(parts.response, None, length if type(length) is int else None)
    values = _first(answer) if isinstance(answer, dict) else None
    if not isinstance(values, list):
        return ()
    found = (each[0] if isinstance(each, list) and each else each for each in values[:_ROWS])
    return tuple(
        float(each)
        for each in found
        if isinstance(each, int | float) and not isinstance(each, bool) and abs(each) < 1e300
    )


def _first(answer: dict[str, Any]) -> Any:
    """A value for each row: of V1 the predictions, of V2 the first output, whose data may be row after row."""
    if "predictions" in answer:
        return answer["predictions"]
    match answer.get("outputs"):
        case [{"data": list() as data, "shape": [int() as rows, int() as columns]}, *_] if (
            columns > 1 and rows * columns == len(data)
        ):
            return data[::columns]
        case [{"data": data}, *_]:
            return data
    return None
