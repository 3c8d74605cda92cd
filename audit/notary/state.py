"""What the notary remembers of one tree (docs/sealed-log.md, "State"): the only thing that it trusts after a start."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from audit.proof import cbor
from audit.proof.errors import FormatError
from audit.proof.hashing import EMPTY_ROOT, HASH_SIZE
from audit.proof.merkle import MAX_SIZE

FORMAT: Final = 1
MAX_HEADS: Final = 4096
"""Heads that wait for the archive, at most: of more, every second one is left out, in the archive too."""


@dataclass(frozen=True, slots=True)
class State:
    """One tree's state. Sizes and offsets count leaves; `time` is ns since 1970 UTC."""

    origin: str
    size: int = 0
    root: bytes = EMPTY_ROOT
    checkpoint: bytes = b""
    """The signed note of this size, without cosignatures; empty before the first."""
    time: int = 0
    archived: int = 0
    """Offsets below it are in the archive."""
    archiving: int = 0
    """The end of the file that is being written; `archived` when none is."""
    heads: tuple[bytes, ...] = ()
    """Checkpoints signed since `archived`, the newest last."""
    journals: tuple[Any, ...] = field(default=())
    """The watch's own: lists and maps of what CBOR has."""

    def encode(self) -> bytes:
        """Deterministic CBOR.

        Raises:
            FormatError: `journals` holds something that the format does not have.
        """
        return cbor.encode(
            {
                "format": FORMAT,
                "origin": self.origin,
                "size": self.size,
                "root": self.root,
                "checkpoint": self.checkpoint,
                "time": self.time,
                "archived": self.archived,
                "archiving": self.archiving,
                "heads": list(self.heads),
                "journals": list(self.journals),
            }
        )

    def grown(self, size: int, root: bytes, note: bytes) -> State:
        """This state at a new head, whose checkpoint is `note`."""
        heads = self.heads
        if len(heads) >= MAX_HEADS:
            # Those of the file that is begun stay: it must be the same whenever it is written.
            fixed = len(self.archive_heads())
            heads = heads[:fixed] + heads[fixed::2]
        return replace(self, size=size, root=root, checkpoint=note, heads=(*heads, note))

    def archive_heads(self) -> list[bytes]:
        """The heads that go with the file that is begun: the same until it is finished."""
        return [head for head in self.heads if _size(head) <= self.archiving]

    def archive_begun(self, end: int) -> State:
        """This state with a file begun, of the offsets from `archived` to `end`.

        Raises:
            ValueError: another file is begun, or the offsets are not sealed.
        """
        if self.archiving not in (self.archived, end) or not self.archived < end <= self.size:
            raise ValueError(
                f"{self.origin}: no file of {self.archived} to {end}: "
                f"{self.size} are sealed, and a file to {self.archiving} is begun"
            )
        return replace(self, archiving=end)

    def archive_finished(self) -> State:
        """This state with the file that was begun in the archive.

        Raises:
            ValueError: none was begun.
        """
        if self.archiving == self.archived:
            raise ValueError(f"{self.origin}: no file is begun")
        heads = tuple(head for head in self.heads if _size(head) > self.archiving)
        return replace(self, archived=self.archiving, heads=heads)

    @classmethod
    def decode(cls, raw: bytes) -> State:
        """Read a state. Whether its checkpoint is signed, and says the same, is for `Seal` to see.

        Raises:
            FormatError: not exactly the keys and types of the table, or numbers that contradict each other.
        """
        fields = cbor.decode(raw, "state")
        if not isinstance(fields, dict) or set(fields) != set(_TYPES):
            raise FormatError("state: not a map with exactly the keys of its format")
        for key, right in _TYPES.items():
            if not right(fields[key]):
                raise FormatError(f"state: {key} is not of the form that the format gives")
        values: Mapping[str, Any] = fields
        if values["format"] != FORMAT:
            raise FormatError(f"state: format {values['format']}, this notary knows {FORMAT}")
        if not values["archived"] <= values["archiving"] <= values["size"]:
            raise FormatError("state: archived, archiving and size are not in this order")
        lists = {"heads": tuple(values["heads"]), "journals": tuple(values["journals"])}
        return cls(**{key: value for key, value in values.items() if key != "format"} | lists)


def _size(note: bytes) -> int:
    """Of a checkpoint that this notary has signed."""
    return int(note.split(b"\n", 2)[1])


def _uint(value: object) -> bool:
    return type(value) is int and 0 <= value < MAX_SIZE


_TYPES: Final[Mapping[str, Callable[[Any], bool]]] = {
    "format": _uint,
    "origin": lambda value: isinstance(value, str),
    "size": _uint,
    "root": lambda value: isinstance(value, bytes) and len(value) == HASH_SIZE,
    "checkpoint": lambda value: isinstance(value, bytes),
    "time": _uint,
    "archived": _uint,
    "archiving": _uint,
    "heads": lambda value: isinstance(value, list) and all(isinstance(each, bytes) for each in value),
    "journals": lambda value: isinstance(value, list),
}
