"""From joined rows to decisions by group: what `monitoring/groups.py` counts."""

from __future__ import annotations

from typing import Literal

import numpy as np

from monitoring.groups import Tally

from .join import Joined


def favoured(
    joined: Joined, favourable: Literal["positive", "negative"], *, since: int = 0, until: int = 2**63 - 1
) -> Tally | None:
    """The decisions of a binary package by group, with the labels that there are; None: it makes none.

    Args:
        joined: of one package, with its attributes.
        favourable: the decision that people want.
        since: of requests that arrived from then on, ns …
        until: … and before.
    """
    decided = joined.task.decided(joined.scores)
    if decided is None or joined.task.kind != "binary":
        return None
    near = (joined.time >= since) & (joined.time < until) & np.isfinite(joined.scores[:, 0])
    wanted = 1 if favourable == "positive" else 0
    right = np.where(np.isnan(joined.truth), np.nan, (joined.truth == wanted).astype(np.float64))
    return Tally.of(joined.attributes, joined.groups[near], decided[near] == wanted, right[near])
