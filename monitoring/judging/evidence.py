"""Evidence: a range of panes, judged anew from the first of them on. Pure: anybody makes it again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from monitoring.detect.figures import ColumnFigures
from monitoring.figures import ColumnSaid, Evidence
from monitoring.panes import Of
from monitoring.read import Profile

from .judging import NONE, Judging, Taken
from .limits import Judged

_PLACES: Final = 9
"""Figures are told to so many digits after the point: the last bits of a logarithm may differ between processors."""


@dataclass(frozen=True, slots=True)
class Where:
    """Of which part of which log panes are."""

    topic: str
    """Hex id of its topic."""
    pane_records: int
    """Offsets of a pane."""
    reached: Mapping[str, Mapping[str, int]]
    """See `Evidence.reached`."""


@dataclass(frozen=True, slots=True)
class Basis:
    """All that evidence is computed of: whoever has this needs nothing that goes on meanwhile."""

    of: Of
    profile: Profile
    judged: Judged
    panes: tuple[Taken, ...]
    where: Where

    def evidence(self) -> Evidence:
        """See `evidence_of_panes`."""
        return evidence_of_panes(self.of, self.profile, self.judged, self.panes, self.where)


def judge_panes(
    profile: Profile, judged: Judged, panes: Iterable[Taken]
) -> tuple[Judging, list[tuple[int, int]]]:
    """Judge panes anew, in the order in which they are given.

    Args:
        profile: of the package.
        judged: by what it is judged.
        panes: those without rows of it are left out.

    Returns:
        What is said after the last one, and (partition, number) of those that were judged.
    """
    judging, places, panes = Judging(profile, judged), [], list(panes)
    judging.prime(panes)
    for taken in panes:
        if taken.tally.rows:
            judging.take(taken)
            places.append((taken.partition, taken.number))
    return judging, places


def evidence_of_panes(
    of: Of, profile: Profile, judged: Judged, panes: Iterable[Taken], where: Where
) -> Evidence:
    """What these panes alone say of a package: see `judge_panes`."""
    return written(of, *judge_panes(profile, judged, panes), where)


def written(of: Of, judging: Judging, places: Iterable[tuple[int, int]], where: Where) -> Evidence:
    """What `judge_panes` found, as it leaves the process."""
    columns = [
        _said(judging, place, figures, peak)
        for place, (figures, peak) in enumerate(zip(judging.figures(), judging.peaks(), strict=True))
    ]
    return Evidence(
        topic=where.topic, pane_records=where.pane_records, service=of.service, digest=of.digest, slot=of.slot,
        policy=judging.judged.policy, panes=tuple(places), reached=where.reached,
        columns=tuple(sorted(columns, key=lambda each: (-each.ks_lower, -each.log_e["page"], each.column))),
        rows=judging.rows, window_rows=judging.window_rows,
    )  # fmt: skip


def _said(judging: Judging, place: int, figures: ColumnFigures, peak: tuple[float, float]) -> ColumnSaid:
    warn, page = peak
    return ColumnSaid(
        column=figures.name, rows=figures.rows,
        ks_lower=_rounded(figures.ks_lower), ks_upper=_rounded(figures.ks_upper),
        psi=_rounded(figures.psi), psi_debiased=_rounded(figures.psi_debiased),
        log_e={"warn": _rounded(max(warn, NONE)), "page": _rounded(max(page, NONE))},
        effect=_rounded(figures.effect), missing=_rounded(figures.missing),
        out_of_range=_rounded(figures.out_of_range), unseen=_rounded(figures.unseen),
        severity=judging.severity(place),
    )  # fmt: skip


def _rounded(number: float) -> float:
    return round(number, _PLACES)
