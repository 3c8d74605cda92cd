"""Looks, once a second, at what the notary has published, and takes every journal as far as it is sealed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

import structlog

from audit.errors import JournalError, KeyRefused, NoSuchRecord, NotSealed, ObjectsUnavailable
from audit.proof.entry import parse_entry, parse_record_id
from audit.proof.errors import FormatError, NotProved
from audit.proof.receipt import verify_receipt
from audit.trees import Trees

from .barrier import Contradiction
from .leaves import Leaves, SealedLeaves
from .route import RouteBroken, read_route
from .sealed import SealedJournal

LOOK_SECONDS: Final = 1.0


class _Place(NamedTuple):
    """Which tree a journal is sealed in."""

    topic: bytes
    partition: int


@dataclass(slots=True)
class _Followed:
    """A journal, and the durable sequence that it shows."""

    seal: SealedJournal
    durable: Callable[[], int]
    start: int = 0
    place: _Place | None = None
    trouble: str | None = None
    """Told last, so that it is told once."""


class SealWatch:
    """All journals of the sidecar. `look` is called by one thread; `receipt` by any."""

    def __init__(self, trees: Trees) -> None:
        self._trees = trees
        self._journals: dict[bytes, _Followed] = {}
        self._leaves: dict[_Place, SealedLeaves] = {}
        self._say = structlog.get_logger("sidecar")

    def add(self, seal: SealedJournal, durable: Callable[[], int]) -> None:
        """Follow a journal, too. `durable` tells its next durable sequence."""
        self._journals[seal.journal] = _Followed(seal, durable)

    def run(self, stop: threading.Event) -> None:
        """Look until told to end."""
        while not stop.wait(LOOK_SECONDS):
            self.look()

    def close(self) -> None:
        """Let go of the journals."""
        for followed in list(self._journals.values()):
            followed.seal.close()

    def look(self) -> None:
        """One look at every tree. Whatever goes wrong is told, once, and frees nothing."""
        for place, journals in self._groups().items():
            try:
                self._look_at(place, journals)
            except NotSealed:
                continue  # the notary has not begun: the age of the oldest record tells for how long
            except (ObjectsUnavailable, KeyRefused) as error:
                for each in journals:
                    self._tell(each, f"nothing is known of what is sealed: {error}")
            except (FormatError, NotProved) as error:
                for each in journals:
                    each.seal.progress.refused += 1
                    each.seal.progress.problem = str(error)
                    self._tell(
                        each, f"alarm: what is published is not believed, nothing is freed by it: {error}"
                    )
            except Exception as error:  # noqa: BLE001 — it is told, with where it came from
                # A thread that ended unseen would be a journal that fills.
                self._unexpected(journals, error)

    def receipt(self, record: str) -> bytes:
        """The receipt of a record under the newest checkpoint: a `.tlog-proof`, verified.

        Raises:
            NoSuchRecord: no journal here has it, or it is so old that its place is not kept any more.
            NotSealed: it is not sealed yet.
            FormatError, NotProved: what the store has does not prove it.
            ObjectsUnavailable, KeyRefused: ask again later.
        """
        try:
            journal, sequence = parse_record_id(record)
        except FormatError as error:
            raise NoSuchRecord(str(error)) from error
        followed = self._journals.get(journal)
        if followed is None or sequence >= followed.durable():
            raise NoSuchRecord(f"no journal here has a record {record}")
        if followed.place is None or sequence >= followed.seal.progress.sequence:
            raise NotSealed(f"record {record} is not sealed yet")
        offset = followed.seal.offsets.get(sequence)
        if offset is None:
            raise NoSuchRecord(f"the place of record {record} is not kept any more: ask the log's auditor")
        tree = self._trees.tree(*followed.place)
        receipt = tree.receipt(offset, tree.published())
        trust = self._trees.trust
        verify_receipt(receipt, tree.tree.key(trust.public_key()), trust.witnesses, trust.quorum)
        if parse_entry(receipt.entry).record_id != record:
            raise NotProved(f"offset {offset} is not where record {record} stands")
        return receipt.encode()

    def _groups(self) -> dict[_Place, list[_Followed]]:
        """Journals that may be followed, by their tree."""
        groups: dict[_Place, list[_Followed]] = {}
        for followed in list(self._journals.values()):
            try:
                place = self._place(followed)
            except (OSError, RouteBroken) as error:
                self._tell(followed, f"nothing is known of where it is sealed: {error}")
            except Exception as error:  # noqa: BLE001 — one journal's trouble is not the others'
                self._unexpected([followed], error)
            else:
                if place is not None:
                    groups.setdefault(place, []).append(followed)
        return groups

    @staticmethod
    def _place(followed: _Followed) -> _Place | None:
        """Where it is sealed; None while it may not be followed, or has no route. Raises OSError, RouteBroken."""
        if not followed.seal.ready:
            return None
        if followed.place is None:
            route = read_route(followed.seal.directory)
            if route is None:
                return None
            followed.place, followed.start = _Place(route.topic_id, route.partition), route.start
        return followed.place

    def _look_at(self, place: _Place, journals: list[_Followed]) -> None:
        leaves = self._leaves.get(place)
        if leaves is None:
            leaves = self._leaves[place] = SealedLeaves(self._trees.tree(*place))
        published = leaves.look()
        start = min(each.seal.begin(each.start, published.size) for each in journals)
        # One that fails stays where it is: it MUST NOT be given what comes after leaves that it has not seen.
        going = list(journals)
        for part in leaves.read(published, start):
            going = [each for each in going if self._take(each, part)]
        for each in going:
            each.seal.progress.problem = each.trouble = None

    def _take(self, followed: _Followed, leaves: Leaves) -> bool:
        try:
            if followed.seal.take(leaves):
                return True
            self._tell(
                followed, "the journal shows less than the log has: waiting for its gateway to recover it"
            )
        except Contradiction as error:
            followed.seal.progress.alarm = str(error)
            self._tell(followed, f"alarm: {error}")
        except (OSError, JournalError, FormatError) as error:
            self._tell(followed, f"a file of the journal or of the sidecar's bookkeeping failed: {error}")
        return False

    def _tell(self, followed: _Followed, trouble: str) -> None:
        if trouble != followed.trouble:
            followed.trouble = trouble
            self._say.error(trouble, journal=followed.seal.journal.hex())

    def _unexpected(self, journals: list[_Followed], error: Exception) -> None:
        """Told with where it came from; once, as the rest."""
        if any(each.trouble != repr(error) for each in journals):
            self._say.error("a look at what is sealed failed in a way that nobody expected", exc_info=error)
        for each in journals:
            each.trouble = repr(error)
