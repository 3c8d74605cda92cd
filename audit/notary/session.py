"""From one opening of a tree to the first failure of its store: read, watch, append, seal when due, archive."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

import structlog

from audit.archive import Archiver
from audit.errors import LogError, LogUnavailable, NotaryRefuses, OffsetGone, WitnessContradicts
from audit.log.base import LogEntry, LogReader
from audit.proof.errors import FormatError
from audit.proof.tiles import WIDTH, Bundle, read_bundle

from .holes import Hole, entry_of, has_payload, hole_at
from .intake import Intake
from .seal import Seal, Sealed
from .watch import Watch
from .workshop import END_SECONDS, RETRIES, LogCut, Workshop, limits

if TYPE_CHECKING:
    from .partition import Partition

READ_BYTES: Final = 1 << 20
IDLE_READ: Final = 0.1
"""Seconds that a read waits for an entry: what seals, archives and ends waits as long."""
MOST_PENDING: Final = 32_768
"""So many leaves are sealed before their time has come: their entries are in memory until then."""
MOST_PENDING_BYTES: Final = 16 << 20
IDLE_SEAL: Final = 8.0
"""Seconds after which the state's time and the cosignatures are renewed although nothing came."""
GONE_AT_ONCE: Final = 4096
"""Holes that are made before something else has its turn."""
REMEMBERED: Final = 65_536
"""Newest leaves that are read at a start, for telling duplicates."""
LOOK: Final = 1.0
"""Seconds after which the log's end is asked for again."""
PATIENCE: Final = 60.0
"""Seconds without an entry from where the log says there is one, after which this is an alarm."""


class Session:
    """From one opening of the tree to the first failure of the store, or to the end."""

    def __init__(self, workshop: Workshop, partition: Partition) -> None:
        """Open the tree, and restore what the state remembers.

        Raises:
            NotaryRefuses, ObjectsUnavailable: see `Seal`.
        """
        self._shop = workshop
        self._number = partition.partition
        self._partition = partition
        self._status = partition.status
        self._say = structlog.get_logger("notary").bind(
            topic=workshop.topic.name, partition=partition.partition
        )
        cosigners = workshop.cosigners()
        self._witnessed = bool(cosigners)
        self._seal = Seal(
            workshop.objects,
            partition.tree,
            workshop.signer,
            cosigners=cosigners,
            quorum=workshop.settings.quorum,
            clock=workshop.clock,
            workers=workshop.workers,
            # A state that this process has seen cannot be gone, whatever the topic's note says.
            begun=self._number < workshop.begun or bool(self._status.sealed),
        )
        try:
            partition.untold.forget()
            self._watch = Watch(workshop.topic.id, self._number, untold=partition.untold)
            state, start = self._seal.state, max(0, self._seal.size - REMEMBERED)
            try:
                self._watch.restore(state.journals, self._sealed_entries(start, state.size))
            except FormatError as error:
                raise NotaryRefuses(f"{partition.tree.origin}: {error}") from error
        except BaseException:
            self._seal.close()
            raise
        self._intake = Intake(workshop.topic, self._number, self._watch)
        self._archive = (
            None
            if not workshop.archive
            else Archiver(
                workshop.objects,
                workshop.topic.id,
                self._number,
                state.archived,
                state.archiving,
                limits(workshop.settings),
                workshop.payload_objects,
                background=True,
            )
        )
        # Read again up to the tree's end: the archive has not written it, and the log must still say the same.
        again = max(0, state.size - 1)
        self._position = again if self._archive is None else min(again, state.archived)
        self._again = self._sealed_entries(self._position, state.size)
        self._gone_until, self._payload_told, self._payload_lost = 0, False, False
        self._left = True
        self._reader: LogReader | None = None
        self._first_waiting: float | None = None
        self._read_at = 0.0
        self._sealed_at = workshop.monotonic() if state.time else float("-inf")
        self._heard = workshop.monotonic()
        self._looked = float("-inf")
        self._doubted = False
        self._tell()

    def close(self) -> None:
        """Let go; nothing is written."""
        if self._archive is not None:
            self._archive.close()
        self._seal.close()
        self._close_reader()

    def run(self, stop: threading.Event) -> None:
        """See `Partition.run`."""
        pause = RETRIES[0]
        if self._witnessed:
            self._renew()  # nothing new is signed before it is known what the witnesses say of the state
        while not stop.is_set():
            try:
                self.step(IDLE_READ)
                pause = RETRIES[0]
            except LogUnavailable as error:
                self._close_reader()
                self._hold(str(error))
                if self._shop.monotonic() - self._sealed_at >= IDLE_SEAL:
                    self._renew()  # what is sealed stays vouched for; what waits cannot be confirmed now
                stop.wait(pause)
                pause = min(2 * pause, RETRIES[1])
        self.finish()

    def step(self, wait: float) -> None:
        """Read some, for `wait` seconds at most; seal and archive what is due.

        Raises:
            LogUnavailable: the log does not answer; everything is as it was.
            TopicChanged, NotaryRefuses, ObjectsUnavailable: the session has ended.
        """
        if self._archive is None or not self._archive.full:
            self._take(wait)
        now = self._shop.monotonic()
        if self._due(now) or self._payload_lost:
            self._seal_now()  # the alarm is in the state before the archive has passed over what it tells
        if self._archive is not None:
            self._archive.archive(self._seal, now)
            self._status.archived = self._seal.state.archived

    def finish(self) -> None:
        """Seal and archive what the log holds now, and nothing that comes later.

        Raises:
            LogUnavailable, NotaryRefuses, ObjectsUnavailable: not all of it is sealed. LogUnavailable, too, when the
                log says for END_SECONDS that it has more, and hands nothing out.
        """
        now = self._shop.monotonic()
        self._shop.confirm(now)
        self._look(self._open_reader(), now)
        end = self._status.end
        position = self._position
        while self._position < end:
            self.step(IDLE_READ)
            if self._position > position or (self._archive is not None and self._archive.full):
                position, now = self._position, self._shop.monotonic()
            elif self._shop.monotonic() - now >= END_SECONDS:
                raise LogUnavailable(
                    f"nothing comes from offset {position}, before {end}: told to end, it is left"
                )
        if self._seal.pending or self._seal.published < self._seal.size:
            self._seal_now()
        while self._archive is not None and self._archive.archive(
            self._seal, self._shop.monotonic(), flush=True
        ):
            self._status.archived = self._seal.state.archived

    # -- reading ---------------------------------------------------------------------------------------

    def _take(self, wait: float) -> None:
        """The next entries of the log, as leaves."""
        if self._position < self._gone_until:
            self._pass_over()
            return
        reader = self._open_reader()
        now = self._shop.monotonic()
        if now - self._looked >= LOOK:
            self._look(reader, now)
            if self._position < self._gone_until:
                return
        try:
            entries = reader.read(self._number, self._position, READ_BYTES, wait)
        except OffsetGone:
            self._look(reader, now)
            return
        if not entries:
            if self._status.end == self._position:
                self._status.caught_up = self._shop.clock() // 1_000_000
            return
        self._read_at = self._heard = self._shop.monotonic()
        self._doubted, self._partition.cut = False, None
        if entries[0].offset > self._position:
            self._gone(entries[0].offset, head=False)
            return
        self._taken(entries)

    def _look(self, reader: LogReader, now: float) -> None:
        """Where the log begins and ends, against what was read and sealed."""
        first, end = reader.bounds(self._number)
        self._looked = now
        self._status.end = end
        if first > self._position:
            self._gone(first, head=True)
        elif end < max(self._position, self._seal.state.size):
            self._cut(end)
        elif end == self._position:
            self._doubted, self._partition.cut = False, None
            self._heard, self._status.held = now, ""
            # Seen to the end: what no journal has said up to now is missing.
            self._watch.tick(self._shop.clock() // 1_000_000)
        elif now - self._heard > PATIENCE:
            self._heard = now
            self._watch.alarm(
                "unreadable",
                f"the log has offsets up to {end - 1} and does not hand them out",
                self._position,
                at_once=True,
            )
            self._hold(f"nothing comes from offset {self._position}, before {end}")

    def _cut(self, end: int) -> None:
        """The log ends before what was read: raises, so that nothing of that is sealed."""
        said = f"the log ends at {end}; {self._seal.state.size} leaves are sealed, and {self._position} were read"
        if not self._doubted and self._partition.cut is None:
            # Looked at once more: right after a change of leaders the end may be told too low.
            self._doubted = True
            raise LogUnavailable(said)
        if self._partition.cut != end:
            self._partition.cut = end
            self._watch.alarm("tail", said, end, at_once=True)
        raise LogCut(said)

    def _taken(self, records: list[LogEntry]) -> None:
        """Records from the position on; those behind a gap are read again, after the gap."""
        position = self._position
        count = next(
            (at for at, record in enumerate(records) if record.offset != position + at), len(records)
        )
        known = min(max(0, self._seal.size - position), count)
        for record in records[:known]:
            self._known(record)
        if fresh := records[known:count]:
            self._fresh(fresh)
        self._position = position + count
        self._status.end = max(self._status.end, self._position)
        self._status.held = ""

    def _fresh(self, records: list[LogEntry]) -> None:
        """Records of offsets that no leaf has yet."""
        taken = self._intake.take(records)
        if self._status.oldest is None:
            self._status.oldest = records[0].timestamp
        self._status.holes += taken.holes
        if self._archive is not None:
            logged = [record.timestamp for record in records]
            self._archive.add_all(records[0].offset, logged, taken.entries, taken.payloads, taken.leaves)
        self._append(taken.entries, taken.leaves)

    def _known(self, record: LogEntry) -> None:
        """A record of an offset that has a leaf: the archive gets what is sealed."""
        leaf = entry_of(record.value, self._shop.topic, self._number, record.offset)
        payload = b"" if leaf.record is None else leaf.record.payload
        entry, payload = self._as_sealed(record.offset, leaf.entry, payload)
        self._archived(record.offset, record.timestamp, entry, payload)

    def _append(self, entries: list[bytes], leaves: list[bytes] | None = None) -> None:
        if entries and self._first_waiting is None:
            self._first_waiting = self._shop.monotonic()
        self._seal.append(entries, leaves)

    def _as_sealed(self, offset: int, entry: bytes, payload: bytes) -> tuple[bytes, bytes]:
        """What the archive gets of an offset that is sealed: the tree's entry, whatever the log says now."""
        sealed = next(self._again)
        if entry == sealed:
            return entry, payload
        said = "the log has another entry than the one that was sealed: it was cut or restored, and written again"
        self._watch.alarm("rewritten", said, offset)
        return sealed, b""

    def _archived(self, offset: int, logged: int | None, entry: bytes, payload: bytes) -> None:
        if self._archive is not None and offset >= self._archive.next:
            self._archive.add(offset, logged, entry, payload)

    def _gone(self, end: int, *, head: bool) -> None:
        self._gone_until, self._payload_told = end, False
        start = max(self._position, self._seal.size)
        if start < end:
            self._watch.gone(start, end, head=head)

    def _pass_over(self) -> None:
        """Offsets that the log does not have: of sealed ones the archive gets what the tree has, others are holes."""
        leaves: list[bytes] = []
        sealed = self._seal.size
        for offset in range(self._position, min(self._gone_until, self._position + GONE_AT_ONCE)):
            if offset < sealed:
                entry = next(self._again)
                self._unarchived(offset, entry)
            else:
                entry = self._left_over(offset)
                leaves.append(entry)
            self._archived(offset, None, entry, b"")
            self._position = offset + 1
        self._append(leaves)

    def _unarchived(self, offset: int, entry: bytes) -> None:
        """The log has lost a sealed offset: an alarm, once a gap, when its payload went with it."""
        archive = self._archive
        if archive is None or offset < archive.next or self._payload_told or not has_payload(entry):
            return
        self._payload_told = self._payload_lost = True
        said = (
            f"offsets up to {self._gone_until - 1} were gone before they were archived: what is sealed of them stays, "
            "and from here on the archive has no payloads of them"
        )
        self._watch.alarm("head", said, offset)

    def _left_over(self, offset: int) -> bytes:
        """The entry that a dead session wrote there, which its files will not give up; else a hole."""
        raw = self._seal.left(offset) if self._left else None
        if raw is not None:
            self._watch.left(offset, raw)
            return raw
        self._left = False  # they are without a gap: behind the first that is not there is none
        self._status.holes += 1
        return hole_at(Hole.GONE, self._shop.topic, self._number, offset).entry

    # -- sealing ---------------------------------------------------------------------------------------

    def _due(self, now: float) -> bool:
        seal, settings = self._seal, self._shop.settings
        if self._first_waiting is not None:
            return (
                now - self._first_waiting >= settings.seal_seconds
                or seal.pending >= MOST_PENDING
                or seal.pending_bytes >= MOST_PENDING_BYTES
            )
        # A checkpoint that lacks its witnesses is shown to them again sooner.
        return now - self._sealed_at >= (settings.seal_seconds if seal.published < seal.size else IDLE_SEAL)

    def _seal_now(self) -> None:
        """The topic is asked for once more: of one that was made again nothing may get into this tree."""
        if self._seal.pending or self._watch.untold.fresh:
            self._shop.confirm(self._read_at)
        self._vouched(lambda: self._seal.seal(self._watch.state()))
        self._watch.untold.sealed()
        self._first_waiting, self._status.oldest, self._payload_lost = None, None, False
        self._tell()

    def _renew(self) -> None:
        """The state's time and the cosignatures alone: what was read goes on waiting."""
        self._vouched(self._seal.renew)
        self._tell()

    def _vouched(self, seal: Callable[[], Sealed]) -> None:
        """Seal, and say what the witnesses say.

        Raises:
            WitnessContradicts: they leave nothing that may be published; as `Seal` besides.
        """
        try:
            sealed = seal()
        except WitnessContradicts as error:
            self._contradict(str(error))
            raise
        self._sealed_at = self._shop.monotonic()
        self._status.missing = sealed.missing
        self._status.witness_failures += len(sealed.missing)
        for reason in sealed.news:
            self._say.warning("a witness does not vouch", reason=reason)
        self._contradict("; ".join(sealed.contradict))

    def _contradict(self, said: str) -> None:
        """An alarm, once until they say something else: nothing proves what a witness says, and somebody must look."""
        if said and not self._partition.contradicted:
            self._watch.alarm("witness", said, self._seal.published, at_once=True)
        self._partition.contradicted = bool(said)

    def _tell(self) -> None:
        """What others read."""
        status, state, journals = self._status, self._seal.state, self._watch.journals
        status.size, status.published, status.sealed = state.size, self._seal.published, state.time
        status.archived = state.archived
        status.duplicates = journals.duplicates
        for note in journals.notes:
            status.unclean += 1
            self._say.info(note.what, message=note.message, journal=note.journal, offset=note.offset)
        journals.notes.clear()

    def _hold(self, reason: str) -> None:
        if self._status.held != reason:
            self._say.warning("nothing is sealed now; trying again", reason=reason)
        self._status.held = reason

    # -- what is there ---------------------------------------------------------------------------------

    def _sealed_entries(self, start: int, end: int) -> Iterator[bytes]:
        """Entries of the tree, a bundle at a time."""
        prefix, objects = f"{self._seal.tree.prefix}/", self._shop.objects

        def fetch(path: str) -> bytes | None:
            stored = objects.get(prefix + path)
            return None if stored is None else stored.content

        for number in range(start // WIDTH, -(-end // WIDTH)):
            first = number * WIDTH
            entries = read_bundle(fetch, Bundle(number, min(WIDTH, end - first)))
            yield from entries[max(0, start - first) :]

    def _open_reader(self) -> LogReader:
        if self._reader is None:
            self._reader = self._shop.log.reader()
        return self._reader

    def _close_reader(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None:
            try:
                reader.close()
            except LogError:
                return  # it was let go because it does not answer
