"""What attributes of people are called, where decisions are counted by them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from .gates import Protected


def named(attributes: Sequence[Protected]) -> list[tuple[str, Protected]]:
    """Each attribute with the name that it has in the figures: its column's.

    A column that comes twice, cut at other edges, MUST be judged each time: one of them alone may hold what the other
    does not. Then its edges are in its name.
    """
    once = list(dict.fromkeys(attributes))
    columns = Counter(each.column for each in once)
    return [
        (each.column if columns[each.column] == 1 else f"{each.column} ({_cut(each)})", each) for each in once
    ]


def _cut(attribute: Protected) -> str:
    # Each edge in full: the figures of two that are written alike would be one's.
    return "at " + ", ".join(map(repr, attribute.edges)) if attribute.edges else "as it is"
