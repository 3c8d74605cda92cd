"""The notary's notes of its topics, against the trees that there are and the logs that answer.

A note is signed by nobody, and is there before the topic's first tree. What only the notary could decide is a remark: a
tree that no note names may be that of a topic that was made again since, where there is a note of another topic or the
log does not say; and partitions that a note does not count may have been added a moment ago.
"""

from __future__ import annotations

from collections.abc import Iterable

from audit.log.base import Topic
from audit.notary.noted import TOPICS, note_name

from .survey import Survey


def check_notes(found: Survey, topics: Iterable[Topic]) -> None:
    """Hold the notes to the rest; what is wrong, or cannot be decided, is told in `found`.

    Args:
        found: of the store.
        topics: of the logs that answer.
    """
    live = {topic.id: topic for topic in topics}
    _trees(found)
    for topic in live.values():
        _log(found, topic)
    names = {note.topic for note in found.noted.values()}
    for unnamed in sorted({topic for topic, _ in found.stored} - names):
        known = live.get(unnamed)
        where = TOPICS if known is None else note_name(known.name)
        said = f"{unnamed.hex()} has trees, and no note of the notary names it: "
        if known is not None and (known.name in found.noted or known.name in found.unread):
            continue  # what its note says instead is told
        if known is not None or not (found.noted or found.unread):
            found.flaw("topic", said + "the note was removed", where)
        else:
            found.remark("topic", said + "the topic was made again since, or the note was removed", where)


def _trees(found: Survey) -> None:
    """Each note names partitions that all have trees, and counts those that there are."""
    highest: dict[bytes, int] = {}
    counts: dict[bytes, int] = {}
    for topic, partition in found.stored:
        highest[topic] = max(highest.get(topic, 0), partition + 1)
    for note in found.noted.values():
        counts[note.topic] = sum(
            1 for topic, at in found.stored if topic == note.topic and at < note.partitions
        )
    seen: dict[bytes, str] = {}
    for name, note in sorted(found.noted.items()):
        path, there = note_name(name), highest.get(note.topic, 0)
        missing = note.partitions - counts[note.topic]
        if missing:
            said = f"says that {note.topic.hex()} has {note.partitions}, and {missing} of them have no tree"
            found.flaw("topic", said, path)
        if there > note.partitions:
            found.remark(
                "topic", f"counts {note.partitions} of {note.topic.hex()}, and there are trees up to partition "
                f"{there - 1}: they were added while no notary has noted it, or the note was changed", path,
            )  # fmt: skip
        other = seen.setdefault(note.topic, name)
        if other != name:
            found.flaw("topic", f"has the id of {note_name(other)}: a topic has one name", path)


def _log(found: Survey, topic: Topic) -> None:
    """The note of a log's topic has its id."""
    note = found.noted.get(topic.name)
    path = note_name(topic.name)
    if note is not None and note.topic != topic.id:
        said = f"has the id {note.topic.hex()}, and the log's topic of that name has {topic.id.hex()}: "
        changed = any(id_ == topic.id for id_, _ in found.stored)
        said += "the note was changed" if changed else "the topic that is sealed was deleted, and made again"
        found.flaw("topic", said, path)
    for name, other in found.noted.items():
        if other.topic == topic.id and name != topic.name:
            said = f"has the id of the log's topic {topic.name}: the note was moved, or written by another"
            found.flaw("topic", said, note_name(name))
