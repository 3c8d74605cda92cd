"""Which payloads are over their time: by the entries' own times, never on a guess, never what the log still has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path

import pytest

from audit.archive import Archive, Part
from audit.archive.names import files_of
from audit.config import validate
from audit.errors import ConfigError
from audit.objects.directory import DirectoryObjects
from audit.retention.plan import DAY_MS, Places, Range, State, Told, ranges
from audit.retention.settings import RetentionSettings
from tests.components.archived import archived, label, shipper, statement

NOW = 20_000 * DAY_MS + DAY_MS // 2
SAID = Told("dan", 1.0, file=True)


@pytest.fixture
def objects(tmp_path: Path) -> DirectoryObjects:
    """A store."""
    return DirectoryObjects(tmp_path)


def looked(
    objects: DirectoryObjects,
    older_than: int | None = 1,
    *,
    first: int | None = None,
    told: Mapping[str, Told] | None = None,
    outside: frozenset[bytes] = frozenset(),
) -> list[Range]:
    """`first`: the first offset that the log has; None: it is another one."""
    places = Places(lambda _topic, _partition: first, outside.__contains__)
    return list(ranges(Archive(objects), places, told or {}, now_ms=NOW, older_than_days=older_than))


def states(found: Sequence[Range]) -> list[State]:
    """One a range."""
    return [each.state for each in found]


THREE = [[label(0), label(1)], [label(2)], [label(3)]]


def test_what_is_older_is_due_and_nothing_else(objects: DirectoryObjects) -> None:
    """Of that age to the millisecond is not older; without a maximum nothing is."""
    archived(objects, THREE, NOW)
    assert states(looked(objects)) == [State.DUE, State.KEPT, State.KEPT]
    assert states(looked(objects, 2)) == [State.KEPT] * 3
    assert states(looked(objects, 0)) == [State.DUE, State.DUE, State.KEPT]
    assert states(looked(objects, None)) == [State.KEPT] * 3
    first = looked(objects)[0]
    assert (first.file.first, first.file.end, first.there) == (0, 2, True)


def test_the_name_s_day_decides_nothing(objects: DirectoryObjects) -> None:
    """Whoever can write to the store could rename what is young into what is old."""
    archived(objects, [[label(0)]], NOW)
    for part in (Part.ENTRIES, Part.PAYLOADS):
        (file,) = files_of(objects, part)
        old = file.name.replace(file.day.isoformat(), "1999-01-02")
        stored = objects.get(file.name)
        assert stored is not None
        objects.create(old, stored.content)
        objects.remove(file.name)
    assert states(looked(objects)) == [State.KEPT]


def test_what_the_log_still_has_is_left(objects: DirectoryObjects) -> None:
    """To the last offset of a range: the copy alone would be deleted."""
    archived(objects, THREE, NOW)
    assert states(looked(objects, first=1)) == [State.LOGGED, State.KEPT, State.KEPT]
    assert states(looked(objects, first=2)) == [State.DUE, State.KEPT, State.KEPT]


def test_statements_are_evidence_and_no_personal_data(objects: DirectoryObjects) -> None:
    """One is enough for its range."""
    archived(objects, [[label(0), statement(1)], [label(2)], []], NOW)
    assert states(looked(objects, 0)) == [State.EVIDENCE, State.DUE]


def test_nothing_is_deleted_whose_age_nobody_knows(objects: DirectoryObjects) -> None:
    """The entries file says it, and only that."""
    archived(objects, THREE, NOW)
    first, *_ = files_of(objects, Part.ENTRIES)
    objects.remove(first.name)
    assert states(looked(objects))[0] is State.UNKNOWN


def test_what_is_gone_is_told_or_is_not(objects: DirectoryObjects) -> None:
    """A range whose records have no payload misses none."""
    archived(objects, [[shipper()], [label(1)], [label(2)], []], NOW)
    one, other = [each.name for each in files_of(objects, Part.PAYLOADS)]
    objects.remove(one)
    objects.remove(other)
    objects.remove(other)  # a second time is no error
    assert states(looked(objects, None, told={one: SAID})) == [State.NONE, State.TOLD, State.GONE]


def test_large_payloads_are_in_the_object_store_and_go_too(objects: DirectoryObjects) -> None:
    """A range of nothing else has no file: it is due as long as one of them is there."""
    large, payload = label(0, EXTERNAL=True)
    digest = sha256(payload).digest()
    archived(objects, [[(large, b"")], [label(1), (label(2, EXTERNAL=True)[0], b"")], [label(3)]], NOW)
    both = frozenset({digest, sha256(b"2").digest()})
    found = looked(objects, 0, outside=both)
    assert states(found) == [State.DUE, State.DUE, State.KEPT]
    assert [each.external for each in found] == [(digest,), (sha256(b"2").digest(),), ()]
    assert [each.there for each in found] == [False, True, True]
    name = found[0].file.name
    said = {name: Told("dan", 1.0, file=False)}
    assert states(looked(objects, 0, outside=both, told=said))[0] is State.DUE  # told, and a crash left it
    assert states(looked(objects, 0, told=said))[0] is State.TOLD
    assert states(looked(objects, 0))[0] is State.GONE


def test_a_maximum_below_the_minimum_is_refused() -> None:
    """Nobody could keep to both."""
    assert settings(30, 30).payload_max_days == 30
    with pytest.raises(ConfigError, match="payload_max_days = 29 is less than payload_min_days = 30"):
        settings(30, 29)


def settings(least: int, most: int) -> RetentionSettings:
    """As a file has them."""
    return validate(
        "x", "retention", {"payload_min_days": least, "payload_max_days": most}, RetentionSettings
    )
