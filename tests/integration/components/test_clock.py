"""The clock that fault tests put wrong: a process sees it jump, and its monotonic clock does not."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from tests.components.clock import Clock

ROOT = Path(__file__).resolve().parents[3]
TELLS = """
import sys, time

taken = time.time  # as a default argument takes it
for _ in sys.stdin:
    print(taken(), time.time_ns() / 1e9, time.monotonic(), *sys.argv[1:], flush=True)
"""


def test_a_process_sees_its_clock_jump_and_be_put_right(tmp_path: Path) -> None:
    """Ahead, behind, and right again, while it runs."""
    (tmp_path / "tells.py").write_text(TELLS)
    clock = Clock(tmp_path / "clock")
    argv = [sys.executable, "-m", "tests.components.clock", str(tmp_path / "clock"), "tells", "--config", "x"]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for ahead in (0.0, 7200.0, -7200.0, 0.0):
            clock.ahead = ahead
            before, monotonic = time.time(), time.monotonic()
            process.stdin.write("\n")
            process.stdin.flush()
            said, said_ns, passed, *rest = process.stdout.readline().split()
            after = time.time()
            assert before <= float(said) - ahead <= after
            assert before <= float(said_ns) - ahead <= after
            assert monotonic <= float(passed) <= time.monotonic()
            assert rest == ["--config", "x"]
        process.stdin.close()
    assert process.returncode == 0
