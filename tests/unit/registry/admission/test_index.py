"""The index that a gateway keeps of the governance log: taken when it is of that very log, else made again."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from audit.proof.merkle import LeafNodes
from audit.proof.merkle import root as merkle_root
from audit.show import walk
from registry.approvals.root import KeyModel
from registry.errors import NotAdmitted
from registry.ledger import Covered, Index, IndexDamaged, Ledger
from registry.ledger.mentions import Mentions
from registry.statement import APPROVAL, GATES, REVOCATION
from service.admitted import Admission
from service.settings import PlanSettings
from service.view import GrowingTree, KeptIndex, View

GOOD, OTHER = "sha256:" + "ab" * 32, "sha256:" + "cd" * 32
COVERED = Covered("12" * 16, 3, "34" * 32)
PLAN = (PlanSettings(service="credit", digest=GOOD),)


def made() -> Index:
    """Of three entries; nothing is said by the second."""
    index = Index()
    index.add(Mentions((GATES,), (bytes.fromhex("ab" * 32),)))
    index.add(None)
    index.add(Mentions((APPROVAL, GATES), (bytes.fromhex("ab" * 32), bytes.fromhex("cd" * 32))))
    return index


def read(world: Any, kept: KeptIndex) -> View:
    """The world's log as a gateway reads it at its start."""
    reader = world.log.reader()
    view = View(world.log.topic(), Ledger(world.first), kept.read(), None)
    for entry in walk(reader, 0, 0, reader.bounds(0)[1]):
        view.take(entry)
    reader.close()
    return view


@pytest.fixture
def gateway(approved: Any, tmp_path: Path) -> Callable[[], Admission]:
    """A gateway, started as often as it is called."""
    root = tmp_path / "root.json"
    root.write_bytes(approved.first.envelope.encode())
    return lambda: Admission(
        tmp_path / "admission" / "0.json",
        root,
        approved.log,
        lambda _: approved.lineage,
        lambda: approved.clock,
    )


def test_an_index_comes_back_as_it_was() -> None:
    """Offsets by type and by digest; nothing is about what was never mentioned."""
    found, covered, more = Index.decode(made().encode(COVERED, {"a": [1]}))
    assert (covered, more) == (COVERED, {"a": [1]})
    assert list(found.of_type(GATES)) == [0, 2]
    assert list(found.of_type(REVOCATION)) == []
    assert [list(found.about(each)) for each in (GOOD, OTHER, "sha256:" + "00" * 32)] == [[0, 2], [2], []]
    assert found.mentioned() == bytes([1, 0, 1])
    assert found == made()


def test_each_byte_of_an_index_counts() -> None:
    """One that is flipped, or cut off, makes it none."""
    raw = made().encode(COVERED)
    for place in range(len(raw)):
        with pytest.raises(IndexDamaged):
            Index.decode(raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :])
        with pytest.raises(IndexDamaged):
            Index.decode(raw[:place])


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        (b'"end":3', b'"end":2', "beyond its end"),
        (b'"end":3', b'"end":-', "no JSON"),
        (b'"end":3', b'"and":3', "not of this format"),
        (b'"digests":[2,1]', b'"digests":[2,9]', "less than its header"),
        (b'"digests":[2,1]', b'"digests":[2,0]', "more than its header"),
        (b'"known":["https://affiant.dev/approval/v1",', b'"known":[', "not of this format"),
        (b'"more":null,', b"", "not of this format"),
    ],
)
def test_an_index_that_contradicts_itself_is_none(old: bytes, new: bytes, why: str) -> None:
    """Also when whoever wrote it has hashed it."""
    raw = made().encode(COVERED)[:-32]
    start = raw.index(b"\n") + 5
    length = int.from_bytes(raw[start - 4 : start], "little")
    head, rest = raw[start : start + length], raw[start + length :]
    assert old in head
    changed = head.replace(old, new)
    raw = raw[: start - 4] + len(changed).to_bytes(4, "little") + changed + rest
    with pytest.raises(IndexDamaged, match=why):
        Index.decode(raw + sha256(raw).digest())


def test_what_was_kept_is_taken_at_the_next_start(approved: Any, tmp_path: Path) -> None:
    """And goes on from there: what came since is told as well, and the answers are the same."""
    kept = KeptIndex(tmp_path / "0.index", worth=1)
    before = read(approved, kept)
    kept.write(before)
    approved.approve("bob", "compliance", type_=REVOCATION)
    after = read(approved, kept)
    assert after.written == before.end == after.end - 1
    assert after.ledger.about(GOOD) == approved.said()[1:]
    assert list(after.ledger.index.of_type(REVOCATION)) == [before.end]


def test_deployments_go_on_from_what_was_kept(approved: Any, tmp_path: Path) -> None:
    """Without looking at each again; and as they would from the first, whatever was kept of them."""
    path = tmp_path / "0.index"
    kept = KeptIndex(path, worth=1)
    first, second = approved.deploy("dan", GOOD), approved.deploy("cyd", OTHER)
    void = approved.deploy("ann", GOOD)
    approved.deploy("dan", OTHER, "pause")
    before = read(approved, kept)
    kept.write(before)
    approved.deploy("dan", OTHER, "resume")
    approved.replay(void, void + 1)
    third = approved.deploy("dan", GOOD)
    for damage in (
        None,
        {},
        {"strangers": [], "deployments": {"credit": 7}},
        {"strangers": 1, "deployments": {}},
    ):
        if damage is not None:
            index, covered, _ = Index.decode(path.read_bytes())
            path.write_bytes(index.encode(covered, damage))
        view = read(approved, kept)
        assert view.written == before.end
        assert {name: [each.digest for each in plan] for name, plan in view.ledger.plans.items()} == {
            "credit": [GOOD]
        }
        places = (first, first + 1, second + 1, third, third + 1)
        assert [view.ledger.live_at("credit", each) for each in places] == [None, GOOD, OTHER, OTHER, GOOD]
        assert view.ledger.live_at("cards", third) is None


@pytest.mark.parametrize("restarted", [False, True])
def test_a_deployment_of_a_key_that_came_later_is_known_after_a_restart(
    approved: Any, tmp_path: Path, restarted: bool
) -> None:
    """It was nobody's when it was read; sent again when its key may deploy, it is as old as it was."""
    kept = KeptIndex(tmp_path / "0.index", worth=1)
    early = approved.deploy("eve", GOOD)
    view = read(approved, kept)
    kept.write(view)
    eve, content = approved.keys["eve"], approved.content()
    keys = content.keys | {eve.id: KeyModel(public=eve.public_key.hex(), person="eve")}
    deploy = content.roles["deploy"].model_copy(update={"keys": [*content.roles["deploy"].keys, eve.id]})
    roles = content.roles | {"deploy": deploy}
    approved.change_root(approved.root(version=2, previous=approved.first.digest, keys=keys, roles=roles))
    if restarted:
        view = read(approved, kept)
        assert view.written == early + 1
    else:
        view.ledger.take(list(walk(approved.log.reader(), 0, view.end, len(approved.said()))))
    assert view.ledger.plans == {}
    approved.replay(early, early + 1)
    view.ledger.take(list(walk(approved.log.reader(), 0, early + 2, early + 3)))
    assert view.ledger.plans == {}
    approved.deploy("eve", OTHER)
    view.ledger.take(list(walk(approved.log.reader(), 0, early + 3, early + 4)))
    assert [each.digest for each in view.ledger.plans["credit"]] == [OTHER]


def test_nothing_is_kept_for_a_few_entries(approved: Any, tmp_path: Path) -> None:
    """They are told anew sooner than a file is written."""
    path = tmp_path / "0.index"
    KeptIndex(path, worth=100).write(read(approved, KeptIndex(path)))
    assert not path.exists()


def test_an_index_of_another_log_is_not_taken(approved: Any, tmp_path: Path) -> None:
    """Of as many entries, of which one is another: its approval is not looked for where a revocation stands now."""
    kept = KeptIndex(tmp_path / "0.index", worth=1)
    shutil.copytree(tmp_path / "log", tmp_path / "before")
    approved.approve("bob", "compliance")
    kept.write(read(approved, kept))
    shutil.rmtree(tmp_path / "log")
    shutil.copytree(tmp_path / "before", tmp_path / "log")
    approved.approve("bob", "compliance", type_=REVOCATION)
    view = read(approved, kept)
    assert view.written == 0
    assert view.ledger.about(GOOD)[-1].type == REVOCATION
    assert list(view.ledger.index.of_type(REVOCATION)) == [view.end - 1]


@pytest.mark.parametrize(
    "damage", [lambda raw: raw[:-1], lambda _: b"", lambda raw: raw[:40] + b"x" + raw[41:]]
)
def test_a_damaged_index_is_made_again(
    approved: Any, tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    """Whatever was done to it, the answers are those of the log."""
    path = tmp_path / "0.index"
    kept = KeptIndex(path, worth=1)
    kept.write(read(approved, kept))
    path.write_bytes(damage(path.read_bytes()))
    view = read(approved, kept)
    assert view.written == 0
    assert view.ledger.about(GOOD) == approved.said()[1:]
    kept.write(view)
    assert read(approved, kept).written == view.end


def test_a_disk_that_does_not_take_the_index_stops_nothing(approved: Any, tmp_path: Path) -> None:
    """There is no directory for it."""
    kept = KeptIndex(tmp_path / "absent" / "0.index", worth=1)
    view = read(approved, kept)
    kept.write(view)
    assert kept.read() is None


def test_what_only_names_a_digest_is_not_about_it(approved: Any) -> None:
    """In whatever text: the index says where to look, and what stands there says what it is about."""
    approved.approve("bob", "compliance", OTHER, note=GOOD.removeprefix("sha256:"), type_=REVOCATION)
    ledger = Ledger(approved.first)
    ledger.take(walk(approved.log.reader(), 0, 0, len(approved.said())))
    assert len(ledger.index.about(GOOD)) == 4
    assert len(ledger.about(GOOD)) == 3
    assert ledger.verdict("credit", GOOD, "live", now=approved.clock, publisher="zoe").admitted


@pytest.mark.parametrize("grown", [False, True])
def test_a_running_gateway_does_not_forget_by_a_log_that_was_put_back(
    approved: Any, gateway: Any, tmp_path: Path, grown: bool
) -> None:
    """Shorter, it is noticed although the last look's reader goes on; made longer by something else, what was read
    before still stands, and the next start notices.
    """
    shutil.copytree(tmp_path / "log", tmp_path / "kept")
    running = gateway()
    running.admit(PLAN)
    approved.approve("bob", "compliance", type_=REVOCATION)
    assert running.admit(PLAN).entries == ()
    shutil.rmtree(tmp_path / "log")
    shutil.copytree(tmp_path / "kept", tmp_path / "log")
    if not grown:
        with pytest.raises(NotAdmitted, match="read before"):
            running.admit(PLAN)
        return
    for _ in range(3):
        approved.gates()
    assert running.admit(PLAN).entries == ()
    with pytest.raises(NotAdmitted, match="read before"):
        gateway().admit(PLAN)


def test_a_tree_that_grows_has_the_roots_of_its_leaves() -> None:
    """Of each size, now and later."""
    leaves = [sha256(b"%d" % each).digest() for each in range(70)]
    tree = GrowingTree()
    for leaf in leaves:
        tree.append(leaf)
    for size in range(len(leaves) + 1):
        assert merkle_root(tree, size) == merkle_root(LeafNodes(leaves[:size]), size)
