"""Where the notary keeps what it seals: named objects, created once, and a few that are compared and swapped."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import BinaryIO, NamedTuple, Protocol, runtime_checkable


class Stored(NamedTuple):
    """An object's content, and the version that `swap` compares: opaque, another for each content."""

    content: bytes
    version: str


class Objects(Protocol):
    """A directory, or a bucket. Names are relative paths of `[A-Za-z0-9._=-]` parts joined by `/`.

    Errors: `ObjectsUnavailable` when the store does not answer, or refuses; nothing is known then of whether a
    write took place.
    """

    def get(self, name: str) -> Stored | None:
        """The object, or None when there is none. MUST show what the last finished write left."""
        ...

    def create(self, name: str, content: bytes) -> bool:
        """Create the object; False, and nothing changed, when there is one of that name already.

        MUST be durable when it returns. MUST NOT ever show a part of the content, a crash included.
        """
        ...

    def swap(self, name: str, content: bytes, version: str | None) -> str:
        """Replace the object if it still has that version (None: if there is none); the new version.

        MUST be atomic among all processes, and durable when it returns. A crash leaves the old or the new content.

        Raises:
            ObjectChanged: another process was faster.
        """
        ...

    def list(self, prefix: str) -> Iterator[str]:
        """Names that begin with `prefix`, in the order of their bytes."""
        ...


@runtime_checkable
class Removes(Protocol):
    """A right that neither notary nor auditors have, and so no part of `Objects`."""

    def remove(self, name: str) -> None:
        """Remove an object; one that is not there is removed already. Durable when it returns.

        In a bucket with versions its content stays behind a marker, until a rule of the bucket's takes it.

        Raises:
            ObjectsUnavailable: the store does not answer, or refuses; the object is there, whole, or not there.
        """
        ...


@runtime_checkable
class Marking(Protocol):
    """A store that tells of many objects whether they were written again, without reading them."""

    def marks(self, prefix: str, wanted: Callable[[str], bool]) -> Iterator[tuple[str, str]]:
        """Names as `list` gives them, those that are wanted, each with its mark.

        The mark is opaque. It MUST be another one once the object was written again, as far as the store can tell
        without a look at the content; it may be another one although the content is the same.
        """
        ...


@runtime_checkable
class Seekable(Protocol):
    """A store that gives parts of an object: of a file of columns a reader needs a little."""

    def open(self, name: str) -> BinaryIO | None:
        """The object as a file to read and to seek in, closed by the caller; None when there is none.

        Reading raises `ObjectsUnavailable` when the store does not answer.
        """
        ...
