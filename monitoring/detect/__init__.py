"""Drift, computed from bin counts: pure functions of counts, a reference and a clock that is handed in.

Nothing here reads, writes, waits or knows the time (docs/drift-statistics.md gives every formula and its source).

    count      rows of float32 → counts, all columns at once
    lines      the counts of a column in one order, from -inf to missing, and their cumulative sums
    ks, psi    bounds of the Kolmogorov–Smirnov distance; the population stability index
    edetector  the sequential test, a state that goes from pane to pane
    effect     how much more panes vary than independent records would
    chi2, classic, tails   p-values and the rules with fixed thresholds
    figures    all of it for one window: `Detector`, `ColumnFigures`
    judge      figures → warn, page, clear; latch and cool-down
"""
