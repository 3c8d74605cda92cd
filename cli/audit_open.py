"""What the commands of `affiant audit` open: the trees, the archive and the index of the settings."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

from audit.config import Config, load
from audit.errors import LogError
from audit.log import Log, configured_governance_log, configured_log
from audit.payload_keys import configured_keys
from audit.proof.entry import Key
from audit.proof.errors import FormatError
from audit.proof.record import split_record
from audit.settings import LogSettings
from audit.ship.external import configured_store
from audit.trees import configured_trees

from .erase_told import erasures
from .text import printable

if TYPE_CHECKING:
    from audit.auditor.index import Located
    from audit.auditor.records import Records
    from audit.log.base import Topic
    from audit.proof.entry import Entry

_ERRORS: Final = Console(stderr=True)
_READ_BYTES: Final = 16 << 20
_READ_SECONDS: Final = 10.0
_PATIENCE: Final = 10.0
"""Seconds that an index is waited for: longer than another command of this kind has it, as a rule."""

IndexOption = Annotated[
    Path | None,
    typer.Option(
        "--index",
        help="The file of the auditor's index; one for each store, in the user's cache, when not said.",
        show_default=False,
    ),
]


Look = Callable[[], AbstractContextManager["Records"]]


@contextmanager
def opened(config_file: Path | None, index: Path | None) -> Iterator[Records]:
    """The records of the settings' store, the index brought up to the newest checkpoint.

    Neither a gateway nor a log has to be there. A log that is configured and does not answer is left out.
    """
    with looking(config_file, index) as look, look() as records:
        yield records


@contextmanager
def looking(config_file: Path | None, index: Path | None) -> Iterator[Look]:
    """The same, for who looks again and again: in between, other processes may have the index."""
    from audit.archive import Archive

    config = load(config_file)
    trees = configured_trees(config)
    logs = _Logs(config)
    path = index or default_index(f"{trees.objects!r} {trees.trust.name}")
    archive = Archive(trees.objects, trees.payload_objects)
    payloads = {"log": logs.payload, "object store": _object_store(config)}
    keys, told = configured_keys(config), erasures(config)
    said: set[str] = set()

    @contextmanager
    def look() -> Iterator[Records]:
        from audit.auditor.busy import Patience
        from audit.auditor.index import Index
        from audit.auditor.records import Records

        with Index(path, trees.trust.name, Patience(_PATIENCE, _tell_waiting)) as opened_index:
            records = Records(trees, archive, opened_index, payloads, logs.topics(), keys=keys, erased=told)
            with _bar("indexing") as progress:
                wrong = records.refresh(progress)
            for each in wrong:
                if each not in said:
                    typer.echo(printable(f"WRONG  {each}; `affiant audit verify` tells more"), err=True)
                    said.add(each)
            yield records

    try:
        yield look
    finally:
        logs.close()


def _tell_waiting(holder: str) -> None:
    typer.echo(printable(f"waiting for the index, which {holder} has"), err=True)


def default_index(store: str) -> Path:
    """Where a store's index is kept: a file that may be deleted at any time."""
    cache_home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache_home) / "affiant" / "index" / f"{sha256(store.encode()).hexdigest()[:24]}.duckdb"


@contextmanager
def _bar(what: str) -> Iterator[Callable[[int], Callable[[int], None]]]:
    """A bar on a terminal, when there is something to do."""
    columns = (SpinnerColumn(), TextColumn(what), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=_ERRORS, transient=True, disable=not _ERRORS.is_terminal) as bar:

        def begin(total: int) -> Callable[[int], None]:
            task = bar.add_task(what, total=total)
            return lambda count: bar.advance(task, count)

        yield begin


class _Logs:
    """The log and the governance log, where there are any."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._reader = cache(lambda: self._log().reader())
        self._read = False

    def _log(self) -> Log:
        return configured_log(self._config, create=False)

    def _is_there(self) -> bool:
        """Opening a local log would make one."""
        settings = self._config.section("log", LogSettings)
        if settings.backend != "local":
            return True
        directory = (
            self._config.resolve(settings.directory) if settings.directory else self._config.data / "log"
        )
        return (directory / "topic.json").is_file()

    def topics(self) -> dict[bytes, int]:
        """Id → partitions."""
        if not self._is_there():
            return {}
        found = [topic for topic in (topic_of(self._log), topic_of(self._governance)) if topic is not None]
        return {topic.id: topic.partitions for topic in found}

    def _governance(self) -> Log:
        return configured_governance_log(self._config, create=False)

    def payload(self, located: Located, _: Entry) -> bytes | None:
        """The payload that the log's record carries; None when it does not have it any more."""
        try:
            value = self._value(located) if self._is_there() else None
            return None if value is None else split_record(value)[1] or None
        except (LogError, FormatError):
            return None

    def _value(self, located: Located) -> bytes | None:
        if self._log().topic().id != located.topic:
            return None
        reader, self._read = self._reader(), True
        first, end = reader.bounds(located.partition)
        if not first <= located.offset < end:
            return None
        entries = reader.read(located.partition, located.offset, _READ_BYTES, _READ_SECONDS)
        return entries[0].value if entries and entries[0].offset == located.offset else None

    def close(self) -> None:
        """Let go of the reader, if there is one."""
        if self._read:
            self._reader().close()


def topic_of(log: Callable[[], Log]) -> Topic | None:
    """Of a log; None where there is none, or it does not answer."""
    try:
        return log().topic()
    except LogError:
        return None


def _object_store(config: Config) -> Callable[[Located, Entry], bytes | None]:
    store = configured_store(config)

    def payload(_: Located, entry: Entry) -> bytes | None:
        return store.get(entry.fields[Key.PAYLOAD_DIGEST]) if entry.get(Key.EXTERNAL) else None

    return payload
