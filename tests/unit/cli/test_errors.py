"""One rule of exit codes: each failure has one, the page says it, and a message cannot forge a line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from audit.errors import ConfigError, IndexUnusable, NoSuchRecord, NotSealed
from audit.proof.errors import FormatError
from cli.errors import _CODES, explain

PAGE = (Path(__file__).parents[3] / "docs" / "exit-codes.md").read_text()


def test_the_page_has_each_failure_with_its_code_in_the_order_in_which_they_are_looked_at() -> None:
    """Nobody has to read the code to know what a script may rely on."""
    listed = re.findall(r"^\| `(\w+)` \| (\d) \|", PAGE, re.MULTILINE)
    assert listed == [(kind.__name__, str(code)) for kind, code, _ in _CODES]


def test_no_failure_stands_behind_one_that_hides_it() -> None:
    """The first that fits decides: what comes after its own root would never be looked at."""
    for at, (kind, _, _) in enumerate(_CODES):
        assert not [before for before, _, _ in _CODES[:at] if issubclass(kind, before)], kind


@pytest.mark.parametrize(
    ("error", "code"),
    [(NoSuchRecord("x"), 1), (NotSealed("x"), 1), (ConfigError("x"), 2), (IndexUnusable("x"), 3)],
)
def test_what_is_not_there_is_a_finding_and_not_an_outage(error: Exception, code: int) -> None:
    """A script that asks for evidence must not ask again for what will never be there."""
    told = explain(error)
    assert told is not None
    assert told.code == code


@pytest.mark.parametrize(
    "error", [FormatError("origin \x1b[2J\u202e\nWRONG"), OSError(2, "no\x1b[2J\u202e", "a\x9bb")]
)
def test_a_message_is_one_line_that_steers_nothing(error: Exception) -> None:
    """It may hold what a record, a bundle or a store of a stranger says."""
    told = explain(error)
    assert told is not None
    assert not set("\x1b\x9b\u202e\n") & set(told.line)
