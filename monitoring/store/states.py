"""The newest state of the monitor that leads: a file beside a local log, a message of the state topic over Kafka.

As JSON, compressed: it is read by one version of this program and the next, and thrown away when it is not understood.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from audit.errors import LogUnavailable
from audit.files import make_directory, replace_file
from audit.log.kafka import KafkaLog

MOST: Final = 64 << 20
"""Bytes of a state."""
_BYTES: Final = 8 << 20
_SECONDS: Final = 10.0
_LEADER: Final = b"leader"
"""After the log's topic id: the key of the message. Panes have longer ones."""


class FileStates:
    """One file, replaced whole."""

    def __init__(self, path: Path) -> None:
        """Nothing is read yet."""
        self._path: Final = path

    def get(self) -> Mapping[str, Any] | None:
        """See `monitoring.monitor.States`."""
        try:
            return read(self._path.read_bytes())
        except FileNotFoundError:
            return None
        except OSError as error:
            raise LogUnavailable(f"{self._path}: {error.strerror}") from error

    def put(self, state: Mapping[str, Any]) -> None:
        """See `monitoring.monitor.States`."""
        try:
            make_directory(self._path.parent)
            replace_file(self._path, written(state))
        except OSError as error:
            raise LogUnavailable(f"{self._path}: {error.strerror}") from error


class KafkaStates:
    """In partition 0 of the state topic, whose holder leads."""

    def __init__(self, state: KafkaLog, topic: bytes) -> None:
        """Nothing is contacted yet.

        Args:
            state: the state topic.
            topic: id of the log's topic.
        """
        self._log: Final = state
        self._key: Final = topic + _LEADER

    def get(self) -> Mapping[str, Any] | None:
        """See `monitoring.monitor.States`. Reads the partition once."""
        found: bytes | None = None
        with closing(self._log.reader()) as reader:
            offset, end = reader.bounds(0)
            while offset < end:
                entries = reader.read(0, offset, _BYTES, _SECONDS)
                if not entries:
                    raise LogUnavailable(f"the state topic: nothing came from offset {offset}, before {end}")
                for entry in entries:
                    found = entry.value if entry.key == self._key else found
                offset = entries[-1].offset + 1
        return None if found is None else read(found)

    def put(self, state: Mapping[str, Any]) -> None:
        """See `monitoring.monitor.States`."""
        with closing(self._log.writer(0)) as writer:
            writer.send(written(state), self._key)
            writer.wait(_SECONDS)
            if not writer.delivered().sends:
                raise LogUnavailable(f"the state topic took no state within {_SECONDS:g} s")


def written(state: Mapping[str, Any]) -> bytes:
    """As bytes."""
    return zlib.compress(json.dumps(state, allow_nan=False, separators=(",", ":")).encode(), 1)


def read(data: bytes) -> Mapping[str, Any] | None:
    """What `written` made; None: it is none, and what was judged is judged again."""
    try:
        machine = zlib.decompressobj()
        found = json.loads(machine.decompress(data, MOST))
    except (zlib.error, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and machine.eof else None
