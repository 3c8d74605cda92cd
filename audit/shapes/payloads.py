"""Payloads held to the entries that they belong to."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from audit.proof.entry import Key

from .alike import Alike

Mask = npt.NDArray[np.bool_]

_DIGEST: Final = int(Key.PAYLOAD_DIGEST)
_LENGTH: Final = int(Key.PAYLOAD_LENGTH)


class Payloads(NamedTuple):
    """What is to be said of the payloads of entries that are alike, one a row."""

    hold: Mask
    """There, and what the entry's digest covers."""
    wrong: Mask
    """There, and not that."""
    absent: Mask
    """Not there, and the entry says that it is not empty."""


def payloads_of(alike: Alike, payloads: Sequence[bytes | None]) -> Payloads:
    """Hold each payload to its entry.

    Args:
        alike: the entries.
        payloads: of the whole batch, by place; None is one that is not there.
    """
    theirs = [payloads[at] for at in alike.places.tolist()]
    there: Mask = np.fromiter((each is not None for each in theirs), np.bool_, len(theirs))
    if _DIGEST not in alike:
        return Payloads(np.zeros_like(there), there, np.zeros_like(there))
    lengths = np.fromiter((len(each or b"") for each in theirs), np.uint64, len(theirs))
    digests = np.frombuffer(b"".join([sha256(each or b"").digest() for each in theirs]), np.uint8)
    said = alike.numbers(_LENGTH)
    holds: Mask = (digests.reshape(-1, 32) == alike.data(_DIGEST)).all(axis=1) & (lengths == said)
    return Payloads(there & holds, there & ~holds, ~there & (said != 0))
