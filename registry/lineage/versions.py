"""The data that a package was made of, as its lineage.json names it; and how a version of data is written."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from audit.proof.errors import FormatError

_VERSION: Final = re.compile(r"sha256:[0-9a-f]{64}|md5:[0-9a-f]{32}(?:\.dir)?")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class DataUse:
    """A version of a data set that a package was made of."""

    name: str
    version: str
    """`sha256:…` or `md5:…` (DVC's), as the publisher named it."""
    sha256: str | None
    """`sha256:…` of the bytes, when the publisher had them."""
    source: str
    """file, dvc, dvc.lock; `table`: the training table itself, which no data set names."""
    checked: bool
    """Whether the version was computed from the bytes; False is DVC's word alone."""
    stage: str | None = None
    """The stage of a dvc.lock that wrote or read it."""

    @property
    def versions(self) -> tuple[str, ...]:
        """Every name of these bytes."""
        return tuple(dict.fromkeys((self.version, self.sha256 or self.version)))


def data_of(lineage: Mapping[str, Any]) -> tuple[DataUse, ...]:
    """The data sets of a lineage.json, and its training table when none of them is that.

    What is not of the form that `affiant model publish` writes is passed over: whoever made the package may have
    written anything there.
    """
    origin, table = lineage.get("origin"), lineage.get("training_table")
    listed = origin.get("data") if isinstance(origin, Mapping) else None
    uses = [use for each in (listed if isinstance(listed, list) else []) if (use := _use(each)) is not None]
    own = _sha256(table.get("sha256")) if isinstance(table, Mapping) else None
    if own is not None and own not in versions(uses):
        assert isinstance(table, Mapping)
        uses.append(DataUse(_text(table.get("file")) or "training table", own, own, "table", True))
    return tuple(uses)


def versions(uses: Iterable[DataUse]) -> frozenset[str]:
    """Every name of every one of them."""
    return frozenset(version for use in uses for version in use.versions)


def parse_version(text: str) -> str:
    """A version as people give it: 64 hex digits alone are a SHA-256.

    Raises:
        FormatError: it is none.
    """
    version = f"sha256:{text}" if _SHA256.fullmatch(text) else text
    if not _VERSION.fullmatch(version):
        raise FormatError(
            f"{text!r} is no version of data: sha256:<64 hex digits> or md5:<32 hex digits> is wanted, as "
            "`affiant data list` shows them"
        )
    return version


def _use(each: object) -> DataUse | None:
    if not isinstance(each, Mapping):
        return None
    name, version, stage = (_text(each.get(key)) for key in ("name", "version", "stage"))
    if name is None or version is None or not _VERSION.fullmatch(version):
        return None
    source = _text(each.get("source")) or "file"
    return DataUse(name, version, _sha256(each.get("sha256")), source, each.get("checked") is True, stage)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _sha256(value: object) -> str | None:
    return f"sha256:{value}" if isinstance(value, str) and _SHA256.fullmatch(value) else None
