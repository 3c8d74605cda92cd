"""Templates of cards and certificates: whatever people wrote is text in them, in HTML and in Markdown alike."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from audit.auditor.style import CSS
from audit.proof.printable import printable

_BEGINS: Final = re.compile(
    r"""[!#$&*<>@\[\\\]^_`{|}~]   # emphasis, code, links, images, HTML, entities, cells, mathematics
    | ^[-+=]                      # lists and headings, at the beginning
    | ((?<=^\d)|(?<=^\d\d)|(?<=^\d\d\d)|(?<=^\d{4}))[.)](?=\s|$)   # numbered lists
    | :(?=//) | (?<=www)\.        # addresses, of which GitHub makes links
    """,
    re.VERBOSE,
)
"""What may begin markup: it is written with a backslash before it."""
MISSING: Final = "missing: nobody filled it in"


def html(room: str, template: str, facts: Mapping[str, Any]) -> bytes:
    """An HTML page from `templates/` of a package of ours. Every value is escaped."""
    return _html(room).get_template(template).render(facts).encode(errors="replace")


def markdown(room: str, template: str, facts: Mapping[str, Any]) -> bytes:
    """The same in Markdown. Every value is one line of text, and never markup."""
    text = _markdown(room).get_template(template).render(facts)
    return (re.sub(r"\n{3,}", "\n\n", text).strip() + "\n").encode(errors="replace")


def plain(text: object) -> Markup:
    """A value as Markdown that says just that: CommonMark takes a backslash before any punctuation."""
    line = " ".join(printable(" ".join(str(text).splitlines())).split())
    return Markup(  # noqa: S704 — it is escaped here
        _BEGINS.sub(lambda each: f"\\{each[0]}", line)
    )


def day(seconds: float) -> str:
    """A time in UTC, to the minute."""
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")
    except (OverflowError, OSError, ValueError):
        return "no date"


def figure(value: object) -> str:
    """A number to four digits; anything else as it is, and what is not there as a dash."""
    if value is None:
        return "–"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


@cache
def _html(room: str) -> Environment:
    made = _environment(room)
    made.globals["css"] = Markup(CSS)  # noqa: S704 — ours
    return made


@cache
def _markdown(room: str) -> Environment:
    made = _environment(room)
    # Before autoescape sees it; what a template itself has is not a value.
    made.finalize = lambda value: value if isinstance(value, Markup) else plain(value)
    return made


def _environment(room: str) -> Environment:
    made = Environment(
        loader=PackageLoader(room),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters |= {"day": day, "figure": figure}
    made.globals["missing"] = MISSING
    return made
