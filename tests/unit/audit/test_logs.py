"""What a log line MUST NOT have."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import structlog
from audit.logs import configure
configure({form!r})
def answer(body, headers):
    reply = body * 2
    raise RuntimeError("the model went away")
try:
    answer(*{given!r})
except RuntimeError:
    structlog.get_logger("affiant").exception("a prediction failed", service="credit")
"""
GIVEN = ("THE-REQUEST", {"authorization": "Bearer THE-KEY"})


@pytest.mark.parametrize("form", ["text", "json"])
def test_an_exception_tells_no_locals(form: str) -> None:
    """They are bodies, inputs, answers and callers' keys; what was raised, and where, is told."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(form=form, given=GIVEN)],
        capture_output=True,
        text=True,
        check=True,
    )
    said = done.stdout + done.stderr
    assert "a prediction failed" in said
    assert "the model went away" in said
    assert "in answer" in said
    assert "THE-REQUEST" not in said
    assert "THE-KEY" not in said
