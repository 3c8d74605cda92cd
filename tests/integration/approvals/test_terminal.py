"""At a real terminal: what is asked, and what an answer does."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

from registry.approvals.keys import generate
from tests.components.approvals import House

DEADLINE = 60.0


def at_terminal(*arguments: object, answers: list[tuple[str, str]]) -> tuple[int, str]:
    """Run the command at a terminal of its own; when a text has come, its answer is typed."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "cli.main", *map(str, arguments)],
        stdin=theirs, stdout=theirs, stderr=theirs, cwd=Path(__file__).parents[3], start_new_session=True,
        env=os.environ | {"TERM": "dumb", "COLUMNS": "200"},
    )  # fmt: skip
    os.close(theirs)
    said, waiting, end = "", list(answers), time.monotonic() + DEADLINE
    try:
        while time.monotonic() < end:
            if not select.select([ours], [], [], 1.0)[0]:
                continue
            try:
                chunk = os.read(ours, 65536)
            except OSError:  # the other side was closed
                break
            said += chunk.decode(errors="replace")
            if waiting and waiting[0][0] in said:
                os.write(ours, f"{waiting.pop(0)[1]}\n".encode())
        return process.wait(timeout=DEADLINE), said
    finally:
        process.kill()
        process.wait()
        os.close(ours)


@pytest.mark.parametrize(("answer", "code", "added"), [("", 1, 0), ("y", 0, 1)])
def test_a_signature_is_asked_for(judged: House, answer: str, code: int, added: int) -> None:
    """After what will be signed was shown; anything but yes signs nothing."""
    before = judged.board().end
    done, said = at_terminal(
        "approve", judged.digest, "-s", "credit", "-r", "legal", "--rationale", "looked at it", "--key",
        judged.key("dan"), *judged.config, answers=[("[y/N]", answer)],
    )  # fmt: skip
    assert done == code, said
    assert judged.board().end == before + added
    assert said.index("looked at it") < said.index("[y/N]")


def test_a_passphrase_is_typed_unseen(judged: House) -> None:
    """The terminal shows the question and not the answer."""
    judged.key("dan").unlink()
    judged.file("dan.key.pub").unlink()
    generate(judged.key("dan"), "dan", "long words")
    done, said = at_terminal(
        "approve", judged.digest, "-s", "credit", "-r", "legal", "--rationale", "looked at it", "--key",
        judged.key("dan"), *judged.config, answers=[("passphrase of the key:", "long words")],
    )  # fmt: skip
    assert (done, "has not the role legal" in said) == (1, True), said  # another key than the root's
    assert "long words" not in said
