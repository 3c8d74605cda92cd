"""From the log's entries to outcomes: answers of the services that are looked at, and labels. No I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from audit.labels import Label, is_label, read_label
from audit.log.base import LogEntry
from audit.proof.encryption import NoKey
from audit.proof.entry import Entry, Key, Kind, Protocol, parse_entry
from audit.proof.errors import FormatError
from audit.proof.record import Record, split_record
from monitoring.groups import Attribute, attributes_of
from monitoring.panes import SLOTS, Of
from monitoring.read import Block, BlockReader, External, HeadReader, Heads, Packages, Profile
from monitoring.read.heads import Whose
from registry.policy import ServicePolicy

from .block import Answers
from .join import Outcomes
from .matched import Fits
from .task import Task

_OK: Final = 200
_LATEST_MS: Final = 1 << 53
"""Log times beyond are no times."""
_LATEST_NS: Final = (1 << 63) - 1
_AHEAD: Final = 86_400 * 10**9
"""ns that the clock of whoever says a label may be ahead of this machine's."""
UNREAD: Final = ("unreadable", "no key", "ahead")
"""Why a label is not taken: it is none, it is encrypted with a key that is not here, or it was known a day from now."""
_INFERENCE, _EXPLAIN = int(Kind.INFERENCE), int(Protocol.V1_EXPLAIN)


class Reading:
    """Takes entries of any partitions, in any order, and as often as they come: see `Outcomes`. For one thread."""

    def __init__(
        self,
        policies: Mapping[str, ServicePolicy],
        packages: Packages,
        window: int,
        external: External | None = None,
        *,
        clock: Callable[[], int],
    ) -> None:
        """Nothing is read yet.

        Args:
            policies: of the services that are looked at.
            packages: where profiles are had.
            window: ns that answers wait for their labels.
            external: what the object store has under a digest.
            clock: ms since 1970 UTC. No log time that is ahead of it is believed: what is now would lie ahead, too, and
                everything that was asked until then would look old.
        """
        self._clock: Final = clock
        self._policies: Final = policies
        self._packages: Final = packages
        self._heads: Final = HeadReader()
        self._blocks: Final = BlockReader(external)
        self.outcomes: Final = {service: Outcomes(service, window=window) for service in policies}
        self.newest_ms = 0
        """The log's newest time, ms since 1970 UTC; never ahead of this machine's clock."""
        self.unreadable: Final[Counter[tuple[str, str]]] = Counter()
        """Labels that are none: by service (empty: none that is looked at) and reason."""
        self.unlooked: Final[dict[Of, Mapping[str, str]]] = {}
        """Of packages whose answers were met: attributes of the policy that are not looked at → why."""

    def take(self, entries: Sequence[LogEntry]) -> None:
        """The next ones.

        Raises:
            StoreUnavailable: a package cannot be had now; nothing of them was taken.
            LogUnavailable: the object store, or the governance log, does not answer now. Take them again: what was
                taken already is not taken twice.
        """
        if not entries:
            return
        self._blocks.opener.look_again()
        heads, now = self._heads.read(entries), self._clock()
        profiles = self._profiles(heads.who)
        for at, profile in profiles.items():
            self._answers(entries, heads, at, profile, now)
        for place in np.flatnonzero(heads.kind == 0).tolist():
            if place not in heads.unreadable:
                self._label(entries[place], now)
        times = (_time(entry) for at, entry in enumerate(entries) if at not in heads.unreadable)
        self.newest_ms = max(self.newest_ms, min(now, max(times, default=0)))

    def unmatched(self, service: str, fits: Fits) -> dict[str, int]:
        """Labels of a service that are in no figure, by reason: of those that are kept, and since reading began."""
        outcomes = self.outcomes[service]
        found = {reason.replace("_", " "): count for reason, count in fits._asdict().items()}
        found |= {"repeated": outcomes.repeated, "dropped": outcomes.dropped[1]}
        return found | {reason: self.unreadable[service, reason] for reason in UNREAD}

    def _profiles(self, who: Sequence[Whose]) -> dict[int, Profile]:
        """Place in `who` → whose answers are looked at."""
        looked_at = {
            at: (service, f"sha256:{digest.hex()}")
            for at, (service, digest, slot) in enumerate(who)
            if service in self._policies and digest is not None and slot < len(SLOTS)
        }
        found = self._packages.several(list(looked_at.values()))
        return {at: profile for at, profile in zip(looked_at, found, strict=True) if profile is not None}

    def _answers(
        self, entries: Sequence[LogEntry], heads: Heads, whose: int, profile: Profile, now: int
    ) -> None:
        service, _, slot = heads.who[whose]
        places = np.flatnonzero(
            (heads.whose == whose)
            & (heads.kind == _INFERENCE)
            & (heads.status == _OK)
            & (heads.protocol != _EXPLAIN)
        )
        package = Of(service, profile.digest, SLOTS[slot])
        attributes = self._attributes(package, profile)
        for found in self._blocks.read(heads, places, profile):
            # What cannot be counted is told by the monitor's panes, once.
            if isinstance(found, Block):
                answers = _answers_of(entries, heads, found, now)
                self.outcomes[service].predict(package, Task.of(profile.signature), answers, attributes)

    def _attributes(self, package: Of, profile: Profile) -> tuple[Attribute, ...]:
        fair = self._policies[package.service].live_fairness
        if fair is None:
            return ()
        found, self.unlooked[package] = attributes_of(profile.signature, fair.attributes)
        return found

    def _label(self, logged: LogEntry, now: int) -> None:
        entry, payload = _entry(logged)
        if not is_label(entry):
            return
        try:
            label = self._blocks.opener.open(
                lambda keys: read_label(Record(entry, payload), _time(logged), keys)
            )
        except (FormatError, NoKey) as error:
            self._unreadable(entry, "no key" if isinstance(error, NoKey) else "unreadable")
            return
        if label.known_ns > now * 1_000_000 + _AHEAD:
            self._unreadable(
                entry, "ahead"
            )  # as where the log's clock is right: no other could ever correct it
            return
        for each in self._told(label):
            each.say(label)

    def _unreadable(self, entry: Entry, reason: str) -> None:
        service = entry.get(Key.SERVICE) or ""
        self.unreadable[service if service in self._policies else "", reason] += 1

    def _told(self, label: Label) -> Iterable[Outcomes]:
        """A label of kind 9 may name no service: whoever has its record takes it."""
        if not label.service:
            return self.outcomes.values()
        return [each for service, each in self.outcomes.items() if service == label.service]


def _time(logged: LogEntry) -> int:
    return logged.timestamp if logged.timestamp <= _LATEST_MS else 0


def _entry(logged: LogEntry) -> tuple[Entry, bytes]:
    assert logged.value is not None
    entry, payload = split_record(logged.value)
    return parse_entry(entry), payload


def _answers_of(entries: Sequence[LogEntry], heads: Heads, block: Block, now: int) -> Answers:
    places: NDArray[np.int64] = block.places
    fields = [_entry(entries[at])[0].fields for at in places.tolist()]
    return Answers(
        [heads.journal[at].tobytes() for at in places.tolist()],
        heads.sequence[places],
        np.array([min(each[Key.ARRIVED], _LATEST_NS) for each in fields], np.int64),
        [each.get(Key.REQUEST_ID) for each in fields],
        block.rows,
        block.scores,
        min(now, max(_time(entries[at]) for at in places.tolist())),
        block.inputs,
    )
