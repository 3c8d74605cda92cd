"""The output of several components on one screen: a name before each line, structured lines made readable."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Sequence
from typing import Any, Final, TextIO

from .text import printable

_COLOURS: Final = (36, 33, 35, 32, 34)
_LOUD: Final = {"warning": 33, "error": 31, "critical": 31}
_TOLD: Final = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d\S* \[(?P<level>[A-Za-z]+) *\] (?P<rest>.*)")
_PADDING: Final = re.compile(r" {3,}")
_SHOWN_ELSEWHERE: Final = frozenset({"event", "level", "timestamp", "logger"})


class Console:
    """Prints lines as `time name │ text`; colours only on a terminal, and never under NO_COLOR."""

    def __init__(self, names: Sequence[str], stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self._colour = self._stream.isatty() and not os.environ.get("NO_COLOR")
        self._width = max((len(name) for name in (*names, "affiant")), default=0)
        self._of = {name: _COLOURS[number % len(_COLOURS)] for number, name in enumerate(names)}

    def say(self, name: str, line: str) -> None:
        """Print one line of the component `name`."""
        text, level = readable(line)
        text = printable(text.expandtabs())  # a line has values that a caller sent
        head = f"{time.strftime('%H:%M:%S')} {name:<{self._width}} │ "
        if self._colour:
            head = f"\x1b[{self._of.get(name, 1)}m{head}\x1b[0m"
            if level in _LOUD:
                text = f"\x1b[{_LOUD[level]}m{text}\x1b[0m"
        self._stream.write(f"{head}{text}\n")
        self._stream.flush()


def readable(line: str) -> tuple[str, str]:
    """A line for people, and its level.

    JSON of structlog becomes `event key=value …`; of `time [level] event  key=value` the time goes (ours
    stands before the line) and the level stays when it matters. Anything else stays as it is.
    """
    if told := _TOLD.match(line):
        level = told["level"].lower()
        return _mark(level) + _PADDING.sub("  ", told["rest"]), level
    if not line.startswith("{"):
        return line, ""
    try:
        content: Any = json.loads(line)
    except ValueError:
        return line, ""
    if not isinstance(content, dict) or "event" not in content:
        return line, ""
    level = str(content.get("level", ""))
    rest = " ".join(f"{key}={value}" for key, value in content.items() if key not in _SHOWN_ELSEWHERE)
    return f"{_mark(level)}{content['event']} {rest}".rstrip(), level


def _mark(level: str) -> str:
    return f"{level.upper()}: " if level in _LOUD else ""
