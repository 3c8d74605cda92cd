"""How one service stands after the events that count: all that the next event is judged by."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from audit.proof.errors import FormatError
from registry.statement import Said

from .event import Deployment, Placed
from .steps import Rollout, begun, moved


@dataclass(frozen=True, slots=True)
class Event:
    """An event of a service, and whether it counts."""

    offset: int
    logged: int
    """ms since 1970 UTC, by the log's clock."""
    content: Deployment
    person: str
    """Whose key signed it; empty when nobody's who may."""
    role: str
    void: str | None = None
    """Why it changes nothing; None: it counts."""


@dataclass(slots=True)
class Standing:
    """See the module."""

    last: Event | None = None
    """The newest event that counts; None: none does."""
    paused: bool = False
    canaries: tuple[Rollout, ...] = ()
    """See `Deployed.canaries`."""
    lives: list[tuple[int, str]] = field(default_factory=list)
    """From which offset on which digest was live: an item for each change."""
    was_live: set[str] = field(default_factory=set)
    """Each of them."""
    left: dict[str, int] = field(default_factory=dict)
    """What a rollback took off that was live, and was not live again since → the rollback's offset."""
    since: list[int] = field(default_factory=list)
    """The offsets of the newest event that brought a plan of its own, and of those that count after it: of them
    `canaries`, `paused` and `last` come."""
    paused_then: bool = False
    """Whether it was paused before the first of those."""
    refused: dict[tuple[str, bytes], tuple[int, int | None]] = field(default_factory=dict)
    """Author and bytes → offset, and what it follows, of events that do not count and might if they were sent again:
    they are as old as they were."""

    @property
    def plan(self) -> tuple[Placed, ...]:
        """What is to answer; empty when no event counts."""
        return () if self.last is None else tuple(self.last.content.plan)

    @property
    def rollout(self) -> Rollout | None:
        """The canary that moves on by itself; None: there is none, or it is through."""
        return next((each for each in self.canaries if each.alone and each.left), None)

    @property
    def after(self) -> int | None:
        """What the next event must follow."""
        return None if self.last is None else self.last.offset

    def count(self, event: Event) -> None:
        """Take an event that counts."""
        content = event.content
        if content.action == "step" and self.rollout is not None:
            after = moved(self.rollout, event.logged)
            self.canaries = () if after is None else (after,)
        elif content.action not in ("pause", "resume"):
            self.canaries = begun(content, event.logged, event.offset)
            self.since, self.paused_then = [], self.paused
        self.last = event
        if not self.lives or self.lives[-1][1] != content.live:
            if self.lives and content.action == "rollback":
                self.left[self.lives[-1][1]] = event.offset
            self.left.pop(content.live, None)
            self.lives.append((event.offset, content.live))
            self.was_live.add(content.live)
        self.paused = content.action == "pause" or (self.paused and content.action == "rollback")
        self.since.append(event.offset)
        self.refused = {name: each for name, each in self.refused.items() if self._may_follow(*each)}

    def refuse(self, said: Said, after: int | None) -> None:
        """Take an event that does not count. `after`: what it follows."""
        if self._may_follow(said.offset, after):
            self.refused[said.author, said.raw] = said.offset, after

    def _may_follow(self, offset: int, after: int | None) -> bool:
        """Whether the event at `offset` could count now or later, were it sent again: it follows the newest, or one
        that was still to come.
        """
        newest = self.after
        return after == newest or (
            after is not None and after > offset and (newest is None or after > newest)
        )

    def live_at(self, offset: int) -> str | None:
        """What was live before that offset of the log; None: nothing."""
        place = bisect_left(self.lives, (offset, ""))
        return self.lives[place - 1][1] if place else None

    def kept(self) -> dict[str, Any]:
        """As JSON: where to look for what it stands on."""
        digests = sorted(self.was_live)
        places = {digest: place for place, digest in enumerate(digests)}
        return {
            "since": self.since,
            "paused": self.paused_then,
            "digests": digests,
            "starts": [offset for offset, _ in self.lives],
            "lives": [places[digest] for _, digest in self.lives],
            "left": {digest: self.left[digest] for digest in sorted(self.left)},
            "refused": [offset for offset, _ in self.refused.values()],
        }


class KeptStanding(BaseModel):
    """What `Standing.kept` says."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    since: list[int]
    paused: bool
    digests: list[str]
    starts: list[int]
    """From which offsets on …"""
    lives: list[int]
    """… which of the digests was live."""
    left: dict[str, int]
    """Which of them a rollback has left, and where."""
    refused: list[int]

    def begin(self) -> Standing:
        """As it was before the first event of `since`. Raises FormatError."""
        first = self.since[0] if self.since else 0
        if len(self.starts) != len(self.lives) or not all(0 <= at < len(self.digests) for at in self.lives):
            raise FormatError("standing: there is no such digest")
        if not self.left.keys() <= set(self.digests):
            raise FormatError("standing: what was left was never live")
        lives = [
            (start, self.digests[at])
            for start, at in zip(self.starts, self.lives, strict=True)
            if start < first
        ]
        # Those that an event of `since` has left are left again when it is taken.
        left = {digest: offset for digest, offset in self.left.items() if offset < first}
        return Standing(paused=self.paused, lives=lives, was_live={digest for _, digest in lives}, left=left)


def standings(kept: object) -> dict[str, KeptStanding]:
    """Service → what was kept of it.

    Raises:
        FormatError: it is not of that form.
    """
    try:
        return _KEPT.validate_python(kept)
    except ValidationError as error:
        raise FormatError("standing: not what was kept") from error


_KEPT: Final = TypeAdapter(dict[str, KeptStanding])
