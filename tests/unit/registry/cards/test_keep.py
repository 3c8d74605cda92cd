"""Cards follow the facts: which are attached again, and what keeps no others from it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from registry.approvals.board import Board, read_board
from registry.cards.attached import Attachment, LayoutAttachments
from registry.cards.attached.layout import OF
from registry.cards.documents import parse_documents
from registry.cards.facts import facts_of
from registry.cards.keep import DOCUMENTS, Done, keep, sync
from registry.package import Package
from tests.components.lineage import LineageSite

SAID = parse_documents(b"purpose: To decide on loans.\n")


@pytest.fixture
def site(tmp_path: Path) -> LineageSite:
    """Two packages, the first one with cards."""
    return LineageSite(tmp_path)


def attach(site: LineageSite, package: Package) -> Done:
    """The first cards, with what people wrote."""
    facts = facts_of(package, board(site), SAID, now=site.clock, publisher=None)
    return keep(place(site), [], facts, {"model-card.md": b"# x\n"}, site.clock)


def place(site: LineageSite) -> LayoutAttachments:
    return LayoutAttachments(site.directory / "store")


def board(site: LineageSite) -> Board:
    return read_board(site.log, site.first)


def synced(site: LineageSite, told: Callable[[int], Callable[[int], None]] | None = None) -> list[Done]:
    begin = told or (lambda _: lambda _: None)
    return sync(site.store, place(site), board(site), lambda: site.clock, begin)


def test_cards_are_written_again_when_something_was_signed(site: LineageSite) -> None:
    """Once; with what people wrote; a package that has none gets none."""
    made, _ = site.publish("credit"), site.publish("bare")
    site.deploy("dan", made.digest)
    first = attach(site, made)
    assert synced(site) == [Done(made.digest, first.attached, False)]
    site.deploy("dan", made.digest, service="cards")
    steps: list[int] = []
    (done,) = synced(site, lambda count: lambda one: steps.append(one * count))
    assert (done.digest, done.changed, done.attached != first.attached) == (made.digest, True, True)
    assert steps == [2, 2]
    newest, oldest = place(site).attached(made.digest)
    assert (newest.digest, oldest.digest) == (done.attached, first.attached)
    assert place(site).fetch(newest, DOCUMENTS) == SAID.raw
    assert b"cards" in place(site).fetch(newest, "facts.json")
    assert synced(site) == [Done(made.digest, done.attached, False)]


def test_damage_is_told_and_stops_no_other(site: LineageSite) -> None:
    """A package's manifest, cards of another package, cards of this one."""
    packages = [site.publish(name) for name in ("credit", "other", "third")]
    good, bad, gone = packages
    first, cards = attach(site, good), attach(site, bad)
    blobs = site.directory / "store" / "blobs" / "sha256"
    for digest in (cards.attached, gone.digest):
        (blobs / digest[7:]).write_bytes(b"damaged")
    done = {each.digest: each for each in synced(site)}
    assert done[good.digest] == Done(good.digest, first.attached, False)
    assert done.keys() == {each.digest for each in packages}
    assert all(done[each.digest].problem and not done[each.digest].attached for each in (bad, gone))


def test_cards_of_before_are_still_found(site: LineageSite) -> None:
    """Their entries do not say of which package they are: each manifest is asked."""
    made, other = site.publish("credit"), site.publish("other")
    kept = [
        place(site).attach(Attachment(each, "sha256:" + "1" * 64, 5.0, {"model-card.md": b"# x\n"}))
        for each in (made, other)
    ]
    index = site.directory / "store" / "index.json"
    content = json.loads(index.read_bytes())
    for entry in content["manifests"]:
        entry["annotations"].pop(OF, None)
    index.write_text(json.dumps(content))
    assert [[each.digest for each in place(site).attached(one.digest)] for one in (made, other)] == [
        [kept[0]], [kept[1]],
    ]  # fmt: skip
