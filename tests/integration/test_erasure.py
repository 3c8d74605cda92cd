"""`affiant erase`: the payloads of single records go, after a signed statement, and nothing else does."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from audit.archive import Archive, Part
from audit.log import configured_governance_log, configured_log
from audit.objects.directory import DirectoryObjects
from audit.ship.external import ExternalStore
from registry.statement import PAYLOAD_ERASURE, Said, read
from tests.components.approvals import Done, House, affiant
from tests.components.erasable import SETTINGS, TOPIC, Erasable, subject, trees_of, write_erasable
from tests.components.packages import number_package

LOGGED = (int(time.time()) - 3 * 86_400) * 1000
ALL = {offset for offset in range(16) if offset not in (0, 6)}
"""Offsets with a row in the archive's payload files."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[House, Erasable]:
    """People, roles, a policy, a log that is another one, and what is sealed; `erasure` is bob's role."""
    house = House.build(tmp_path_factory.mktemp("house"), [number_package()])
    with house.file("affiant.toml").open("a") as file:
        file.write(SETTINGS)
    configured_log(house.loaded)
    trees_of(house.directory, store_of(house))
    return house, write_erasable(store_of(house), large(house).move, LOGGED)


@pytest.fixture
def house(made: tuple[House, Erasable], tmp_path: Path) -> House:
    """A copy of it."""
    return made[0].copy(tmp_path / "house")


@pytest.fixture
def log(made: tuple[House, Erasable]) -> Erasable:
    """What was written."""
    return made[1]


def store_of(house: House) -> DirectoryObjects:
    """Where its notary archives."""
    return DirectoryObjects(house.loaded.data / "sealed")


def large(house: House) -> ExternalStore:
    """Where large payloads are."""
    return ExternalStore(house.loaded.data / "objects")


def index(house: House) -> tuple[object, ...]:
    """The option."""
    return "--index", house.file("index.duckdb"), *house.config


def payloads(house: House) -> dict[int, bytes]:
    """What the archive has, by offset."""
    archive, found = Archive(store_of(house)), {}
    for file in archive.all_files(Part.PAYLOADS):
        rows = archive.rows(file, ["offset", "payload"]).to_pylist()
        found |= {row["offset"]: row["payload"] for row in rows}
    return found


def erase(house: House, *more: object, person: str = "bob") -> Done:
    """Do it."""
    key = ("--key", house.key(person), "--reason", "request 17", "--yes", "--json")
    return affiant("erase", *more, *key, *index(house))


def states(done: Done) -> dict[int, str]:
    """By offset."""
    return {each["offset"]: each["state"] for each in done.json["records"]}


def said(house: House) -> list[Said]:
    """Erasures that the log tells of."""
    with closing(configured_governance_log(house.loaded, create=False).reader()) as reader:
        return list(read(reader, house.board().roots.public_keys(), types={PAYLOAD_ERASURE}))


def verified(house: House, *more: object) -> dict[str, Any]:
    """The records' tree, in which nothing may be wrong."""
    done = affiant("audit", "verify", "--json", *more, *house.config)
    (tree,) = [each for each in done.json["trees"] if TOPIC.hex() in each["origin"]]
    assert tree["flaws"] == []
    assert done.json["flaws"] == []
    return tree


def test_a_record_is_erased_with_what_hangs_on_it(house: House, log: Erasable) -> None:
    """The shadow's answer and the labels of it too; all others stay, byte for byte, and all of it verifies."""
    before = payloads(house)
    assert set(before) == ALL
    done = erase(house, "--record", log.record(4))
    assert (done.code, states(done)) == (0, dict.fromkeys((4, 5, 7, 8), "erased")), done
    assert payloads(house) == {at: each for at, each in before.items() if at not in (4, 5, 7, 8)}
    (statement,) = said(house)
    assert statement.predicate["reason"] == "request 17"
    assert statement.predicate["actor"] == "bob"
    assert {each["offset"] for each in statement.predicate["records"]} == {4, 5, 7, 8}
    assert statement.subjects[0] == f"sha256:{log.digest(4).hex()}"
    assert verified(house)["payloads"] == 10
    again = erase(house, "--record", log.record(4))
    assert (again.code, again.json["erased"], len(said(house))) == (0, 0, 1)


def test_who_reads_payloads_is_told_whose_word_erased_them(house: House, log: Erasable) -> None:
    """Verify, show, replay and bundle: by the statement, and no payload that is merely gone is called erased."""
    assert erase(house, "--subject", subject(3).hex()).code == 0
    (file,) = [each for each in Archive(store_of(house)).all_files(Part.PAYLOADS) if each.first == 8]
    tree = verified(house)
    assert (tree["erased"], tree["still_there"], tree["without_payload"]) == (5, 0, 3)
    (remark,) = [each for each in tree["remarks"] if each["what"] == "erasure"]
    words = "request 17 (offset 1 of the governance log)"
    assert "5 payloads are erased: bob, " in remark["message"]
    assert words in remark["message"]
    shown = affiant("audit", "show", log.record(4), *index(house))
    assert (shown.code, words in shown.out) == (0, True), shown
    told = affiant("audit", "show", log.record(4), "--json", *index(house)).json["erased"]
    assert (told["person"], told["statement"]) == ("bob", 1)
    bundle = affiant(
        "audit", "bundle", "-o", house.file("e.zip"), "--record", log.record(4), "--record", log.record(2), "--json",
        *index(house),
    )  # fmt: skip
    assert (bundle.code, bundle.json["without_payload"]) == (0, 1)
    assert [words in each for each in bundle.json["erased"]] == [True]
    replayed = affiant("audit", "replay", "--archive", log.record(4), *house.config)
    assert "payload: erased: bob, " in replayed.out, replayed
    store_of(house).remove(file.name)
    tree = verified(house)
    assert (tree["erased"], tree["without_payload"]) == (5, 9)
    gone = affiant("audit", "show", log.record(10), *index(house))
    assert "its payload is neither in the archive" in gone.out
    gone = affiant("audit", "replay", "--archive", log.record(10), *house.config)
    assert "no signed statement tells of its erasure" in gone.out
