"""How commands print what records say: every text of a record goes through here, or out as ASCII JSON."""

from __future__ import annotations

import json
from typing import Any

from rich.highlighter import JSONHighlighter
from rich.text import Text

from audit.proof.printable import printable, printable_json

__all__ = ["json_for_people", "json_text", "printable"]


def json_text(value: Any) -> str:
    """A value as indented JSON that people can read: other scripts as they are, nothing that steers a terminal."""
    return printable_json(json.dumps(value, indent=2, ensure_ascii=False))


def json_for_people(value: Any) -> Text:
    """The same with colours, for a rich console."""
    return JSONHighlighter()(json_text(value))
