"""`affiant retention`: what is over its time is told, then deleted, by whoever may, and never earlier."""

from __future__ import annotations

import time
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from audit.archive.names import Part, files_of
from audit.errors import ObjectsUnavailable
from audit.governance import Governance
from audit.log import configured_governance_log, configured_log
from audit.objects.directory import DirectoryObjects
from audit.proof.errors import FormatError
from audit.proof.record import frame_record
from audit.ship.external import ExternalStore
from registry.deletion import DeletedFile, encode_deletion, fold_deletions
from registry.statement import PAYLOAD_DELETION, Said, append, read
from tests.components.approvals import Done, House, affiant
from tests.components.archived import TOPIC, archived, label
from tests.components.packages import number_package

LARGE = sha256(b"1".zfill(300_000)).digest()
DAYS = "[retention]\npayload_min_days = 1\npayload_max_days = 2\n"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> House:
    """People, roles, a policy, and a log of records; `retention` is dan's role."""
    house = House.build(tmp_path_factory.mktemp("house"), [number_package()])
    configured_log(house.loaded)
    return house


@pytest.fixture
def house(built: House, tmp_path: Path) -> House:
    """The same, with four days in the archive, the last of them today; a large payload on the first."""
    house = built.copy(tmp_path / "house")
    with house.file("affiant.toml").open("a") as file:
        file.write(DAYS)
    entry, payload = label(1, 300_000, EXTERNAL=True)
    kept = frame_record(entry, payload)
    assert ExternalStore(house.loaded.data / "objects").move(kept) == frame_record(entry, b"")
    days = [[label(0), (entry, b"")], [label(2)], [label(3)], [label(4)]]
    archived(
        store_of(house), days, int(time.time() * 1000) + 3_600_000
    )  # an hour short of one, two and three days
    return house


def store_of(house: House) -> DirectoryObjects:
    """Where its notary would archive."""
    return DirectoryObjects(house.loaded.data / "sealed")


def files(house: House) -> list[int]:
    """First offsets of the payload files that there are."""
    return [each.first for each in files_of(store_of(house), Part.PAYLOADS)]


def shown(house: House) -> tuple[int, list[str]]:
    """Exit code, and the states."""
    done = affiant("retention", "show", "--json", *house.config)
    return done.code, [each["state"] for each in done.json["ranges"]]


def apply(house: House, person: str = "dan", *more: object) -> Done:
    """Delete."""
    return affiant("retention", "apply", "--key", house.key(person), "--yes", "--json", *more, *house.config)


def said(house: House) -> list[Said]:
    """Deletions that the log tells of."""
    with closing(configured_governance_log(house.loaded, create=False).reader()) as reader:
        return list(read(reader, house.board().roots.public_keys(), types={PAYLOAD_DELETION}))


def test_what_is_over_its_time_is_told_and_then_deleted(house: House) -> None:
    """With what is in the object store; the rest stays, and a second run finds nothing to do."""
    large = ExternalStore(house.loaded.data / "objects")
    assert shown(house) == (1, ["due", "kept", "kept", "kept"])
    done = apply(house, "dan", "--reason", "two days are the law")
    assert (done.code, [each["first"] for each in done.json["deleted"]]) == (0, [0])
    assert files(house) == [2, 3, 4]
    assert not large.there(LARGE)
    (statement,) = said(house)
    (file,) = statement.predicate["files"]
    assert (statement.predicate["reason"], statement.predicate["actor"]) == ("two days are the law", "dan")
    assert (file["external"], statement.subjects) == (1, (f"sha256:{file['sha256']}",))
    assert shown(house) == (0, ["deleted", "kept", "kept", "kept"])
    again = apply(house)
    assert (again.code, again.json["deleted"], len(said(house))) == (0, [], 1)


def test_early_deletion_is_refused(house: House) -> None:
    """Whoever asks, and however: the minimum is the settings'."""
    done = apply(house, "dan", "--older-than", "0")
    assert (done.code, "payload_min_days = 1" in done.err) == (2, True)
    assert files(house) == [0, 2, 3, 4]
    assert apply(house, "dan", "--older-than", "1").code == 0
    assert files(house) == [3, 4]


@pytest.mark.parametrize("person", ["ann", "eve"])
def test_who_has_not_the_role_deletes_nothing(house: House, person: str) -> None:
    """Nor does what they say of a deletion count: what is gone then is gone untold."""
    done = apply(house, person)
    assert (done.code, "has not the role retention" in done.err) == (1, True)
    assert (files(house), said(house)) == ([0, 2, 3, 4], [])
    name = next(files_of(store_of(house), Part.PAYLOADS)).name
    body = encode_deletion(
        [DeletedFile(name=name, sha256="0" * 64, external=0)], 2, "so", person, time.time()
    )
    append(Governance(configured_governance_log(house.loaded), house.signer(person)), [body])
    store_of(house).remove(name)
    assert shown(house) == (1, ["gone", "kept", "kept", "kept"])


def test_what_the_log_still_has_is_named_and_left(house: House) -> None:
    """A log in a directory keeps all of it: to delete the copy would delete nothing."""
    topic = configured_log(house.loaded).topic().id
    for part in (Part.ENTRIES, Part.PAYLOADS):
        for file in list(files_of(store_of(house), part)):
            stored = store_of(house).get(file.name)
            assert stored is not None
            store_of(house).create(file.name.replace(TOPIC.hex(), topic.hex()), stored.content)
            store_of(house).remove(file.name)
    assert shown(house) == (1, ["in the log", "kept", "kept", "kept"])
    done = apply(house)
    assert (done.code, done.json["deleted"], [each["first"] for each in done.json["left"]]) == (1, [], [0])
    assert "are still in the log itself" in done.err
    assert (files(house), said(house)) == ([0, 2, 3, 4], [])


def test_a_crash_in_the_middle_leaves_what_the_next_run_takes(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Told, and some of it there: never deleted and untold."""
    remove, removed = DirectoryObjects.remove, list[str]()

    def failing(self: DirectoryObjects, name: str) -> None:
        if name.startswith("archive/") and removed:
            raise ObjectsUnavailable("the disk is gone")
        removed.extend([name] * name.startswith("archive/"))
        remove(self, name)

    monkeypatch.setattr(DirectoryObjects, "remove", failing)
    done = affiant(
        "retention", "apply", "--key", house.key("dan"), "--yes", "--older-than", "1", *house.config
    )
    assert (done.code, "the disk is gone" in done.err) == (3, True)
    monkeypatch.undo()
    told = fold_deletions(house.board().roots, said(house))
    assert len(told) == 2
    assert len(files(house)) == 3
    assert apply(house, "dan", "--older-than", "1").code == 0
    assert files(house) == [3, 4]
    assert shown(house) == (0, ["deleted", "deleted", "kept", "kept"])


def test_without_a_maximum_nothing_is_over(house: House) -> None:
    """Said before anything is opened."""
    text = house.file("affiant.toml").read_text()
    house.file("affiant.toml").write_text(text.replace("payload_max_days = 2\n", ""))
    assert shown(house) == (0, ["kept"] * 4)
    done = apply(house)
    assert (done.code, "payload_max_days is not set" in done.err) == (2, True)


@pytest.mark.parametrize(
    ("why", "changed"),
    [
        ("kept back for two hours", {"at": -7200.0}),
        ("no number of days", {"older_than_days": -1}),
        ("a key more", {"more": 1}),
        ("another digest than its subject's", {"files": [{"sha256": "1" * 64}]}),
        ("a file that is no payload's", {"files": [{}, {"name": "checkpoint"}]}),
        ("a key more of a file", {"files": [{"more": 1}]}),
    ],
)
def test_what_is_no_statement_of_a_deletion_tells_of_none(
    house: House, why: str, changed: dict[str, Any]
) -> None:
    """Signed by dan all the same; unchanged, the same statement counts."""
    name = next(files_of(store_of(house), Part.PAYLOADS)).name
    store_of(house).remove(name)
    file = {"name": name, "sha256": "0" * 64, "external": 0}
    at = round(time.time(), 3)
    made = {"format": 1, "files": [file], "older_than_days": 2, "reason": "so", "actor": "dan", "at": at}
    wrong = made | changed
    if "at" in changed:
        wrong["at"] = at + changed["at"]
    if "files" in changed:
        wrong["files"] = [file | each for each in changed["files"]]
    house.say("dan", PAYLOAD_DELETION, wrong, f"sha256:{'0' * 64}")
    assert shown(house)[1][0] == "gone", why
    house.say("dan", PAYLOAD_DELETION, made, f"sha256:{'0' * 64}")
    assert shown(house)[1][0] == "deleted", why


def test_no_other_file_is_told_of(house: House) -> None:
    """Nor more of them than one statement holds."""
    file: dict[str, Any] = {"sha256": "0" * 64, "external": 0}
    entries = next(files_of(store_of(house), Part.ENTRIES)).name
    for name in ("checkpoint", entries, "archive/payloads/x"):
        with pytest.raises(FormatError, match="is not the name of a payload file"):
            encode_deletion([DeletedFile(name=name, **file)], 2, "so", "dan", 1.0)
    name = next(files_of(store_of(house), Part.PAYLOADS)).name
    with pytest.raises(FormatError, match="files: List should have at most 500 items"):
        encode_deletion([DeletedFile(name=name, **file)] * 501, 2, "so", "dan", 1.0)
