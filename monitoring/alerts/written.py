"""Metrics that another program leaves in a file: what node_exporter's textfile collector is for where there is none."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from .embedded import MOST_BYTES, Source, parsed
from .samples import Sample


def written(path: Path) -> Source:
    """The samples of a file as it is at each look. One that is not there has none: nobody has written it yet."""

    def samples() -> Iterable[Sample]:
        try:
            with path.open("rb") as file:
                raw = file.read(MOST_BYTES + 1)
        except FileNotFoundError:
            return []
        return parsed(raw)

    return samples
