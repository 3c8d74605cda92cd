"""What one gateway worker has seen of the governance log, and remembers through restarts.

Nothing is believed but the first root, whose digest is remembered from the first start on. What was read of the log is
remembered by its length and hash, on the gateway's own disk: a log that is shorter, other or another topic's is
refused. That the log was held to the notary's checkpoints is remembered, too: the settings cannot end that. A worker
without a memory begins with what the others of its directory remember.

The time that was reached is remembered, so that a clock that is set back revives nothing that has expired. It goes no
further than the log's newest entry and PACE times the time that this process has seen pass: a clock that is ahead for
an hour MUST NOT end approvals for good.

While the process runs, what it has read stays in memory and only what is new is read. Through a restart an index of it
is kept (view.py), since reading is quick and parsing is not.

A crash between a swap and `served` forgets which digest was served last: a revocation then takes the service off
instead of falling back to it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import structlog

from audit.errors import LogError
from audit.files import make_directory, parse_json, replace_file
from audit.governance import PARTITION
from audit.log.base import Log, LogReader
from audit.show import walk
from audit.trees import Trees
from registry.approvals.root import Root, parse_root
from registry.errors import NotAdmitted
from registry.ledger import Ledger

from .view import GrowingTree, KeptIndex, View, values_hash
from .way import GiveWay

PACE: Final = 10.0
"""How many times as fast as time passes the remembered one may go. After a standstill it comes up again so fast."""
BEHIND_SECONDS: Final = 300.0

log = structlog.get_logger("affiant.gateway")


@dataclass(frozen=True, slots=True)
class Memory:
    """What survives a restart."""

    root: str
    """The first root's digest."""
    topic: str = ""
    end: int = 0
    hash: str = ""
    """Over all entries before `end`, with the log's times; see `View.is_of` for one that was kept before."""
    clock: float = 0.0
    """The newest time that was borne out, s since 1970 UTC."""
    served: dict[str, list[str]] = field(default_factory=dict)
    """Service → digests that were live, newest last."""
    checkpoint: bool = False
    """Whether what was read was held to the notary's checkpoint."""

    @classmethod
    def read(cls, path: Path) -> Memory | None:
        """Raises NotAdmitted: it is there and damaged."""
        try:
            return cls(**parse_json(path.read_bytes()))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError) as error:
            raise NotAdmitted(f"{path} is damaged: the gateway no longer knows what it has seen") from error

    def write(self, path: Path) -> None:
        """Durably, in place of what was there."""
        make_directory(path.parent)
        content = {name: getattr(self, name) for name in self.__dataclass_fields__}
        replace_file(path, json.dumps(content).encode())


class Seen:
    """One worker's view of the governance log. Used by one thread at a time."""

    def __init__(
        self,
        path: Path,
        root: Path,
        governance: Log,
        clock: Callable[[], float],
        trees: Trees | None = None,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        """`path`: of the memory. `root`: the first root file. `trees`: the log is held to them. `timer`: seconds, which
        nobody can set.
        """
        self._path = path
        self._root = root
        self._log = governance
        self._clock = clock
        self._trees = trees
        self._timer = timer
        self._looked: float | None = None
        """By the timer, when the memory was last written; None: this process has not."""
        self._behind = False
        self._kept = KeptIndex(path.with_suffix(".index"))
        self._view: View | None = None
        self._reader: LogReader | None = None
        """The one that read last: it knows where the log goes on."""

    def look(self) -> tuple[Ledger, Memory]:
        """Read on, hold what is there to what is remembered, and remember it. The memory's time is the one that
        everything is to be judged by.

        Raises:
            NotAdmitted: the log, the root or what is remembered is not what it should be.
            LogUnavailable: the log is not to be read.
        """
        first = self._first()
        known = Memory.read(self._path)
        if known is None and self._view is not None:
            raise NotAdmitted(f"{self._path} is gone: somebody takes the gateway's memory away")
        known = known or self._of_others(first) or Memory(first.digest)
        if known.root != first.digest:
            raise NotAdmitted(f"{self._root} is another first root than the one that this gateway began with")
        if known.checkpoint and self._trees is None:
            raise NotAdmitted(
                "[governance] checkpoint is off, and the log was held to the notary's checkpoints before; whoever "
                f"means that removes {self._path.parent}"
            )
        view = self._read(first, known)
        clock, looked = self._clock(), self._timer()
        passed = 0.0 if self._looked is None else looked - self._looked
        now = replace(
            known,
            topic=view.id,
            end=view.end,
            hash=view.remembered,
            clock=max(known.clock, min(clock, max(known.clock + PACE * passed, view.newest / 1000))),
            checkpoint=self._trees is not None,
        )
        now.write(self._path)
        self._view, self._looked = view, looked
        self._tell(known.clock - clock)
        view.ledger.prepare()
        return view.ledger, replace(now, clock=max(clock, known.clock))

    def _tell(self, behind: float) -> None:
        """Say once that the clock is not what things are judged by, and how to end that."""
        if (behind > BEHIND_SECONDS) == self._behind:
            return
        self._behind = not self._behind
        if self._behind:
            log.warning(
                "the clock is behind the newest time that this gateway remembers, and what expires is judged by that "
                "time; set the clock right. Whoever knows that it had been ahead stops the gateway and removes what it "
                "remembers",
                seconds=round(behind),
                remembers=str(self._path.parent),
            )
        else:
            log.info("the clock has come up to the newest time that this gateway remembers")

    def served(self, live: dict[str, str], keep: int) -> None:
        """Remember which digest is live for each service, `keep` of each; and, now and then, the index: no load is to
        wait for that.
        """
        known = Memory.read(self._path)
        assert known is not None
        served = {service: list(digests) for service, digests in known.served.items()}
        for service, digest in live.items():
            digests = [each for each in served.get(service, []) if each != digest]
            served[service] = [*digests, digest][-keep:]
        if served != known.served:
            replace(known, served=served).write(self._path)
        if self._view is not None:
            self._kept.write(self._view)

    def end(self) -> int | None:
        """Where the log ends; None when it does not say: `look` says why."""
        try:
            reader = self._log.reader()
        except LogError:
            return None
        try:
            return reader.bounds(PARTITION)[1]
        except LogError:
            return None
        finally:
            reader.close()

    def _of_others(self, first: Root) -> Memory | None:
        """What the one of the other workers that has read most remembers; None: there is none.

        A worker that is new MUST NOT take what those before it refuse. Raises NotAdmitted: one of them began with
        another root, or its memory is damaged.
        """
        others = [each for path in sorted(self._path.parent.glob("*.json")) if (each := Memory.read(path))]
        if any(each.root != first.digest for each in others):
            raise NotAdmitted(
                f"{self._root} is another first root than the one that another worker began with"
            )
        if not others:
            return None
        return replace(
            max(others, key=lambda each: each.end),
            clock=max(each.clock for each in others),
            checkpoint=any(each.checkpoint for each in others),
        )

    def _first(self) -> Root:
        try:
            return parse_root(self._root.read_bytes())
        except OSError as error:
            raise NotAdmitted(f"{self._root}: {error.strerror}") from error

    def _read(self, first: Root, known: Memory) -> View:
        reader = self._log.reader()
        try:
            start, end = reader.bounds(PARTITION)
            reader = self._going_on(reader, (start, end))
            view = self._read_to(reader, start, end, first, known)
        except BaseException:
            reader.close()
            raise
        self._reader = reader
        return view

    def _going_on(self, fresh: LogReader, bounds: tuple[int, int]) -> LogReader:
        """The reader of the last look, else `fresh`; the other one is closed.

        To find the place where a log goes on may take longer than all the rest, and who has read up to there knows it.
        What bounds the log has MUST be asked of `fresh`: the other one may still see files that somebody has replaced.
        """
        last, self._reader = self._reader, None
        if last is None:
            return fresh
        try:
            sees = last.bounds(PARTITION)
        except LogError:
            sees = (-1, -1)
        kept, other = (last, fresh) if sees[0] == bounds[0] and sees[1] >= bounds[1] else (fresh, last)
        other.close()
        return kept

    def _read_to(self, reader: LogReader, start: int, end: int, first: Root, known: Memory) -> View:
        topic = self._log.topic().id.hex()
        if start != 0:
            raise NotAdmitted(f"the governance log begins at offset {start}: its beginning is gone")
        if known.topic not in ("", topic):
            raise NotAdmitted("the governance log is another topic than the one that was read before")
        if end < known.end:
            raise NotAdmitted(
                f"the governance log ends at {end}, and {known.end} entries of it were read before"
            )
        # Another view when its memory was taken away, or never was: then everything is read once.
        view = self._view
        if view is None or (view.id, view.end) != (known.topic, known.end) or not view.is_of(known.hash):
            tree = None if self._trees is None else GrowingTree()
            older = values_hash(known.hash)
            view = View(self._log.topic(), Ledger(first, GiveWay()), self._kept.read(), tree, values=older)
        for entry in walk(reader, PARTITION, view.end, end, name="governance log"):
            view.take(entry)
            if view.end == known.end and not view.is_of(known.hash):
                raise NotAdmitted(
                    f"the first {known.end} entries of the governance log are not those read before"
                )
        self._sealed(view)
        return view

    def _sealed(self, view: View) -> None:
        """Hold what was read to the notary's newest checkpoint."""
        if self._trees is None:
            return
        sealed = self._trees.tree(view.topic.id, PARTITION).published().opened.checkpoint
        view.hold_to(sealed.size, sealed.root)
