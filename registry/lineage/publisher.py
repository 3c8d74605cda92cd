"""Who published a package, by its lineage.

The digest covers that, so it cannot be changed afterwards; but it is what the publishing account said of itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from registry.package import Package


def publisher_of(package: Package) -> str | None:
    """Who published a package; None: it does not say. Raises PackageError."""
    return actor_of(package.lineage)


def actor_of(lineage: Mapping[str, Any]) -> str | None:
    """Who published the package of that lineage.json; None: it does not say."""
    actor = lineage.get("actor")
    return actor if isinstance(actor, str) and actor else None
