"""Erases payloads that a signed statement has told of: first what is large, then the archive's files, one at a time.

A crash anywhere leaves payloads that are told of and there, and no file that is neither old nor new: the same again
goes on. MUST NOT be called before the statement is in the governance log.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import cache

from audit.archive.names import ArchiveFile
from audit.notary.head import STATE
from audit.notary.state import State as NotaryState
from audit.objects.base import Objects

from .plan import Looked, Place
from .rewrite import without


def archived_below(objects: Objects) -> Callable[[bytes, int], int]:
    """(topic, partition) → offsets below it are in archive files that no notary will write again. Each is asked once.

    Raises:
        ObjectsUnavailable: the store does not answer.
        FormatError: a notary's state is none.
    """

    @cache
    def below(topic: bytes, partition: int) -> int:
        stored = objects.get(f"{topic.hex()}/{partition}/{STATE}")
        return 0 if stored is None else NotaryState.decode(stored.content).archived

    return below


def erase(
    looked: Sequence[Looked],
    payloads: Objects,
    remove: Callable[[bytes], None],
    progress: Callable[[int, int], None] = lambda _done, _of: None,
) -> None:
    """Erase these payloads wherever they can be reached.

    Args:
        looked: each told of.
        payloads: the store of payload files.
        remove: of the object store of large payloads, by digest.
        progress: called with (done, of how many).

    Raises:
        ObjectsUnavailable, LogUnavailable: a store does not answer, or refuses; the same again goes on.
        FormatError: a payload file is damaged; it was left as it is.
    """
    large = [each.item.digest for each in looked if Place.STORE in each.places]
    files: dict[ArchiveFile, list[Looked]] = defaultdict(list)
    for each in looked:
        if each.file is not None and Place.ARCHIVE in each.places:
            files[each.file].append(each)
    work = len(large) + len(files)
    for done, digest in enumerate(large, 1):
        remove(digest)
        progress(done, work)
    for done, (file, rows) in enumerate(files.items(), len(large) + 1):
        without(payloads, file, {each.item.offset for each in rows}, {each.item.digest for each in rows})
        progress(done, work)
