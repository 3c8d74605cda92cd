"""Rounds in one chain: without drift nothing is rolled back, nor counted twice; with drift it is, once, rightly."""

from __future__ import annotations

import json
import random
import uuid
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, Final

from audit.config import Config, load
from audit.log import configured_log
from cli.monitor import configured_governing, configured_monitor
from monitoring.batch import panes_of
from monitoring.panes.codec import encode_pane
from monitoring.read import StorePackages
from monitoring.state_topic import create_state_topic, state_log
from monitoring.store.feed import KafkaFeed
from registry.stores import configured_store
from tests.components.chain import PANE, PARTITIONS, Chain
from tests.fault.rollback.kills import Hand, Jump, Kill

SHIFT: Final = 4.0
"""Standard deviations by which all that is asked moves."""
ENOUGH: Final = 600
"""Rows of a package that were judged before its input breaks: more than the policy's minimum."""
SETTLED: Final = 50
"""Answers of the version before, one after another, from all clients."""


@dataclass
class Told:
    """What came of a round."""

    kind: str
    killed: list[str] = field(default_factory=list)
    """Parts, in their order."""
    seconds: float | None = None
    """From the first drifted request to the last answer of the version that was left; None: a calm round."""
    void: int = 0
    """Rollbacks that were signed and count for nothing: another controller's came first, or a clock was wrong."""
    ended: list[str] = field(default_factory=list)
    """Parts that ended by themselves."""


class Campaign:
    """One round after another, in a chain that runs."""

    def __init__(self, chain: Chain, seed: int, deadline_s: float) -> None:
        """`deadline_s`: how late a rollback may be before it is missed."""
        self.chain: Final = chain
        self.chance: Final = random.Random(seed)
        self._deadline_s: Final = deadline_s
        self._next = 1

    def begin(self) -> str:
        """The next version answers, and enough of what it was asked in peace was judged."""
        chain = self.chain
        digest = chain.versions[self._next]
        self._next += 1
        chain.asking.mend()
        chain.deploy(digest)
        chain.asking.go_on()
        chain.wait(lambda: self._judged(digest) >= ENOUGH, what=f"{ENOUGH} rows of {digest}")
        return digest

    def calm(self, planned: Sequence[Kill | Jump], rows: int) -> Told:
        """Nothing drifts, whoever is killed; so many rows more are asked, at least."""
        chain = self.chain
        before, goal = chain.events(), chain.asking.answered.total() + rows
        hand = Hand(chain, self.chance, planned)
        chain.wait(
            lambda: hand.step() and chain.asking.answered.total() >= goal, what="the end of the kills",
            deadline_s=self._deadline_s,
        )  # fmt: skip
        chain.wait(chain.ready, what="all to be ready")
        counted_once(chain)
        assert chain.events() == before, "nothing has drifted, and something was done"
        return Told("calm", [each for _, each in hand.killed], ended=hand.ended)

    def drift(self, kind: str, left: str, planned: Sequence[Kill | Jump]) -> Told:
        """What the version that is live is asked breaks, and meanwhile they are killed."""
        chain, asking, to = self.chain, self.chain.asking, self.chain.versions[0]
        before = chain.events()
        last = next(each for each in reversed(before) if each.void is None)
        assert (last.content.live, last.role) == (left, "deploy"), (
            "something was done before anything drifted"
        )
        hand = Hand(chain, self.chance, planned)
        asking.shift = SHIFT
        chain.wait(
            lambda: hand.step() and asking.after(to) >= SETTLED, what=f"{to} to come back",
            deadline_s=self._deadline_s,
        )  # fmt: skip
        assert asking.broken is not None
        seconds = asking.last[left] - asking.broken
        asking.mend()
        chain.wait(chain.ready, what="all to be ready")
        new = chain.events()[len(before) :]
        counted = [each for each in new if each.void is None]
        did = [(each.content.action, each.role, each.content.live) for each in counted]
        assert did == [("rollback", "controller", to)]
        done = chain.recompute(counted[0].offset)
        assert (done.code, done.json["right"]) == (0, True), done
        return Told(kind, [each for _, each in hand.killed], seconds, len(new) - 1, hand.ended)

    def _judged(self, digest: str) -> int:
        """Rows of the window; a page among what was asked in peace is an error."""
        found = self.chain.figures()
        if found is None or found["digest"] != digest:
            return 0
        assert "page" not in found["alarms"].values(), found
        return int(found["window_rows"])


def counted_once(chain: Chain) -> None:
    """The panes that are kept, and all that is said of them, are those of a log that one monitor counts at once.

    Raises:
        AssertionError: a record is missing, or was counted twice.
    """
    chain.asking.pause()
    chain.wait(chain.shipped, what="all that was answered to be in the log")
    chain.wait(lambda: chain.leader() is not None, what="a monitor that judges")
    config = alone(chain)
    log, (state, ours) = configured_log(config, create=False), map(state_log, (config, chain.loaded))
    assert state is not None
    assert ours is not None
    create_state_topic(state)
    with closing(log.reader()) as reader:
        whole = {each: reader.bounds(each)[1] // PANE for each in range(PARTITIONS)}
        packages = StorePackages(configured_store(config), None)
        wanted = {
            (partition, pane.number): {encode_pane(pane)}
            for partition, count in whole.items()
            for pane in panes_of(reader, partition, 0, count * PANE, packages, {}, size=PANE)
        }
    kept: dict[tuple[int, int], set[bytes]] = {}

    def all_kept() -> bool:
        for each in feed.poll(0.2):
            kept.setdefault((each.partition, each.number), set()).add(encode_pane(each))
        return kept.keys() >= wanted.keys()

    with closing(KafkaFeed(ours, config, log.topic().id, PANE)) as feed:
        chain.wait(all_kept, what="all panes")
    assert kept == wanted
    figures = figures_of(chain, config, sum(whole.values()))
    chain.wait(lambda: chain.figures() == figures, what="the same figures")
    asked = chain.asking.answered[figures["digest"]]
    assert asked - 2 * PANE * PARTITIONS <= figures["rows"] <= asked + SETTLED


def alone(chain: Chain) -> Config:
    """Settings of a monitor whose group and panes are its own."""
    text = chain.house.file("affiant.toml").read_text()
    path = chain.house.file(f"alone-{uuid.uuid4().hex[:8]}.toml")
    for old in ("panes-", "monitors-"):
        assert text.count(old) == 1
        text = text.replace(old, f"{path.stem}-")
    path.write_text(text)
    return load(path)


def figures_of(chain: Chain, config: Config, panes: int) -> dict[str, Any]:
    """What one monitor says of what is live once it has judged all panes of the log, from its beginning."""
    with closing(configured_monitor(config, configured_governing(config))) as monitor:

        def judged() -> bool:
            monitor.step()
            return monitor.judged == panes

        chain.wait(judged, what="every pane to be judged once more")
        (found,) = monitor.figures()
        return dict(json.loads(json.dumps(found)))
