"""Where no broker answers, what kafka-python had begun is ended: an outage MUST NOT take threads or descriptors."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.components.brokerless import ASKED, TRIES


@pytest.mark.parametrize("ask", ASKED)
def test_who_finds_no_broker_holds_nothing_afterwards(tmp_path: Path, ask: str) -> None:
    """Asked again and again, as each service does until its brokers are back."""
    argv = [sys.executable, "-m", "tests.components.brokerless", ask, str(tmp_path)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert len(seen["told"]) == TRIES
    assert all("no broker answers there" in each for each in seen["told"])
    assert seen["more"] == []
