"""What is needed of a package for counting its records, and where it is had from."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, Self

import numpy as np

from monitoring.detect.count import Counter
from registry.errors import NotFound, PackageError, StoreError, StoreUnavailable
from registry.package import Package
from registry.reference import Reference
from registry.signature import Signature
from registry.stores import Store


@dataclass(frozen=True, slots=True)
class Profile:
    """Of one package. The counters are its reference's."""

    digest: str
    reference: Reference
    schema: bytes
    """SHA-256 of signature.json: names the layout of a recorded input."""
    features: Counter
    scores: Counter
    probabilities: bool
    """Whether the scores are class probabilities: not for a regression."""
    threshold: np.float32 | None
    """Of the positive class, where there is one."""
    signature: Signature

    @classmethod
    def of(cls, package: Package) -> Self:
        """Of a package that was verified."""
        signature, reference = package.signature, package.reference
        return cls(
            package.digest,
            reference,
            package.schema_hash,
            Counter(reference.features),
            Counter(reference.scores),
            signature.task != "regression",
            None
            if signature.task != "binary" or signature.threshold is None
            else np.float32(signature.threshold),
            signature,
        )

    @property
    def width(self) -> int:
        """Columns of an input."""
        return len(self.reference.features)

    @property
    def outputs(self) -> int:
        """Columns of an answer."""
        return len(self.reference.scores)


class Packages(Protocol):
    """Profiles of packages."""

    def get(self, service: str, digest: str) -> Profile | None:
        """The profile of a package that answers, or ever answered, for a service; None: there is no such package.

        MUST NOT say None because something is away just now: a pane would miss what another reading of the same
        records finds.

        Raises:
            StoreUnavailable: it cannot be had now, and may be had later.
        """
        ...

    def several(self, whose: Sequence[Whom]) -> list[Profile | None]:
        """`get` of each, where asking for all at once is less work. Entries of one partition can name thousands that
        nobody ever deployed.
        """
        return [self.get(*each) for each in whose]


Whom = tuple[str, str]
"""Service and digest."""
Named = Callable[[Collection[Whom]], Collection[Whom]]
"""Of these, those that any plan, also one of the past, ever named: by the governance log read to its end (once), or by
the settings. A package is named before it answers, so what is not named when its record is read is a forger's
invention. Raises LogUnavailable when the governance log cannot be read now."""


class StorePackages(Packages):
    """Out of a store, every byte verified; each is pulled once. Used by one thread."""

    def __init__(self, store: Store, named: Named | None = None) -> None:
        """Nothing is pulled yet.

        Args:
            store: where packages are.
            named: who may be asked for; the store is not asked for others. None: whatever the store has (nobody
                governs, and the plans are elsewhere).
        """
        self._store: Final = store
        self._named: Final = named
        self._known: Final[set[Whom]] = set()
        """Were named once, and so for ever."""
        self._found: dict[str, Profile] = {}

    def get(self, service: str, digest: str) -> Profile | None:
        """See `Packages.get`. A named package that the store has lost, or has damaged, is waited for."""
        return self.several([(service, digest)])[0]

    def several(self, whose: Sequence[Whom]) -> list[Profile | None]:
        """See `Packages.several`: one look at who is named.

        That one is not named is not remembered: somebody who knows what will be deployed could have its records
        passed over by writing one too early.
        """
        if self._named is not None:
            unknown = set(whose) - self._known
            if unknown:
                self._known.update(self._named(unknown))
        return [self._pulled(*each) if self._named is None or each in self._known else None for each in whose]

    def _pulled(self, service: str, digest: str) -> Profile | None:
        found = self._found.get(digest)
        if found is not None:
            return found
        try:
            found = self._found[digest] = Profile.of(self._store.pull(digest))
        except NotFound as error:
            if self._named is None:
                return None
            raise _waited_for(service, digest, error) from error
        except (PackageError, StoreError) as error:
            raise _waited_for(service, digest, error) from error
        return found


def _waited_for(service: str, digest: str, error: Exception) -> StoreUnavailable:
    return StoreUnavailable(
        f"{digest} answered for {service!r} and cannot be had: {error}; its records wait to be counted"
    )
