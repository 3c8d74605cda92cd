"""What a log line MUST NOT have, and that JSON is the form of every line."""

from __future__ import annotations

import json
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


SERVER = """
import logging, sys, warnings
own = logging.StreamHandler(sys.stdout)
for name, passes_on in (("server", False), ("server.error", True)):
    logging.getLogger(name).addHandler(own)
    logging.getLogger(name).propagate = passes_on
from audit.logs import configure
configure("json")
logging.getLogger("server").error("of its own")
logging.getLogger("server.error").error("passed on")
warnings.warn("of Python")
"""


def test_what_a_server_logs_by_handlers_of_its_own_is_told_once_and_as_json() -> None:
    """BentoML's loggers have some, which write text; Python's warnings go to the error output by themselves."""
    done = subprocess.run([sys.executable, "-c", SERVER], capture_output=True, text=True, check=True)
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(each["event"].partition("\n")[0], each["level"], each["logger"]) for each in told[:2]] == [
        ("of its own", "error", "server"), ("passed on", "error", "server.error"),
    ]  # fmt: skip
    (warned,) = told[2:]
    assert "UserWarning: of Python" in warned["event"]
    assert done.stderr == ""
