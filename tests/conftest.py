"""What every test shares: the real components, and the rule that nothing is skipped in silence."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from hypothesis import settings

from tests.components.fixtures import (
    kafka,
    kafka_broker,
    kafka_topic,
    litewitness,
    mlflow_server,
    oci_registry,
    own_kafka,
    own_kafka_cluster,
    own_oci_registry,
    own_s3,
    s3,
    s3_locked,
    s3_server,
    served,
)
from tests.components.lanes import Lanes, misplaced, place

__all__ = [
    "kafka",
    "kafka_broker",
    "kafka_topic",
    "litewitness",
    "mlflow_server",
    "oci_registry",
    "own_kafka",
    "own_kafka_cluster",
    "own_oci_registry",
    "own_s3",
    "s3",
    "s3_locked",
    "s3_server",
    "served",
]

# A shell starts what it runs in the background with SIGINT ignored, and children would inherit that: tests that
# press Ctrl-C would wait for ever.
signal.signal(signal.SIGINT, signal.default_int_handler)

# No timed assertions: how long an example takes says more about the machine than about the code. (Under CI
# hypothesis itself takes its reproducible profile; this one builds on it.)
settings.register_profile("affiant", deadline=None)
settings.load_profile("affiant")


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> Lanes:
    """With `-n 2` (`make test PROCESSES=2`) the tests are handed out by tests/components/lanes.py."""
    return Lanes(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the tests for a GPU where the machine has none (the only thing left out), and see to their lanes."""
    wrong = [why for item in items if (why := misplaced(item.nodeid, getattr(item, "fixturenames", ())))]
    if wrong:
        raise pytest.UsageError("\n".join(wrong))
    if hasattr(config, "workerinput"):  # one of two processes
        items.sort(key=lambda item: place(item.nodeid))
    if Path("/dev/nvidiactl").exists():
        return
    without_device = [item for item in items if item.get_closest_marker("cuda")]
    if without_device:
        config.hook.pytest_deselected(items=without_device)
        items[:] = [item for item in items if not item.get_closest_marker("cuda")]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> object:
    """A skipped test is a failed one: a missing component must be seen (an expected failure stays one)."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, and a skip counts as a failure: {report.longrepr}"
    return report
