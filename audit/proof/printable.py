"""Texts that others wrote, on a terminal: they MUST NOT begin a line of their own, nor steer the screen."""

from __future__ import annotations

import json
import re
from typing import Final

REPLACED: Final = "\ufffd"
_ASCII: Final = re.compile(r"[ -~]*")


def printable(text: str) -> str:
    """The text as one line that says what it says: each character that cannot be seen becomes U+FFFD.

    That is every control character (line ends, escapes, C1 too), and those that turn the direction of the text
    around them.
    """
    if _ASCII.fullmatch(text):
        return text
    return "".join(each if each.isprintable() else REPLACED for each in text)


def printable_json(text: str) -> str:
    r"""JSON as `json.dumps` wrote it, the same values: what cannot be seen stands in it as `\u` and four digits.

    JSON itself escapes only what is below a space, and a terminal is steered by others as well.
    """
    return "\n".join(line if line.isprintable() else _escaped(line) for line in text.split("\n"))


def _escaped(line: str) -> str:
    return "".join(each if each.isprintable() else json.dumps(each)[1:-1] for each in line)
