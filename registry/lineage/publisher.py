"""Who published a package, by its lineage.

The digest covers that, so it cannot be changed afterwards; but it is what the publishing account said of itself.
An account without a name wrote `unknown`: that is nobody, else its publisher could approve under their own name.
audit/proof/certificate_rules.py has the rule once more.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from audit.proof.people import folded
from registry.package import Package

UNKNOWN: Final = "unknown"
"""What is written in the place of a name that the machine does not say."""


def publisher_of(package: Package) -> str | None:
    """Who published a package; None: it does not say. Raises PackageError."""
    return actor_of(package.lineage)


def actor_of(lineage: Mapping[str, Any]) -> str | None:
    """Who published the package of that lineage.json; None: it does not say."""
    actor = lineage.get("actor")
    return actor if isinstance(actor, str) and folded(actor) not in ("", UNKNOWN) else None
