"""Packages as whoever holds a lock may ask for them: one that is not here is not waited for, and fetched after."""

from __future__ import annotations

from typing import Final

from monitoring.read import Packages, Profile
from registry.errors import StoreUnavailable

_Whom = tuple[str, str]


class NotHere(StoreUnavailable):
    """It is not here yet: `Held.fetch` gets it."""


class Held(Packages):
    """For one thread. `get` MUST NOT ask anything that is outside of this process."""

    def __init__(self, packages: Packages) -> None:
        """Nothing is here yet. `packages`: where profiles are had."""
        self._packages: Final = packages
        self._found: Final[dict[_Whom, Profile]] = {}
        self._none: Final[set[_Whom]] = set()
        self._wanted: set[_Whom] = set()

    def get(self, service: str, digest: str) -> Profile | None:
        """See `Packages.get`. Raises NotHere: it has to be fetched."""
        whom = service, digest
        found = self._found.get(whom)
        if found is None and whom not in self._none:
            self._wanted.add(whom)
            raise NotHere(f"{digest} of {service!r} is not here yet")
        return found

    def forget_none(self) -> None:
        """That there was no such package MUST NOT be believed for long: it may be named by now."""
        self._none.clear()

    def fetch(self) -> None:
        """What was asked for and is not here. Under no lock: it may take long.

        Raises:
            StoreUnavailable: a package cannot be had now.
            LogUnavailable: the governance log does not answer now.
        """
        wanted, self._wanted = sorted(self._wanted), set()
        for whom, found in zip(wanted, self._packages.several(wanted), strict=True):
            if found is None:
                self._none.add(whom)
            else:
                self._found[whom] = found
