"""What an evidence bundle takes of the records' packages, out of the model store."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from audit.config import load
from audit.proof.bundle import PackagePart

if TYPE_CHECKING:
    from audit.auditor.evidence import Held
    from registry.stores import Store

SHOWN: Final = ("signature", "lineage", "card")
"""Parts of a package that go into a bundle: what a person reads, and nothing large."""


def packages(config: Path | None) -> Callable[[str], Held]:
    """What the model store of the settings has of a digest. Never fails: what is not to be had is said."""

    def held(digest: str) -> Held:
        from audit.auditor.evidence import Held, Lack

        try:
            from registry.errors import NotFound, PackageError, RegistryError, StoreDamaged
            from registry.stores import configured_store
        except ModuleNotFoundError as error:
            return Held(
                None, [Lack(digest, f"the model store cannot be read ({error.name} is not installed)", False)]
            )
        try:
            store = configured_store(load(config))
            return _held(store, digest)
        except NotFound as error:
            return Held(None, [Lack(digest, f"the model store does not have it: {error}", False)])
        except (PackageError, StoreDamaged) as error:
            return Held(None, [Lack(digest, str(error), True)])
        except RegistryError as error:
            return Held(None, [Lack(digest, f"the model store was not to be asked: {error}", False)])
        except ModuleNotFoundError as error:
            return Held(
                None, [Lack(digest, f"the model store cannot be read ({error.name} is not installed)", False)]
            )

    return held


def _held(store: Store, digest: str) -> Held:
    """The package; where it is not whole, what is. Raises RegistryError."""
    from audit.auditor.evidence import Held, Lack
    from registry.errors import PackageError
    from registry.stores.salvage import salvage

    try:
        package = store.pull(digest)
        blobs = {package.parsed.roles[role].digest: package.part(role) for role in SHOWN}
        return Held(_part(package.manifest, blobs))
    except PackageError as error:
        found = salvage(store, digest, SHOWN)
        # What `pull` says is the first finding; of bytes that are all there it is the only one.
        said = found.flaws or [str(error)]
        return Held(_part(found.manifest, found.blobs), [Lack(digest, each, True) for each in said])


def _part(manifest: bytes, blobs: Mapping[str, bytes]) -> PackagePart:
    return PackagePart(manifest, {name.removeprefix("sha256:"): blob for name, blob in blobs.items()})
