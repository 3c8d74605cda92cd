"""Cards kept with a package for as long as they say what is so: attached again when a fact has changed."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from audit.errors import ConfigError
from registry.approvals.board import Board
from registry.errors import NotFound, PackageError
from registry.lineage.publisher import publisher_of
from registry.package import Package
from registry.stores import Store

from .attached import Attached, Attachment, Attachments
from .cards import render
from .documents import Documents, parse_documents
from .facts import Facts, facts_of

DOCUMENTS = "documents.yaml"


@dataclass(frozen=True, slots=True)
class Done:
    """What became of a package's cards."""

    digest: str
    """Of the package."""
    attached: str
    """Digest of the newest cards; empty: there are none, or `problem`."""
    changed: bool
    """Whether they were attached now."""
    problem: str = ""
    """Why they could not be rewritten."""


def documents_of(kept: Attachments, found: list[Attached]) -> Documents | None:
    """What people wrote, as it was attached last; None: nothing was.

    Raises:
        PackageError: its bytes are not those that were attached.
        ConfigError: they are no documents.
    """
    if not found or DOCUMENTS not in found[0].files:
        return None
    return parse_documents(kept.fetch(found[0], DOCUMENTS), f"the attached {DOCUMENTS}")


def keep(
    kept: Attachments, before: list[Attached], facts: Facts, cards: Mapping[str, bytes], now: float
) -> Done:
    """Attach the cards, unless these facts are those of the newest ones.

    Args:
        kept: where cards are kept.
        before: those of the package, newest first.
        facts: as they are now.
        cards: of these facts.
        now: seconds since 1970 UTC.
    """
    package = facts.package
    if before and before[0].facts == facts.digest:
        return Done(package.digest, before[0].digest, False)
    files = {**cards, "facts.json": json.dumps(facts.told(), sort_keys=True).encode()}
    if facts.documents is not None:
        files[DOCUMENTS] = facts.documents.raw
    return Done(package.digest, kept.attach(Attachment(package, facts.digest, now, files)), True)


def sync(
    store: Store,
    kept: Attachments,
    board: Board | None,
    clock: Callable[[], float],
    begin: Callable[[int], Callable[[int], None]],
) -> list[Done]:
    """Rewrite the cards of every package that has some, where a fact has changed since. Others get none.

    MUST go on past a package whose bytes, or whose cards, are wrong: it is told of, with why.

    Args:
        store: the packages.
        kept: their cards.
        board: the governance log; None: nothing is governed.
        clock: seconds since 1970 UTC.
        begin: told how many packages there are; what it returns is told of each.

    Raises:
        StoreUnavailable, StoreDamaged: the store does not answer, or cannot be listed.
    """
    listed = store.list()
    done = [Done(each.digest, "", False, each.problem) for each in listed.flaws]
    progress = begin(len(listed))
    for each in listed:
        try:
            if before := kept.attached(each.digest):
                done.append(_rewritten(store.pull(each.digest), kept, before, board, clock()))
        except (PackageError, NotFound, ConfigError) as error:
            done.append(Done(each.digest, "", False, str(error)))
        progress(1)
    return done


def _rewritten(
    package: Package, kept: Attachments, before: list[Attached], board: Board | None, now: float
) -> Done:
    publisher = publisher_of(package)
    facts = facts_of(package, board, documents_of(kept, before), now=now, publisher=publisher)
    if before[0].facts == facts.digest:  # drawing them takes longest
        return Done(package.digest, before[0].digest, False)
    return keep(kept, before, facts, render(facts, now=now, publisher=publisher), now)
