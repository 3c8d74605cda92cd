"""A process that counts a log on until it is killed, without judging: `python -m tests.components.counting affiant.toml`.

What it counts stands in its store; packages are those of [store], whoever named them.
"""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path

from audit.config import Config, load
from audit.log import configured_log
from audit.log.kafka import KafkaLog
from monitoring.consume import Following, LocalFollowing
from monitoring.consume_kafka import KafkaFollowing
from monitoring.read import StorePackages
from monitoring.settings import MonitorSettings
from monitoring.state_topic import state_log
from registry.stores import configured_store


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


def main() -> None:
    """Until it is killed; says so once it is ready to count."""
    with closing(following_of(load(Path(sys.argv[1])))) as following:
        print("counting", flush=True)
        while True:
            following.step(0.1)


if __name__ == "__main__":
    main()



