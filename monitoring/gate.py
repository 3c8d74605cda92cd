"""What the drift gate is handed: distances from a package's reference, as the monitor computes them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from registry.gates.base import Distance
from registry.package import Package

from .columns import columns_of
from .detect.count import Counter
from .detect.ks import bounds
from .detect.lines import Lines


def distances(
    package: Package, inputs: NDArray[np.float32], scores: NDArray[np.float32]
) -> Sequence[Distance]:
    """Of each feature and score; see `registry.gates.base.Measure`."""
    reference = package.reference
    columns = columns_of(reference)
    lines = Lines(columns)
    counts = np.concatenate(
        [Counter(reference.features).count(inputs), Counter(reference.scores).count(scores)]
    )
    found = bounds(lines, counts)
    rows = [reference.rows] * len(reference.features) + [reference.scored] * len(reference.scores)
    return [
        Distance(column.name, float(lower), float(upper), len(inputs), own)
        for column, lower, upper, own in zip(columns, found.lower, found.upper, rows, strict=True)
    ]
