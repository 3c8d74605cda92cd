"""What a replay reads: the log and the archive of the settings, and the offsets that RANGE means."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from audit.config import Config, load
from audit.errors import ArchiveGap, ConfigError, NoSuchRecord
from audit.log import configured_log
from audit.proof.entry import parse_record_id
from audit.proof.errors import FormatError
from audit.ship.external import configured_store

from .text import counted

if TYPE_CHECKING:
    from audit.archive import Archive
    from audit.replay import Part, Source

_OFFSETS: Final = re.compile(r"(\d{1,9}):(\d{1,18})-(\d{1,18})")


@contextmanager
def opened(path: Path | None, *, archive_only: bool) -> Iterator[tuple[Config, Source, int]]:
    """The settings, the source, and how many partitions it has.

    Args:
        path: the settings file.
        archive_only: read what the notary has kept and nothing else; for who has no access to the log.

    Raises:
        ArchiveGap: the archive holds no answers.
        ConfigError: it holds several topics with answers.
        LogUnavailable, ObjectsUnavailable: as they say.
    """
    from audit.archive import Archive
    from audit.replay import Source
    from audit.trees import configured_trees

    config = load(path)
    trees = configured_trees(config)
    archive = Archive(trees.objects, trees.payload_objects)
    external = configured_store(config).get
    if archive_only:
        topic, partitions = _archived_topic(archive)
        yield config, Source(None, topic, archive=archive, external=external), partitions
        return
    log = configured_log(config, create=False)
    reader = log.reader()
    try:
        known = log.topic()
        yield config, Source(reader, known.id, archive=archive, external=external), known.partitions
    finally:
        reader.close()


def _archived_topic(archive: Archive) -> tuple[bytes, int]:
    """The topic of the archive that has answers in it, and its partitions.

    The governance log's topic has none, and is told from the other by what its first entry is.
    """
    from audit.archive import Part as Kinds

    partitions: dict[bytes, int] = {}
    journals = set()
    for file in archive.all_files(Kinds.ENTRIES):
        partitions[file.topic] = max(partitions.get(file.topic, 0), file.partition + 1)
        if (
            file.topic not in journals
            and archive.rows(file, ["journal"]).column(0).null_count < file.end - file.first
        ):
            journals.add(file.topic)
    if not journals:
        raise ArchiveGap(
            "there is no archive of answers in the store of the settings; the notary writes it some minutes after it "
            "has sealed them ([notary] archive_seconds)"
        )
    if len(journals) > 1:
        raise ConfigError(
            f"--archive: it holds several topics with answers ({', '.join(sorted(map(bytes.hex, journals)))}): "
            "the topic was made anew; ask with the log of the settings"
        )
    (topic,) = journals
    return topic, partitions[topic]


def parts_of(records: str | None, source: Source, partitions: int) -> list[Part]:
    """The offsets that RANGE means: all of them, or none; of a record id each place that has it.

    Raises:
        ConfigError: neither offsets nor a record id, or offsets that are not all there.
        NoSuchRecord: no such record.
    """
    from audit.replay import Part

    if records is None:
        return [source.bounds(partition) for partition in range(partitions)]
    if (offsets := _OFFSETS.fullmatch(records)) is None:
        _record_id(records)
        found = source.find(records, partitions)
        if not found:
            raise NoSuchRecord(
                f"no record {records} is known; one of the last seconds may not be shipped yet"
            )
        return found
    partition, first, last = map(int, offsets.groups())
    if last < first:
        raise ConfigError(f"RANGE is {records}, and its last offset comes before its first")
    if partition >= partitions:
        raise ConfigError(
            f"RANGE is {records}, and there is no partition {partition}: the log has "
            f"{counted(partitions, 'partition')}, from 0 on"
        )
    there = source.bounds(partition)
    if there.first >= there.end:
        raise ConfigError(f"RANGE is {records}, and partition {partition} has no records yet")
    if first < there.first or last >= there.end:
        raise ConfigError(
            f"RANGE is {records}, and partition {partition} has offsets {there.first} to {there.end - 1} now"
        )
    return [Part(partition, first, last + 1)]


def _record_id(text: str) -> None:
    try:
        parse_record_id(text)
    except FormatError:
        raise ConfigError(
            f"RANGE is {text[:80]!r}, wanted a record id (32 hex digits, a hyphen and a number) or "
            "PARTITION:FIRST-LAST, such as 0:0-9999"
        ) from None
