"""Processes that count a log, without judging: `python -m tests.components.counting affiant.toml`, until it is killed.

What they count stands in their store; packages are those of [store], whoever named them. With a number of deaths (and a
seed) behind the settings, children do it, each of which dies at an instant of its own, and the last one lives until all
is counted.
"""

from __future__ import annotations

import os
import random
import signal
import sys
from contextlib import closing
from pathlib import Path

from audit.config import Config, load
from audit.log import configured_log
from audit.log.kafka import KafkaLog
from monitoring import consume, consume_kafka
from monitoring.consume import Following, LocalFollowing
from monitoring.consume_kafka import KafkaFollowing
from monitoring.read import StorePackages
from monitoring.settings import MonitorSettings
from monitoring.state_topic import state_log
from registry.stores import configured_store

_SOON_MS = 6000
"""The soonest that a broker takes a silent member for dead."""
_LITTLE = 60_000
"""Bytes that are read at once: so few that a life has many panes to keep."""


def following_of(config: Config) -> Following:
    """As the settings say."""
    packages = StorePackages(configured_store(config))
    log, state = configured_log(config, create=False), state_log(config)
    if state is None:
        size = config.section("monitor", MonitorSettings).pane_records
        return LocalFollowing(log, config.data / "monitor", size, packages, _nobody)
    assert isinstance(log, KafkaLog)
    return KafkaFollowing(log, state, config, packages, _nobody)


def _nobody(panes: object) -> None:
    """Nobody judges here."""


def count(config: Config, *, to_the_end: bool = False) -> None:
    """Count on; to the end of the log, or for ever."""
    with closing(following_of(config)) as following:
        while True:
            following.step(0.1)
            standings = following.standings()
            if to_the_end and standings and all(each.position == each.end for each in standings.values()):
                return


def die_and_count(config: Config, deaths: int, seed: int) -> None:
    """So many children, one after another, that die after an instant of their own time: whatever they are at."""
    chance = random.Random(seed)
    for _ in range(deaths):
        child = os.fork()
        if not child:
            # Nobody handles the signal: the process is gone at that instruction, as by SIGKILL.
            signal.setitimer(signal.ITIMER_VIRTUAL, chance.uniform(0.002, 0.06))
            count(config)
        _, status = os.waitpid(child, 0)
        assert os.WTERMSIG(status) == signal.SIGVTALRM
        chance.random()
    count(config, to_the_end=True)


def main() -> None:
    """See above."""
    consume._BYTES = _LITTLE  # type: ignore[misc]
    consume_kafka._SESSION_MS = _SOON_MS  # type: ignore[misc]
    config = load(Path(sys.argv[1]))
    if len(sys.argv) > 2:
        die_and_count(config, int(sys.argv[2]), int(sys.argv[3]))
    else:
        count(config)


if __name__ == "__main__":
    main()
