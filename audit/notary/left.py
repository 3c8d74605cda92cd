"""What an ended run of the notary wrote and did not seal: entries beyond the state, in bundles that stay."""

from __future__ import annotations

from audit.objects.base import Objects
from audit.proof.errors import FormatError
from audit.proof.tiles import WIDTH, Bundle, parse_bundle


class Left:
    """The entries of one bundle after the other. No signature covers them: the chains of their journals do."""

    def __init__(self, objects: Objects, prefix: str) -> None:
        """`prefix` of the tree, without a slash at its end."""
        self._objects = objects
        self._prefix = prefix
        self._number = -1
        self._entries: list[bytes] = []

    def entry(self, index: int) -> bytes | None:
        """The entry at an index, or None.

        Raises:
            ObjectsUnavailable: the store does not answer.
        """
        number, at = divmod(index, WIDTH)
        if number != self._number:
            self._entries = self._read(number)
            self._number = number
        return self._entries[at] if at < len(self._entries) else None

    def _read(self, number: int) -> list[bytes]:
        """The largest bundle of this number that is one: files of other sizes begin with the same entries."""
        partial = f"{self._prefix}/{Bundle(number).path}.p/"
        widths = (name.removeprefix(partial) for name in self._objects.list(partial))
        for width in (WIDTH, *sorted((int(width) for width in widths if width.isdecimal()), reverse=True)):
            stored = self._objects.get(f"{self._prefix}/{Bundle(number, width).path}")
            if stored is not None:
                try:
                    return parse_bundle(stored.content, width)
                except FormatError:
                    continue  # not ours; if its name is needed, sealing finds that it holds something else
        return []
