"""What payloads need and the log does not have: the object store, and the keys of those that are encrypted."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeVar

from audit.proof.encryption import NO_KEYS, NoKey, PayloadKeys

T = TypeVar("T")


def _no_keys(_: bytes) -> PayloadKeys:
    return NO_KEYS


class External(NamedTuple):
    """See the module."""

    fetch: Callable[[bytes], bytes | None]
    """What the object store has under a digest; None: nothing. Raises LogUnavailable: it does not answer now."""
    keys: PayloadKeys = NO_KEYS
    """Open encrypted payloads."""
    newer: Callable[[bytes], PayloadKeys] = _no_keys
    """Asked when a payload has a key that is not among `keys`, with its name: all that there are now. Raises
    LogUnavailable: they cannot be had now."""


class Opener:
    """Opens encrypted payloads. For one thread."""

    def __init__(self, external: External | None) -> None:
        """None: there are no keys."""
        self._keys = NO_KEYS if external is None else external.keys
        self._newer: Callable[[bytes], PayloadKeys] = _no_keys if external is None else external.newer
        self._looked = False

    def look_again(self) -> None:
        """Records that came from the log just now may have a key that was made since the last look.

        One look is enough for all of them, since a key is there before anything is logged under it: so whoever
        writes made-up names of keys into the log buys a look a batch.
        """
        self._looked = False

    def open(self, read: Callable[[PayloadKeys], T]) -> T:
        """What `read` makes of it, with the keys that there are. What is counted without its key stays so.

        Raises:
            NoKey: it is not there. And whatever else `read` raises.
            LogUnavailable: whether it is there cannot be said now.
        """
        try:
            return read(self._keys)
        except NoKey as missing:
            if self._looked:
                raise
            self._keys, self._looked = self._newer(missing.name), True
            return read(self._keys)
