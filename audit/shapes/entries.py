"""Many entries read strictly: those that are alike need no second encoding to be told from a malformed one."""

from __future__ import annotations

from collections.abc import Sequence

import cbor2

from audit.proof.entry import Entry, parse_entry
from audit.proof.errors import FormatError

from .alike import Sorter


def parse_entries(sorter: Sorter, raws: Sequence[bytes | None]) -> list[Entry | None]:
    """What `parse_entry` makes of each; None where it raises FormatError, and of None."""
    found = sorter.sort([raw or b"" for raw in raws])
    entries: list[Entry | None] = [None] * len(raws)
    for alike in found.alike:
        for at in alike.places.tolist():
            raw = raws[at]
            assert raw is not None
            # Of its shape, and so in the one encoding: what is left to do is to decode it.
            entries[at] = Entry(cbor2.loads(raw), raw)
    for at in found.rest:
        raw = raws[at]
        if raw is not None:
            try:
                entries[at] = parse_entry(raw)
            except FormatError:
                continue
    return entries
