"""How commands print what records say: every text of a record goes through here, or out as ASCII JSON."""

from __future__ import annotations

import json
from typing import Any

from rich.highlighter import JSONHighlighter
from rich.text import Text

from audit.proof.printable import printable, printable_json

__all__ = ["counted", "json_for_people", "json_text", "printable"]


def counted(number: int, one: str, more: str | None = None) -> str:
    """A number with its noun: 1 journal, 2 journals. `more` where the plural is not `one` and an s."""
    return f"{number} {one if number == 1 else more or f'{one}s'}"


def json_text(value: Any) -> str:
    """A value as indented JSON that people can read: other scripts as they are, nothing that steers a terminal."""
    return printable_json(json.dumps(value, indent=2, ensure_ascii=False))


def json_for_people(value: Any) -> Text:
    """The same with colours, for a rich console."""
    return JSONHighlighter()(json_text(value))
