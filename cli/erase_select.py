"""Which records `affiant erase` is about: those that are asked for, and what else says the same of the same request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from audit.config import Config
from audit.errors import ConfigError, NoSuchRecord
from audit.labels import REQUEST

if TYPE_CHECKING:
    from audit.auditor.records import Records
    from audit.erasure.plan import Wanted

MOST: Final = 100_000
"""Records of one call."""
_NAMES: Final = (
    "topic", "partition", "offset", "kind", "record", "journal", "slot", "arrived", "service", "request_id", "caller",
    "subject", "target", "payload_digest", "payload_length", "external",
)  # fmt: skip
_SELECT: Final = (
    "SELECT " + ", ".join(f'"{name}"' for name in _NAMES) + ", epoch_ms(logged) FROM entries "  # noqa: S608 — ours
    "WHERE payload_length > 0 AND kind NOT IN ('governance', 'erasure') AND "
)
_EXCHANGES: Final = frozenset({"inference", "aborted"})
_LABELS: Final = "kind IN ('label', 'labelled') AND "

Row = dict[str, Any]


@dataclass(slots=True)
class Selected:
    """Rows of the index, each proved to be what the sealed log has."""

    rows: list[Row] = field(default_factory=list)
    """As they were found; each once."""
    why: dict[tuple[str, int, int], str] = field(default_factory=dict)
    """Why a row is among them, by its place."""
    wrong: list[str] = field(default_factory=list)
    """What the archive says otherwise than the sealed log: left out."""
    doubtful: list[str] = field(default_factory=list)
    """Labels of a request id that other records have, too: left out, as nobody knows whose they are."""

    @property
    def exchanges(self) -> list[Row]:
        """Those with a request in them."""
        return [row for row in self.rows if row["kind"] in _EXCHANGES]

    def wanted(self) -> list[Wanted]:
        """As an erasure takes them."""
        from audit.erasure.plan import Wanted
        from audit.erasure.told import Item

        return [
            Wanted(
                Item(
                    bytes.fromhex(row["topic"]), row["partition"], row["offset"], row["record"],
                    row["payload_digest"], bool(row["external"]),
                ),
                row["logged"],
                proved=True,
            )
            for row in self.rows
        ]  # fmt: skip


def select(records: Records, subjects: Sequence[str], names: Sequence[str]) -> Selected:
    """The records of these subjects and of these ids, with payloads, and all that hangs on them.

    - a shadow's answer to the same request: it has the request in it, too;
    - labels that name the record, or the client's id of its request, unless another record has that id, too;
    - whatever else has the very same payload: a record that was delivered twice.

    Args:
        records: refreshed.
        subjects: pseudonyms, hex.
        names: record ids.

    Raises:
        NoSuchRecord: one of the ids, or none of the subjects, is known; or they are too many.
    """
    found = Selected()
    for name in names:
        if not records.index.find(name):
            raise NoSuchRecord(f"no sealed record {name} is known; nothing was changed")
    _take(records, found, "record IN (SELECT unnest(?))", [list(names)], "asked for")
    _take(records, found, "subject IN (SELECT unnest(?))", [list(subjects)], "of the subject")
    if subjects and not found.rows and not found.wrong:
        raise NoSuchRecord(
            "no sealed record of these subjects with a payload is known; nothing was changed (one of the last seconds "
            "may not be sealed yet)"
        )
    _take(records, found, *_shadows(found), "a shadow's, or a shadowed one, of the same request")
    names = [row["record"] for row in found.exchanges]
    _take(records, found, _LABELS + "target IN (SELECT unnest(?))", [names], "a label of such a record")
    _labels(records, found)
    digests = [row["payload_digest"] for row in found.rows]
    _take(records, found, "payload_digest IN (SELECT unnest(?))", [digests], "the very same payload")
    return found


def _take(records: Records, found: Selected, where: str, given: list[Any], why: str) -> None:
    """Rows that fit, and are proved; none where nothing is given to fit."""
    if not given[0]:
        return
    rows = [
        dict(zip((*_NAMES, "logged"), row, strict=True))
        for row in records.index.select(_SELECT + where + " ORDER BY ALL", given)
    ]
    new = [row for row in rows if _place(row) not in found.why]
    if len(found.rows) + len(new) > MOST:
        raise NoSuchRecord(f"more than {MOST} records: erase them in parts")
    for row, wrong in zip(new, records.check(new), strict=True):
        if wrong is None:
            found.rows.append(row)
            found.why[_place(row)] = why
        else:
            found.wrong.append(f"partition {row['partition']}, offset {row['offset']}: {wrong}")


def _place(row: Row) -> tuple[str, int, int]:
    return row["topic"], row["partition"], row["offset"]


def _shadows(found: Selected) -> tuple[str, list[object]]:
    """What one request has in common in its records: journal, arrival, caller, subject and the client's id of it."""
    rows = [row for row in found.exchanges if row["arrived"] is not None]
    columns = ("journal", "arrived", "caller", "subject", "request_id")
    same = " AND ".join(f"entries.{name} IS NOT DISTINCT FROM asked.{name}" for name in columns)
    lists = ", ".join(f"unnest(?) AS {name}" for name in (*columns, "shadow"))
    where = (
        f"kind = 'inference' AND EXISTS (SELECT 1 FROM (SELECT {lists}) AS asked WHERE {same} AND "  # noqa: S608 — ours
        "asked.shadow <> (entries.slot IS NOT DISTINCT FROM 'shadow'))"
    )
    given: list[object] = [[row[name] for row in rows] for name in columns]
    return where, [*given, [row["slot"] == "shadow" for row in rows]]


def _labels(records: Records, found: Selected) -> None:
    """Labels that name the client's id of a request."""
    named = {
        (row["service"], row["request_id"])
        for row in found.exchanges
        if row["service"] is not None and row["request_id"] is not None
    }
    services, ids = [list(each) for each in zip(*sorted(named), strict=True)] or [[], []]
    others = records.index.select(
        "SELECT DISTINCT service, request_id, topic, partition, \"offset\" FROM entries WHERE kind IN ('inference', "
        "'aborted') AND (service, request_id) IN (SELECT unnest(?), unnest(?))",
        [services, ids],
    )
    shared = {(row[0], row[1]) for row in others if tuple(row[2:]) not in found.why}
    where = _LABELS + "(service, target) IN (SELECT unnest(?), unnest(?))"
    own = sorted(named - shared)
    given: list[object] = [[each[0] for each in own], [f"{REQUEST}{each[1]}" for each in own]]
    _take(records, found, where, given, "a label of such a request")
    given = [[each[0] for each in sorted(shared)], [f"{REQUEST}{each[1]}" for each in sorted(shared)]]
    for row in records.index.select(_SELECT + where, given):
        if (row[0], row[1], row[2]) not in found.why:
            found.doubtful.append(
                f"partition {row[1]}, offset {row[2]}: a label of a request id that other records have, too"
            )


def pseudonyms(config: Config, ids: Path) -> list[str]:
    """Every pseudonym of the persons whose ids stand in a file, one a line.

    Raises:
        ConfigError: there are no keys, or a line is no id.
    """
    from audit.subjects import NoSubject, read_subject_keys
    from service.settings import GatewaySettings

    from .subjects import read_ids

    file = config.section("gateway", GatewaySettings).subject_keys_file
    if file is None:
        raise ConfigError(f"{config.path.name}: --person needs [gateway] subject_keys_file")
    keys, found = read_subject_keys(config.resolve(file)), list[str]()
    for number, person in enumerate(read_ids(ids), start=1):
        try:
            found += [each.hex() for each in keys.pseudonyms(person)]
        except NoSubject as error:
            raise ConfigError(f"{ids}: line {number}: {error}") from None
    return found
