"""Which tests may run at the same time, when pytest-xdist runs them in two processes (`make test`).

One process has every test that shares the session's components, in its order: each is started once. The other has
those that start gateways and whole sites of their own. What is left needs neither, and goes file by file to whichever
process is free. So there is one broker and one MLflow, and no two fault tests of one kind meet.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import pytest
from xdist.scheduler import LoadFileScheduling

HEAVY: Final = frozenset({"kafka_broker", "mlflow_server"})
"""Components of the session (tests/components/fixtures.py) of which there is to be one. Of the small ones (an S3
server, a registry) each process may have its own: each has a port and a folder of its own.
"""

_SHARING: Final = "what shares the session's components"
_ALONE: Final = "what starts all that it needs"
_FIRST: Final = (
    _SHARING,
    _ALONE,
)  # these are long: what is left fills up the process that is done with its own

# The first prefix that fits decides. The two are about equally long.
_LANES: Final = (
    ("tests/integration/test_demo", _ALONE),
    ("tests/integration/test_gateway_process.py", _ALONE),
    ("tests/integration/test_up.py", _ALONE),
    ("tests/fault/gateway/", _ALONE),
    ("tests/fault/rollback/", _ALONE),
    ("tests/fault/upgrade/", _ALONE),
    ("tests/fault/test_mutations_", None),
    ("tests/fault/archive/", None),
    ("tests/fault/attacks/", None),
    ("tests/fault/disk/", None),
    ("tests/browser/", _SHARING),
    ("tests/deploy/", _SHARING),
    ("tests/fault/", _SHARING),
    ("tests/integration/", _SHARING),
)


def lane(nodeid: str) -> str:
    """What of the tests is run by one process after another: the name of a lane, or the test's own file.

    A test that uses one of `HEAVY` MUST be in the lane of those that do (`misplaced`).
    """
    file = nodeid.partition("::")[0]
    return next((name for prefix, name in _LANES if file.startswith(prefix)), None) or file


def place(nodeid: str) -> int:
    """Where in the order of the session the test's lane comes; equal for all that goes file by file."""
    name = lane(nodeid)
    return _FIRST.index(name) if name in _FIRST else len(_FIRST)


def misplaced(nodeid: str, fixtures: Collection[str]) -> str | None:
    """Why a test cannot stand where it does: a second process would start the component too. None when it can."""
    shared = sorted(HEAVY.intersection(fixtures))
    if not shared or lane(nodeid) == _SHARING:
        return None
    return f"{nodeid} uses {', '.join(shared)}: add its file to `_LANES` of tests/components/lanes.py"


class Lanes(LoadFileScheduling):  # type: ignore[misc]  # xdist ships no types
    """Hands the tests out by their lanes."""

    def __init__(self, config: pytest.Config, log: object = None) -> None:
        # The workers have put their tests in order (tests/conftest.py); not by the number of tests in each.
        config.option.loadscopereorder = False
        super().__init__(config, log)

    def _split_scope(self, nodeid: str) -> str:
        return lane(nodeid)
