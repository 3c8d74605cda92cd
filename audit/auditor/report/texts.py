"""Times, durations and shortened texts as the report has them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime


def short(text: str, most: int) -> str:
    """At most so many characters; a cut is an ellipsis."""
    return text if len(text) <= most else text[: most - 1] + "…"


def _moment(time: int) -> datetime | None:
    try:
        return datetime.fromtimestamp(time / 1e9, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def utc(time: int) -> str:
    """Of ns since 1970, in UTC; a dash where no calendar has it."""
    moment = _moment(time)
    return "–" if moment is None else moment.strftime("%Y-%m-%d %H:%M:%S")


def exact(time: int) -> str:
    """The same to the millisecond."""
    text = utc(time)
    return text if text == "–" else f"{text}.{time // 10**6 % 1000:03d}"


def clock(time: int, span: int) -> str:
    """Without the day; to the millisecond where an axis spans few seconds, in ns."""
    return (exact(time) if span < 60 * 10**9 else utc(time))[11:]


def tick(time: int, span: int) -> str:
    """Below an axis that spans so many ns."""
    text = utc(time)
    if span < 60 * 10**9:
        return clock(time, span)
    return text[:10] if span > 3 * 86_400 * 10**9 else text[5:16] if span > 86_400 * 10**9 else text[11:]


def duration(nanoseconds: float) -> str:
    """In a unit that people read."""
    for unit, size in (("h", 3.6e12), ("min", 6e10), ("s", 1e9), ("ms", 1e6)):
        if nanoseconds >= size:
            return f"{nanoseconds / size:.3g} {unit}"
    return f"{nanoseconds / 1e3:.3g} µs"


def count(number: int, one: str, many: str = "") -> str:
    """`1 record`, `2 records`."""
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"


def listed(each: Iterable[str]) -> str:
    """`a, b and c`."""
    *some, last = each
    return f"{', '.join(some)} and {last}" if some else last
