"""The note of a topic: what is one, and what a notary does when it finds something else, or has more to note."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from audit.errors import NotaryRefuses
from audit.log.base import Topic
from audit.log.local import MOST_PARTITIONS, LocalLog
from audit.notary.notary import Notary
from audit.notary.noted import Noted, note_name, noted_topic
from audit.notary.tended import SETTINGS_SECONDS
from audit.notary.topics import Topics
from audit.objects.base import Stored
from audit.objects.directory import DirectoryObjects
from audit.objects.limits import MAX_NOTE
from audit.proof.errors import FormatError
from audit.settings import NotarySettings
from tests.components.sealed import KeySigner

ID = "0f" * 16
NO_NOTES = {
    "empty": b"",
    "no JSON": b"no json",
    "an object of nothing": b"{}",
    "a list": b"[]",
    "nested": b"[" * 4000,
    "too long": b" " * MAX_NOTE + b'{"id":"%s","partitions":1}' % ID.encode(),
    "not UTF-8": b'{"id":"%s","partitions":1,"\xff":1}' % ID.encode(),
    "no id": b'{"partitions":1}',
    "an id that is no hex": b'{"id":"%s","partitions":1}' % (b"zz" * 16),
    "an id in capitals": b'{"id":"%s","partitions":1}' % ID.upper().encode(),
    "a short id": b'{"id":"00","partitions":1}',
    "a number for an id": b'{"id":1,"partitions":1}',
    "a line's end": b'{"id":"%s\\n","partitions":1}' % ID.encode(),
    **{
        f"partitions {said}": b'{"id":"%s","partitions":%s}' % (ID.encode(), said.encode())
        for said in ("1e999", "0", "-1", "1.0", "true", '"1"', "null", str(MOST_PARTITIONS + 1), "9" * 3000)
    },
    "a third member": b'{"id":"%s","partitions":1,"x":1}' % ID.encode(),
    "more begun than there are": b'{"id":"%s","partitions":1,"begun":2}' % ID.encode(),
    "begun less than none": b'{"id":"%s","partitions":1,"begun":-1}' % ID.encode(),
    "a writer that is no hex": b'{"id":"%s","partitions":1,"writer":"me"}' % ID.encode(),
}


@pytest.mark.parametrize("raw", NO_NOTES.values(), ids=NO_NOTES)
def test_what_is_no_note_is_refused(raw: bytes) -> None:
    """One error, whatever it is; never the content in it."""
    with pytest.raises(FormatError) as refused:
        Noted.decode(raw)
    assert "zz" not in str(refused.value)


@pytest.mark.parametrize("partitions", [1, MOST_PARTITIONS])
def test_a_note_is_read_as_it_was_written(partitions: int) -> None:
    """Up to the bound; and what could not be read is not written."""
    note = Noted(bytes.fromhex(ID), partitions)
    assert Noted.decode(note.encode()) == note
    assert json.loads(note.encode()) == {"id": ID, "partitions": partitions}  # as earlier versions read it
    whole = replace(note, begun=partitions, writer="01234567")
    assert Noted.decode(whole.encode()) == whole
    said = json.loads(whole.encode())
    for name, other in (("id", "00" * 16), ("begun", partitions - 1), ("writer", "11" + said["writer"][2:])):
        with pytest.raises(FormatError, match="not as its writer wrote it"):
            Noted.decode(json.dumps(said | {name: other}).encode())
    for wrong in (Noted(note.topic, MOST_PARTITIONS + 1), Noted(b"short", 1)):
        with pytest.raises(FormatError):
            wrong.encode()


def test_a_notes_name_says_the_topics() -> None:
    """And no other name does."""
    assert noted_topic(note_name(".a-b_c.1")) == ".a-b_c.1"
    for other in (
        "topics/",
        "topics/topic=",
        "topics/a",
        "topics/topic=a/b",
        "topics/topic=a b",
        "x/topic=a",
    ):
        assert noted_topic(other) is None


class Place:
    """Two logs and a store, and a clock that is set."""

    def __init__(self, root: Path) -> None:
        self.logs = root / "entries", root / "governance"
        self.objects = DirectoryObjects(root / "sealed")
        self.now = 0.0

    def notary(self) -> Notary:
        logs = [LocalLog(path, path.name, 1) for path in self.logs]
        return Notary(*logs, self.objects, KeySigner(), NotarySettings(), monotonic=lambda: self.now)

    def note(self, raw: bytes) -> None:
        name = note_name("entries")
        stored = self.objects.get(name)
        self.objects.swap(name, raw, None if stored is None else stored.version)

    def noted(self) -> Noted:
        stored = self.objects.get(note_name("entries"))
        assert stored is not None
        return Noted.decode(stored.content)

    def add_partition(self) -> None:
        path = self.logs[0] / "topic.json"
        told = json.loads(path.read_text())
        path.write_text(json.dumps({**told, "partitions": told["partitions"] + 1}))


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    return Place(tmp_path)


def end(notary: Notary) -> None:
    for watched in notary.logs:
        if watched.tended is not None:
            watched.tended.stop()
            watched.tended.join()


@pytest.mark.parametrize("raw", [b"{}", b"[]", b'{"id":"zz","partitions":1}', b"[" * 4000, b" " * 5000])
def test_a_notary_refuses_to_go_on_from_what_is_no_note(place: Place, raw: bytes) -> None:
    """It says which object; nothing is sealed."""
    place.note(raw)
    with pytest.raises(NotaryRefuses, match=r"topics/topic=entries: is not what a notary has written"):
        place.notary().look()
    assert list(place.objects.list("")) == ["topics/topic=entries"]


def test_a_notary_refuses_to_end_a_tree_whose_checkpoint_is_none(place: Place) -> None:
    """The topic was made again, and with how many leaves the old tree ended nobody can say."""
    place.note(Noted(bytes.fromhex(ID), 1).encode())
    place.objects.create(f"{ID}/0/checkpoint", b"one line")
    with pytest.raises(NotaryRefuses, match=f"{ID}/0/checkpoint: is no checkpoint"):
        place.notary().look()


def test_partitions_that_were_added_are_noted(place: Place) -> None:
    """While the notary runs, and between two runs."""
    first = place.notary()
    first.look()
    assert place.noted().partitions == 1
    place.add_partition()
    place.now += 2 * SETTINGS_SECONDS
    first.look()
    assert place.noted().partitions == 2
    end(first)
    place.add_partition()
    second = place.notary()
    second.look()
    end(second)
    assert place.noted().partitions == 3


class AnsweredTwice(DirectoryObjects):
    """Its client asked again after a lost answer: the first request was done."""

    def swap(self, name: str, content: bytes, version: str | None) -> str:
        if name.startswith("topics/"):
            super().swap(name, content, version)
        return super().swap(name, content, version)


def test_a_note_that_was_written_by_the_same_process_is_not_another_notary_s(place: Place) -> None:
    """A client of a bucket asks again after a lost answer. Another process at work in the store is told."""
    sealed = place.objects
    place.objects = AnsweredTwice(sealed._root)
    notary = place.notary()
    notary.look()
    assert notary.logs[0].tended is not None
    end(notary)
    topic, read, others = Topic("local", "other", bytes(16), 1), sealed.get, [DirectoryObjects(sealed._root)]

    def get(name: str) -> Stored | None:
        found = read(name)
        if others:  # between this one's look and its writing
            Topics(others.pop(), notary.topics._governance, "n").open(topic)
        return found

    sealed.get = get  # type: ignore[method-assign]
    with pytest.raises(NotaryRefuses, match="topics/topic=other: another notary is at work in this store"):
        Topics(sealed, notary.topics._governance, "n").open(topic)
