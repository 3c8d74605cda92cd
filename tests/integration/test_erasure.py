"""`affiant erase`: the payloads of single records go, after a signed statement, and nothing else does."""

from __future__ import annotations

import json
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from audit.archive import Archive, Part
from audit.archive.files import encode_entries, encode_payloads, payloads_table
from audit.erasure.told import Item
from audit.governance import Governance
from audit.log import configured_governance_log, configured_log
from audit.objects.directory import DirectoryObjects
from audit.proof.record import frame_record
from audit.ship.external import ExternalStore
from audit.subjects import SubjectKeys
from cli.erase_select import pseudonyms
from registry.erasure import encode_erasure, fold_erasures
from registry.statement import PAYLOAD_ERASURE, Said, append, read
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
    assert verified(house)["payloads"] == 11  # one of them in the object store
    again = erase(house, "--record", log.record(4))
    assert (again.code, again.json["erased"], len(said(house))) == (0, 0, 1)


def test_without_yes_nothing_is_changed(house: House, log: Erasable) -> None:
    """What would be erased is shown, where it is, why it is among them, and who has copies."""
    with house.file("affiant.toml").open("a") as file:
        file.write('[fluentd]\naddress = "127.0.0.1:24224"\npayloads = true\n')
    before = payloads(house)
    done = affiant("erase", "--subject", subject(0).hex(), "--json", *index(house))
    found = {each["offset"]: (each["state"], each["places"]) for each in done.json["records"]}
    assert done.code == 0
    assert found == {
        1: ("to erase", ["archive"]), 6: ("to erase", ["object store"]), 12: ("to erase", ["archive"]),
        16: ("nowhere", []),
    }  # fmt: skip
    assert "127.0.0.1:24224" in done.json["elsewhere"][0]
    text = affiant("erase", "--record", log.record(4), *index(house))
    assert "4 payloads would be erased" in text.out
    assert "a label of such a record" in text.out
    assert (payloads(house), said(house), large(house).there(log.digest(6))) == (before, [], True)
    for words, wrong in (
        (("--record", log.record(4), "--yes"), "--yes needs --reason and --key"),
        ((), "say which records"),
        (("--subject", "bob"), "wanted a pseudonym"),
        (("--person", house.file("ann.pub")), "--person needs [gateway] subject_keys_file"),
    ):
        refused = affiant("erase", *words, *index(house))
        assert (refused.code, wrong in refused.err) == (2, True), refused
    unknown = affiant("erase", "--record", log.record(99), *index(house))
    assert (unknown.code, "no sealed record" in unknown.err) == (1, True)


def test_persons_are_found_by_their_ids_under_every_key(house: House, log: Erasable) -> None:
    """Ids are read from a file, and not printed; what is large goes from the object store."""
    keys = [bytes([each]) * 32 for each in (1, 2)]
    ids = house.file("ids.txt")
    ids.write_text("person-17\n")
    house.file("subjects.json").write_text(
        json.dumps(
            {"format": 1, "keys": [{"key": each.hex(), "created": "2026-01-02T03:04:05Z"} for each in keys]}
        )
    )
    house.file("subjects.json").chmod(0o600)
    with house.file("affiant.toml").open("a") as file:
        file.write('[gateway]\nsubject_keys_file = "subjects.json"\n')
    done = affiant("erase", "--person", ids, *index(house))
    assert (done.code, "no sealed record of these subjects" in done.err) == (1, True)
    assert "person-17" not in done.out + done.err
    assert pseudonyms(house.loaded, ids) == [
        each.hex() for each in SubjectKeys(tuple(keys)).pseudonyms(b"person-17")
    ]
    assert erase(house, "--subject", subject(0).hex()).code == 0
    assert not large(house).there(log.digest(6))
    assert set(payloads(house)) == ALL - {1, 12}


@pytest.mark.parametrize("person", ["dan", "eve"])
def test_who_has_not_the_role_erases_nothing(house: House, log: Erasable, person: str) -> None:
    """The role retention is another one; nor does what they say of an erasure count."""
    before = payloads(house)
    done = erase(house, "--record", log.record(4), person=person)
    assert (done.code, "has not the role erasure" in done.err) == (1, True)
    assert (payloads(house), said(house)) == (before, [])
    body = encode_erasure([Item(TOPIC, 0, 4, None, log.digest(4))], "so", person, time.time())
    append(Governance(configured_governance_log(house.loaded), house.signer(person)), [body])
    assert affiant("erase", "show", "--json", *house.config).json["records"] == []
    assert affiant("erase", "complete", *house.config).code == 0
    assert payloads(house) == before


def test_a_label_of_an_id_that_others_have_is_left_and_named(house: House, log: Erasable) -> None:
    """Nobody knows whose it is, before all records of the id are asked for."""
    done = erase(house, "--subject", subject(1).hex())
    assert done.code == 1
    assert done.json["wrong"] == [
        "partition 0, offset 11: a label of a request id that other records have, too"
    ]
    assert set(payloads(house)) == ALL - {2, 9, 13}
    both = ("--subject", subject(1).hex(), "--subject", subject(2).hex())
    assert erase(house, *both).code == 0
    assert set(payloads(house)) == ALL - {2, 9, 13, 3, 10, 14, 11}


def test_an_archive_that_was_changed_makes_nobody_erase_another_record(house: House, log: Erasable) -> None:
    """What it says of whom a record is about is held to the sealed entry."""
    archive = Archive(store_of(house))
    first = next(file for file in archive.all_files(Part.ENTRIES) if file.first == 0)
    rows, stored = archive.rows(first), store_of(house).get(first.name)
    assert stored is not None
    about = rows.column("subject").to_pylist()
    about[3] = subject(0).hex()
    at = rows.schema.get_field_index("subject")
    changed = rows.set_column(at, rows.schema.field(at), pa.array(about, pa.string()))
    store_of(house).swap(first.name, encode_entries(changed), stored.version)
    done = erase(house, "--subject", subject(0).hex())
    assert (done.code, set(states(done))) == (1, {1, 6, 12, 16})
    assert "partition 0, offset 3: the archive says subject" in done.json["wrong"][0]
    assert 3 in payloads(house)


def test_what_the_minimum_keeps_is_kept_unless_it_is_said(house: House, log: Erasable) -> None:
    """Which the statement says, too."""
    with house.file("affiant.toml").open("a") as file:
        file.write("[retention]\npayload_min_days = 30\n")
    done = erase(house, "--record", log.record(2))
    assert (done.code, states(done), said(house)) == (1, {2: "too young"}, [])
    assert 2 in payloads(house)
    assert erase(house, "--record", log.record(2), "--despite-minimum").code == 0
    assert 2 not in payloads(house)
    assert [each.predicate["despite_minimum"] for each in said(house)] == [True]


def test_what_the_log_still_has_is_named_and_the_archive_is_erased_all_the_same(
    house: House, log: Erasable
) -> None:
    """One copy less; the statement stands, and what comes back is erased without a key."""
    path = house.loaded.data / "log" / "topic.json"
    other = path.read_text()
    path.write_text(json.dumps(json.loads(other) | {"id": TOPIC.hex()}))
    done = erase(house, "--record", log.record(2))
    (record,) = done.json["records"]
    assert (done.code, record["places"], record["state"]) == (1, ["log"], "to erase")
    assert 2 not in payloads(house)
    told = affiant("erase", "show", *house.config)
    assert (told.code, "1 payload is still in the log itself" in told.err) == (1, True)
    path.write_text(other)
    assert affiant("erase", "show", *house.config).code == 0
    for file in Archive(store_of(house)).all_files(Part.PAYLOADS):
        if file.first == 0:
            stored = store_of(house).get(file.name)
            assert stored is not None
            restored = payloads_table([2], [log.digest(2)], [log.payloads[2]])
            store_of(house).swap(file.name, encode_payloads(restored), stored.version)
    assert verified(house)["still_there"] == 1
    assert affiant("erase", "show", *house.config).code == 1
    again = affiant("erase", "complete", "--json", *house.config)
    assert (again.code, again.json["erased"], len(said(house))) == (0, 1, 1)
    assert 2 not in payloads(house)


def test_a_range_of_which_all_is_erased_is_erased_to_retention(house: House, log: Erasable) -> None:
    """Its file is gone, and somebody has said why; one that is gone untold still is."""
    everybody = [word for number in range(4) for word in ("--subject", subject(number).hex())]
    assert erase(house, *everybody).code == 0
    assert payloads(house) == {}
    done = affiant("retention", "show", "--json", *house.config)
    assert (done.code, [each["state"] for each in done.json["ranges"]]) == (0, ["erased", "erased"])
    large(house).move(frame_record(log.entries[6], log.payloads[6]))
    done = affiant("retention", "show", "--older-than", "1", "--json", *house.config)
    assert (done.code, [each["state"] for each in done.json["ranges"]]) == (1, ["due", "erased"])


class Ended(BaseException):
    """As a kill ends it."""


@pytest.mark.parametrize("steps", range(4))
def test_a_crash_between_the_steps_leaves_what_the_next_run_completes(
    house: House, log: Erasable, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    """Before the statement; behind it; behind the large payload; behind the first file. Nothing is gone untold."""
    before, done = payloads(house), list[str]()
    gone = {1, 12}

    def counted(real: Any) -> Any:
        def call(*arguments: Any, **named: Any) -> Any:
            if len(done) == steps:
                raise Ended
            done.append(real.__name__)
            return real(*arguments, **named)

        return call

    with monkeypatch.context() as patched:
        patched.setattr(Governance, "append", counted(Governance.append))
        patched.setattr(DirectoryObjects, "swap", counted(DirectoryObjects.swap))
        patched.setattr(DirectoryObjects, "remove", counted(DirectoryObjects.remove))
        with pytest.raises(Ended):
            erase(house, "--subject", subject(0).hex())
    assert done == ["append", "remove", "swap", "swap"][:steps]
    told = fold_erasures(house.board().roots, said(house))
    left = payloads(house)
    assert {at: each for at, each in left.items() if at not in gone} == {
        at: each for at, each in before.items() if at not in gone
    }
    assert all(log.digest(at) in told for at in gone - left.keys())
    assert large(house).there(log.digest(6)) or log.digest(6) in told
    if steps > 1:
        assert affiant("erase", "complete", *house.config).code == 0
    assert erase(house, "--subject", subject(0).hex()).code == 0
    assert (set(payloads(house)), len(said(house))) == (ALL - gone, 1)


@pytest.mark.parametrize(
    ("why", "changed"),
    [
        ("kept back for two hours", {"at": -7200.0}),
        ("a key more", {"more": 1}),
        ("another digest than its subject's", {"records": {"digest": "1" * 64}}),
        ("no topic", {"records": {"topic": "records"}}),
        ("no record id", {"records": {"record": "bob"}}),
    ],
)
def test_what_is_no_statement_of_an_erasure_tells_of_none(
    house: House, log: Erasable, why: str, changed: dict[str, Any]
) -> None:
    """Signed by bob all the same; unchanged, the same statement counts."""
    at, digest = round(time.time(), 3), log.digest(2).hex()
    record = {
        "topic": TOPIC.hex(), "partition": 0, "offset": 2, "record": log.record(2), "digest": digest, "external": False,
    }  # fmt: skip
    made = {
        "format": 1, "records": [record], "despite_minimum": False, "reason": "so", "actor": "bob", "at": at,
    }  # fmt: skip
    wrong = made | changed
    if "at" in changed:
        wrong["at"] = at + changed["at"]
    if "records" in changed:
        wrong["records"] = [record | changed["records"]]
    house.say("bob", PAYLOAD_ERASURE, wrong, f"sha256:{digest}")
    roots = house.board().roots
    assert fold_erasures(roots, said(house)) == {}, why
    house.say("bob", PAYLOAD_ERASURE, made, f"sha256:{digest}")
    (told,) = fold_erasures(roots, said(house)).values()
    assert (told.person, told.item.offset, told.statement) == ("bob", 2, 2)


def test_who_reads_payloads_is_told_whose_word_erased_them(house: House, log: Erasable) -> None:
    """Verify, show, replay and bundle: by the statement, and no payload that is merely gone is called erased."""
    assert erase(house, "--subject", subject(3).hex()).code == 0
    (file,) = [each for each in Archive(store_of(house)).all_files(Part.PAYLOADS) if each.first == 8]
    tree = verified(house)
    assert (tree["erased"], tree["still_there"], tree["without_payload"]) == (5, 0, 2)
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
    assert (tree["erased"], tree["without_payload"]) == (5, 8)
    gone = affiant("audit", "show", log.record(10), *index(house))
    assert "its payload is neither in the archive" in gone.out
    gone = affiant("audit", "replay", "--archive", log.record(10), *house.config)
    assert "no signed statement tells of its erasure" in gone.out


def test_a_payload_in_the_object_store_is_verified_too(house: House, log: Erasable) -> None:
    """Its bytes are held to the entry: what is there and is not its payload is wrong, what is not there is located."""
    here = verified(house)
    there = verified(house, "--no-payloads")
    assert (here["payloads"], here["external"]) == (there["payloads"] + 1, 0)
    assert (there["external"], there["without_payload"]) == (1, here["without_payload"] + 1)
    name = log.digest(6).hex()
    path = house.loaded.data / "objects" / "payloads" / name[:2] / name
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    done = affiant("audit", "verify", "--json", *house.config)
    (flaw,) = [flaw for tree in done.json["trees"] if TOPIC.hex() in tree["origin"] for flaw in tree["flaws"]]
    assert (done.code, flaw["what"], flaw["offset"]) == (1, "payload", 6)
    assert name in flaw["message"]
    path.unlink()
    tree = verified(house)
    assert tree["unexplained"] == [[6, 6], *here["unexplained"]]
    (remark,) = [each for each in tree["remarks"] if each["what"] == "payload"]
    assert "the object store does not have them either" in remark["message"]


def test_what_retention_has_deleted_is_told_as_that(house: House, log: Erasable) -> None:
    """With whose word and how many; a file that goes untold, and one row of another range, are not."""
    with house.file("affiant.toml").open("a") as file:
        file.write("[retention]\npayload_max_days = 1\n")
    before = verified(house)
    key = ("--key", house.key("dan"), "--reason", "two days are the law", "--yes", "--json")
    done = affiant("retention", "apply", *key, *house.config)
    deleted = [(each["first"], each["last"]) for each in done.json["deleted"]]
    assert (done.code, len(deleted), payloads(house)) == (0, 2, {})
    tree = verified(house)
    assert (tree["payloads"], tree["deleted"]) == (0, before["payloads"])
    assert tree["unexplained"] == before["unexplained"]
    (remark,) = [each for each in tree["remarks"] if each["what"] == "retention"]
    assert f"{tree['deleted']} payloads were deleted, their time was over: dan, " in remark["message"]
    assert verified(house, "--no-log")["deleted"] == 0
