"""Which topics are sealed, by the store's notes and by what the notary has said in the governance log.

A store that is empty says nothing of what was sealed: it may be new, lost, or another one than was meant. So the notary
says in the governance log that a topic's trees are begun, signed, as soon as each of them has a state:

    application/vnd.affiant.begun+json   {"name", "topic", "id", "partitions"[, "anew": true]}

    open    note of this topic            → it says how many trees are begun: one of them without a state has lost it
            no note, or another topic's   → the governance log is asked: what is begun there MUST NOT be begun here
    begun   1 said in the governance log, 2 noted

A crash between the two says it once more. Of a store of an earlier version, whose note says nothing of it, it is said
at the next start; until then the store is believed, as it was.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from dataclasses import replace
from hashlib import sha256
from typing import Any, Final

from audit.errors import NoSuchTopic, NotaryRefuses, ObjectChanged
from audit.governance import ALARM, PARTITION, SUCCESSION, Governance, Statement, parse_statement
from audit.log.base import Topic
from audit.objects.base import Objects, Stored
from audit.proof.checkpoint import parse_checkpoint
from audit.proof.errors import FormatError
from audit.proof.note import parse_note
from audit.sealed import TreeId
from audit.show import walk

from .noted import Noted, note_name

BEGUN: Final = "application/vnd.affiant.begun+json"
"""The trees of a topic are begun: from now on a store without them has lost them."""


class Topics:
    """The notes of one store. For one thread; `told` is read by others."""

    def __init__(self, objects: Objects, governance: Governance, name: str, *, anew: bool = False) -> None:
        """Nothing is contacted yet.

        Args:
            objects: the notary's store.
            governance: the governance log, with the notary's key.
            name: [notary] name.
            anew: begin trees that were begun already, once more.
        """
        self._objects = objects
        self._governance = governance
        self._name = name
        self._anew = anew
        self._writer = os.urandom(4).hex()
        self.told: Counter[str] = Counter()
        """Alarms `topic` that the governance log has taken, by the topic's name."""

    def open(self, topic: Topic) -> Noted:
        """The note of a topic, written when there is none, another topic's, or one of fewer partitions.

        A topic that was made again is linked to the old one in the governance log. It is told first and noted then: a
        crash in between tells it once more, which the statement's body shows.

        Raises:
            LogUnavailable: the governance log does not answer.
            SignerUnavailable: the key does not sign now.
            ObjectsUnavailable: the store does not answer.
            NotaryRefuses: what the store has is no note, there are more partitions than one may say, or the governance
                log says that the topic's trees are begun, and the store does not know them.
        """
        before, stored = self._read(topic.name)
        if before is not None and before.topic == topic.id:
            if before.partitions >= topic.partitions:
                return before
            now = replace(before, partitions=topic.partitions, writer=self._writer)
        else:
            now = Noted(topic.id, topic.partitions, writer=self._writer)
        content = _content(topic, now)
        if before is None or before.topic != topic.id:
            self._not_begun(topic)
            if before is not None:
                self._announce(topic, before)
        self._write(topic.name, content, stored)
        return now

    def begun(self, topic: Topic, count: int) -> Noted:
        """Say that the first `count` trees of a topic have a state, and note it.

        Raises:
            LogUnavailable, SignerUnavailable, ObjectsUnavailable: not all of it is done; it may be said again.
            NotaryRefuses: the note is another one than this notary has written.
        """
        before, stored = self._read(topic.name)
        if before is None or before.topic != topic.id or before.partitions < count:
            raise NotaryRefuses(f"{note_name(topic.name)}: another notary is at work in this store")
        anew = {"anew": True} if self._anew else {}
        said = {"name": self._name, "topic": topic.name, "id": topic.id.hex(), "partitions": count, **anew}
        self._governance.append([(BEGUN, _json(said))])
        now = replace(before, begun=count, writer=self._writer)
        self._write(topic.name, _content(topic, now), stored)
        return now

    def _not_begun(self, topic: Topic) -> None:
        """Raises NotaryRefuses: it is, says the governance log."""
        if self._anew:
            return
        statement = begun_in(self._governance, self._name, topic.id)
        if statement is not None:
            raise NotaryRefuses(
                f"topic {topic.name}: its trees were begun, says entry {statement.offset} of the governance log, and "
                "the store does not know them: it was lost, or [notary] store names another one. `affiant notary "
                "restore` puts a copy back; with `--begin` they are begun again, which forks the log"
            )

    def _announce(self, topic: Topic, before: Noted) -> None:
        old = before.topic.hex()
        trees = [
            {"origin": tree.origin, "size": self._size(tree)}
            for tree in (TreeId(self._name, before.topic, n) for n in range(before.partitions))
        ]
        succession = {"topic": topic.name, "before": old, "id": topic.id.hex(), "ended": trees}
        alarm = {
            "what": "topic",
            "message": "the topic was deleted and made again: its trees end, and others begin",
            "topic": topic.id.hex(),
            "partition": 0,
            "offset": 0,
            "subject": old,
        }
        self._governance.append([(SUCCESSION, _json(succession)), (ALARM, _json(alarm))])
        self.told[topic.name] += 1

    def _size(self, tree: TreeId) -> int:
        """Leaves that the old tree ends with, by its published checkpoint's word; 0 when it has none."""
        name = f"{tree.prefix}/checkpoint"
        stored = self._objects.get(name)
        try:
            return 0 if stored is None else parse_checkpoint(parse_note(stored.content).text).size
        except FormatError as error:
            raise NotaryRefuses(f"{name}: is no checkpoint, and its tree cannot be ended: {error}") from error

    def _read(self, topic: str) -> tuple[Noted | None, Stored | None]:
        name = note_name(topic)
        try:
            stored = self._objects.get(name)
            return None if stored is None else Noted.decode(stored.content), stored
        except FormatError as error:
            raise NotaryRefuses(f"{name}: is not what a notary has written: {error}") from error

    def _write(self, topic: str, content: bytes, stored: Stored | None) -> None:
        name = note_name(topic)
        try:
            self._objects.swap(name, content, None if stored is None else stored.version)
        except ObjectChanged as error:
            # A client that asked again after a lost answer meets its own writing, not another notary's.
            there = self._objects.get(name)
            if there is None or there.content != content:
                raise NotaryRefuses(f"{name}: another notary is at work in this store") from error


def begun_in(governance: Governance, name: str, topic: bytes) -> Statement | None:
    """The first statement of this key that the trees of a topic are begun, under this [notary] name, or None.

    The whole governance log is read: that is done for a topic that the store does not know, and so once. One that has
    no topic says nothing: nobody has said anything yet.

    Raises:
        LogUnavailable: the log does not answer.
    """
    public_key = governance.signer.public_key
    known, mark = {sha256(public_key).digest(): public_key}, BEGUN.encode()
    try:
        governance.log.topic()
    except NoSuchTopic:
        return None
    reader = governance.log.reader()
    try:
        first, end = reader.bounds(PARTITION)
        for entry in walk(reader, PARTITION, first, end, name="governance log"):
            if mark not in (entry.value or b""):
                continue  # most are not: signatures are looked at of those that may be
            found = parse_statement(entry, known)
            if found is None or found.type != BEGUN or not found.holds:
                continue
            if (found.body.get("name"), found.body.get("id")) == (name, topic.hex()):
                return found
    finally:
        reader.close()
    return None


def _content(topic: Topic, note: Noted) -> bytes:
    try:
        return note.encode()
    except FormatError as error:
        raise NotaryRefuses(f"topic {topic.name}: cannot be sealed: {error}") from error


def _json(content: dict[str, Any]) -> bytes:
    return json.dumps(content, separators=(",", ":"), sort_keys=True).encode()
