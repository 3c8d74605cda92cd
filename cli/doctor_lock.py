"""Whether buckets are what the settings say: Object Lock where it is said, no versions where payloads have to go."""

from __future__ import annotations

from collections.abc import Iterator

from audit.config import Config
from audit.doctor.base import Finding, Looked, Outcome
from audit.objects.lock import keeps_versions
from audit.payload_keys import EncryptionSettings
from audit.settings import NotarySettings
from audit.trees import configured_trees


def look(config: Config) -> Iterator[Outcome]:
    """As far as objects tell; what is empty tells nothing.

    Raises:
        ObjectsUnavailable: a store does not answer.
    """
    settings, trees = config.section("notary", NotarySettings), configured_trees(config)
    if settings.object_lock:
        yield from _locked(settings.store or "", keeps_versions(trees.objects))
    if not config.section("encryption", EncryptionSettings).wanted:
        payloads = trees.payload_objects or trees.objects
        yield from _free(settings.payload_store or settings.store or "", keeps_versions(payloads))


def _locked(where: str, versions: bool | None) -> Iterator[Outcome]:
    if versions is False:
        yield Finding(
            "lock-absent", where, "keeps no versions, so nothing in it is under Object Lock",
            "make the bucket with Object Lock and a default rule, and move the store there",
        )  # fmt: skip
    else:
        yield Looked("versions for Object Lock", "kept" if versions else "the store is empty: not known yet")


def _free(where: str, versions: bool | None) -> Iterator[Outcome]:
    if versions:
        yield Finding(
            "payloads-versioned",
            where,
            "keeps versions, and payloads lie there in the clear: one that is deleted stays",
            "set [notary] payload_store to a bucket without versions, or [encryption], or let a rule end old versions",
            grave=False,
        )
