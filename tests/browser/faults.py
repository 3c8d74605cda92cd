"""What is wrong with a page, as sentences; none: nothing is. The facts are probe.js'."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any, Final

from tests.components.chromium import Chromium

_PROBE: Final = Path(__file__).with_name("probe.js").read_text()
# WCAG 2.2, level AA: 1.4.3 for text of any size here, 1.4.11 for what is drawn.
_TEXT_CONTRAST: Final = 4.5
_MARK_CONTRAST: Final = 3.0
_SMALLEST: Final = {"screen": 10.5, "print": 8.0}
"""Of a text, CSS px: 8 are 2 mm on paper."""
_SLIVER: Final = {"screen": 8, "print": 7}
"""Characters a line, on average, below which a column is too narrow to be read."""


def faults(
    browser: Chromium,
    page: Path,
    *,
    width: int,
    dark: bool = False,
    scripts: bool = True,
    media: str = "screen",
    charts: int = 5,
) -> list[str]:
    """Open a page and say all that is wrong with it, shown so; it has so many charts."""
    browser.show(width, dark=dark, scripts=scripts, media=media)
    browser.open(page)
    seen = browser.evaluate(_PROBE)
    return [
        *(f"the console says: {message}" for message in browser.messages()),
        *_asked(browser, page),
        *_outline(seen),
        *_layout(seen, width),
        *_scheme(seen, dark=dark and media == "screen"),
        *_texts(seen["texts"], media),
        *(fault for chart in seen["charts"] for fault in _chart(chart)),
        *_marks(seen, charts),
        *(fault for table in seen["tables"] for fault in _table(table)),
    ]


def _asked(browser: Chromium, page: Path) -> Iterator[str]:
    first, *others = browser.requests()
    if first.address != page.resolve().as_uri() or first.failed:
        yield f"the page itself was not what was asked for: {first}"
    for other in others:
        yield f"it asks for {other.address}"


def _outline(seen: Mapping[str, Any]) -> Iterator[str]:
    if not seen["title"].startswith("Evidence: "):
        yield f"its title is {seen['title']!r}"
    if seen["language"] != "en" or seen["mains"] != 1:
        yield "it has no language or not one main part"
    levels = [level for level, _ in seen["headings"]]
    if levels[:1] != [1] or levels.count(1) != 1:
        yield f"its headings do not begin with the only one of level 1: {levels}"
    if any(after > before + 1 for before, after in pairwise(levels)):
        yield f"a heading skips a level: {levels}"
    if any(not text.strip() for _, text in seen["headings"]):
        yield "a heading is empty"


def _layout(seen: Mapping[str, Any], width: int) -> Iterator[str]:
    if not width - 20 <= seen["width"] <= width:
        yield f"the window is {seen['width']} px wide, not {width}"
    if seen["needed"] > seen["width"]:
        yield f"it is {seen['needed']} px wide in a window of {seen['width']}"


def _scheme(seen: Mapping[str, Any], *, dark: bool) -> Iterator[str]:
    if dark != (seen["ground"] < 0.2):
        yield f"its ground has the luminance {seen['ground']:.2f} where the reader wants {'dark' if dark else 'light'}"


def _texts(texts: Sequence[Mapping[str, Any]], media: str) -> Iterator[str]:
    if not texts:
        yield "it has no text"
    for each in texts:
        if each["contrast"] < _TEXT_CONTRAST:
            yield f"text with a contrast of {each['contrast']:.2f}: {each['text']!r}"
        if each["size"] < _SMALLEST[media]:
            yield f"text of {each['size']:.1f} px: {each['text']!r}"
        if each["lines"] > 1 and not each["pre"] and each["length"] / each["lines"] < _SLIVER[media]:
            yield f"text torn into {each['lines']} lines: {each['text']!r}"
        if not each["scrolls"] and not _within(each["place"], each["home"]):
            yield f"text leaves its box: {each['text']!r}"


def _chart(chart: Mapping[str, Any]) -> Iterator[str]:
    name, place = chart["label"], chart["place"]
    if not name or chart["role"] != "img":
        yield "a chart has no name for who cannot see it"
    if place["width"] < 240 or not 30 <= place["height"] <= 800:
        yield f"chart {name!r}: {place['width']:.0f} × {place['height']:.0f} px"
    drawn = [mark["place"] for mark in chart["marks"] if mark["place"]["width"] and mark["place"]["height"]]
    if not drawn:
        yield f"chart {name!r}: nothing is drawn"
    if any(not _within(each, place) for each in drawn):
        yield f"chart {name!r}: a mark leaves it"
    if max((each["width"] * each["height"] for each in drawn), default=0) < 40:
        yield f"chart {name!r}: no mark is large enough to be seen"
    for text in chart["texts"]:
        if not _within(text["place"], chart["home"]):
            yield f"chart {name!r}: {text['text']!r} leaves its box"
        if any(_overlap(text["place"], each) for each in drawn):
            yield f"chart {name!r}: {text['text']!r} lies on a mark"
    for one, two in combinations(chart["texts"], 2):
        if _overlap(one["place"], two["place"]):
            yield f"chart {name!r}: {one['text']!r} and {two['text']!r} lie on each other"


def _marks(seen: Mapping[str, Any], charts: int) -> Iterator[str]:
    if len(seen["charts"]) != charts:
        yield f"{len(seen['charts'])} charts, not {charts}"
    if charts and not seen["keys"]:
        yield "no legend"
    for what, marks in [("legend", seen["keys"]), *((one["label"], one["marks"]) for one in seen["charts"])]:
        worst = min((each["contrast"] for each in marks), default=_MARK_CONTRAST)
        if worst < _MARK_CONTRAST:
            yield f"{what}: a mark with a contrast of {worst:.2f}"


def _table(table: Mapping[str, Any]) -> Iterator[str]:
    name = f"the table of {table['columns']} columns"
    if table["width"] <= table["room"]:
        return
    if not table["ends"]:
        yield f"{name}: its last column is never seen"
    if table["columns"] > 5 and not table["named"]:
        yield f"{name}: once scrolled, nothing says which row one reads"


def _within(inner: Mapping[str, float], outer: Mapping[str, float]) -> bool:
    return (
        inner["left"] >= outer["left"] - 1
        and inner["right"] <= outer["right"] + 1
        and inner["top"] >= outer["top"] - 1
        and inner["bottom"] <= outer["bottom"] + 1
    )


def _overlap(one: Mapping[str, float], two: Mapping[str, float]) -> bool:
    return (
        min(one["right"], two["right"]) - max(one["left"], two["left"]) > 1
        and min(one["bottom"], two["bottom"]) - max(one["top"], two["top"]) > 1
    )
