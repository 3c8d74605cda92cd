"""Labels that somebody else writes to a Kafka topic, as JSON: read from where the last import ended.

A message is one label, or a list of them, with the members that the gateway takes. One without `time` was known when
its message was written. What is no label is told and passed over: it would stand in the way for ever.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import orjson

from .errors import ConfigError
from .files import make_directory, parse_json, replace_file
from .labels import NoLabel, Told, format_time, told
from .log.base import Log, LogReader

MEMBERS: Final = frozenset({"record", "request_id", "label", "row", "time"})
_FOLDER: Final = "label-topics"
_BYTES: Final = 4 << 20
_SECONDS: Final = 10.0
_SHOWN: Final = 20


@dataclass(slots=True)
class LabelTopic:
    """One topic, and how far it was read: `label-topics/NAME.json` in the data directory."""

    log: Log
    name: str
    data: Path
    now: int
    """ns since 1970 UTC."""
    wrong: list[dict[str, Any]] = field(default_factory=list)
    """The first messages that are no labels: where they stand, and why."""
    passed_over: int = 0
    """How many there are."""
    _next: dict[str, int] = field(default_factory=dict)
    _topic: str = ""

    def said(self) -> Iterator[Told]:
        """What stands there and was not read yet, up to where the topic ended when it began.

        Raises:
            LogUnavailable: Kafka does not answer.
            ConfigError: the file of places is damaged.
        """
        topic = self.log.topic()
        self._topic = topic.id.hex()
        self._next = self._read()
        reader = self.log.reader()
        try:
            for partition in range(topic.partitions):
                yield from self._partition(reader, partition)
        finally:
            reader.close()

    def keep(self) -> None:
        """Remember how far it was read. MUST NOT be called before all that was said is durable."""
        make_directory(self._file.parent)
        content = {"format": 1, "topic": self._topic, "next": self._next}
        replace_file(self._file, json.dumps(content).encode())

    @property
    def _file(self) -> Path:
        return self.data / _FOLDER / f"{self.name}.json"

    def _read(self) -> dict[str, int]:
        try:
            content = parse_json(self._file.read_bytes())
        except FileNotFoundError:
            return {}
        except ValueError as error:
            raise ConfigError(f"{self._file} is damaged ({error}); without it all is read again") from error
        match content:
            case {"format": 1, "topic": str(topic), "next": dict(places)}:
                # A topic that was made again begins anew.
                return {str(at): int(offset) for at, offset in places.items()} if topic == self._topic else {}
        raise ConfigError(f"{self._file} is damaged; without it all is read again")

    def _partition(self, reader: LogReader, partition: int) -> Iterator[Told]:
        first, end = reader.bounds(partition)
        offset = max(first, min(self._next.get(str(partition), 0), end))
        while offset < end:
            entries = reader.read(partition, offset, _BYTES, _SECONDS)
            for entry in entries:
                if entry.offset < end:
                    yield from self._message(partition, entry.offset, entry.timestamp, entry.value)
            # Others' topics end with markers of transactions, where no message comes any more.
            offset = entries[-1].offset + 1 if entries else end
        self._next[str(partition)] = max(offset, end)

    def _message(self, partition: int, offset: int, written: int, value: bytes | None) -> Iterator[Told]:
        try:
            given = orjson.loads(value or b"")
            labels = [self._label(one, written) for one in (given if isinstance(given, list) else [given])]
        except ValueError as error:  # NoLabel is one
            self.passed_over += 1
            if len(self.wrong) < _SHOWN:
                self.wrong.append({"partition": partition, "offset": offset, "why": str(error)})
            return
        yield from labels

    def _label(self, given: object, written: int) -> Told:
        if not isinstance(given, dict):
            raise NoLabel("a label must be a JSON object", "label")
        if strange := sorted(set(given) - MEMBERS):
            raise NoLabel(f"a label has no member {strange[0]!r}", strange[0])
        if given.get("time") is None and 0 <= written * 10**6 <= self.now:
            given = {**given, "time": format_time(written * 10**6)}
        return told(**given, now=self.now)
