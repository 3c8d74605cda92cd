"""What payloads need and the log does not have: the object store, and the keys of those that are encrypted."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeVar

from audit.proof.encryption import NO_KEYS, NoKey, PayloadKeys

T = TypeVar("T")


def _no_keys() -> PayloadKeys:
    return NO_KEYS


class External(NamedTuple):
    """See the module."""

    fetch: Callable[[bytes], bytes | None]
    """What the object store has under a digest; None: nothing. Raises LogUnavailable: it does not answer now."""
    keys: PayloadKeys = NO_KEYS
    """Open encrypted payloads."""
    newer: Callable[[], PayloadKeys] = _no_keys
    """Asked when a payload has a key that is not among `keys`: all that there are now."""


class Opener:
    """Opens encrypted payloads. For one thread."""

    def __init__(self, external: External | None) -> None:
        """None: there are no keys."""
        self._keys = NO_KEYS if external is None else external.keys
        self._newer: Callable[[], PayloadKeys] = _no_keys if external is None else external.newer

    def open(self, read: Callable[[PayloadKeys], T]) -> T:
        """What `read` makes of it, with the keys that there are.

        What is counted as encrypted stays so: a key that is newer than the last look is looked for first.

        Raises:
            NoKey: it is not there. And whatever else `read` raises.
        """
        try:
            return read(self._keys)
        except NoKey:
            self._keys = self._newer()
            return read(self._keys)
