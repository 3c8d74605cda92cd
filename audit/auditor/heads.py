"""Checkpoints against each other: the published one, the notary's state, those in the archive, and those that
somebody has kept elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from audit.archive import Archive, Part
from audit.errors import ArchiveGap, NotSealed
from audit.notary.state import State
from audit.objects.base import Objects
from audit.proof.checkpoint import Checkpoint, open_checkpoint, parse_checkpoint
from audit.proof.errors import FormatError, NotProved
from audit.proof.merkle import consistency_proof, verify_consistency
from audit.proof.note import VerifierKey, parse_note
from audit.proof.receipt import HEADER, parse_receipt
from audit.proof.tiles import TileNodes
from audit.sealed import CHECKPOINT, Published, SealedTree

from .verified import TreeVerified


class Heads:
    """The checkpoints of one tree."""

    def __init__(self, objects: Objects, tree: SealedTree, key: VerifierKey, verified: TreeVerified) -> None:
        self._objects = objects
        self._tree = tree
        self._key = key
        self._verified = verified
        self._state_path = f"{tree.tree.prefix}/state"
        self.state: State | None = None
        self.published: Published | None = None

    def newest(self) -> Checkpoint | None:
        """The checkpoint that all else is held to: the published one, or the state's where that is larger.

        None: there is none that is signed.
        """
        path = f"{self._tree.tree.prefix}/{CHECKPOINT}"
        try:
            self.published = self._tree.published()
        except (FormatError, NotProved) as error:
            self._verified.flaw("checkpoint", str(error), path=path)
        except NotSealed as error:
            self._verified.flaw("checkpoint", f"{error}: it is not there", path=path)
        self.state = self._read_state()
        state = self.state
        checkpoint = None if self.published is None else self.published.opened.checkpoint
        if self.published is not None:
            self._verified.witnesses = tuple(each.key.name for each in self.published.opened.cosignatures)
        if state is None:
            return checkpoint
        sealed = Checkpoint(state.origin, state.size, state.root)
        if checkpoint is None:
            return sealed
        if checkpoint.size > state.size:
            self._verified.flaw(
                "state", f"knows {state.size} leaves, and {checkpoint.size} are published: it is an old one",
                path=self._state_path,
            )  # fmt: skip
            return checkpoint
        if checkpoint.size < state.size:
            self._verified.flaw(
                "checkpoint",
                f"covers {checkpoint.size} leaves, and {state.size} are sealed: it was rolled back, or the notary is "
                "at this moment about to publish, or waits for its witnesses (verify again)",
                path=path,
            )
        return sealed

    def _read_state(self) -> State | None:
        try:
            stored = self._objects.get(self._state_path)
            if stored is None:
                self._verified.remark("state", "is not there: a checkpoint that was rolled back would not show",
                                      path=self._state_path)  # fmt: skip
                return None
            state = State.decode(stored.content)
            opened = open_checkpoint(state.checkpoint, self._key).checkpoint
            if opened != Checkpoint(state.origin, state.size, state.root):
                raise NotProved("its size and root are not those of its checkpoint")
            if opened.origin != self._tree.tree.origin:
                raise NotProved("it is of another tree")
        except (FormatError, NotProved) as error:
            self._verified.flaw("state", str(error), path=self._state_path)
            return None
        return state

    def earlier(self, newest: Checkpoint, archive: Archive, kept: Iterable[tuple[str, bytes]]) -> None:
        """Every other checkpoint that is to be had MUST be signed, and a beginning of the newest tree.

        Args:
            newest: what `newest` said.
            archive: has the heads that were signed.
            kept: checkpoints or receipts that somebody has kept, each with its name.
        """
        nodes = self._tree.nodes(newest.size)
        if self.published is not None:
            self._holds(self.published.raw, newest, nodes, f"{self._tree.tree.prefix}/{CHECKPOINT}")
        for note in self.state.heads if self.state is not None else ():
            self._holds(note, newest, nodes, self._state_path)
        tree = self._tree.tree
        try:
            files = archive.files(Part.CHECKPOINTS, tree.topic, tree.partition)
        except FormatError as error:
            self._verified.flaw("archive", str(error))
            files = []
        for file in files:
            try:
                rows = archive.rows(file)
            except (FormatError, ArchiveGap) as error:
                self._verified.flaw("archive", str(error), path=file.name)
                continue
            before = -1
            for row in rows.to_pylist():
                found = self._holds(row["checkpoint"], newest, nodes, file.name)
                if found is None:
                    continue
                if (found.size, found.root) != (row["size"], row["root"]) or found.size <= before:
                    self._verified.flaw(
                        "archive", f"size or root of the checkpoint of {found.size} leaves, or its place, is another "
                        "than the note says", path=file.name,
                    )  # fmt: skip
                before = found.size
        for name, raw in kept:
            self._kept(name, raw, newest, nodes)

    def _kept(self, name: str, raw: bytes, newest: Checkpoint, nodes: TileNodes) -> None:
        try:
            note, origin = kept_head(raw)
        except FormatError as error:
            self._verified.flaw("checkpoint", str(error), path=name)
            return
        if origin == self._tree.tree.origin:
            self._holds(note, newest, nodes, name)

    def _holds(self, note: bytes, newest: Checkpoint, nodes: TileNodes, path: str) -> Checkpoint | None:
        """The checkpoint, when it is signed; a flaw when the newest tree does not continue it."""
        try:
            found = open_checkpoint(note, self._key).checkpoint
        except (FormatError, NotProved) as error:
            self._verified.flaw("checkpoint", str(error), path=path)
            return None
        if found.size > newest.size:
            self._verified.flaw(
                "checkpoint", f"of {found.size} leaves was signed, and the newest that is there covers {newest.size}: "
                "the store was rolled back", path=path,
            )  # fmt: skip
            return found
        try:
            proof = consistency_proof(nodes, found.size, newest.size)
            verify_consistency(found.size, found.root, newest.size, newest.root, proof)
        except (FormatError, NotProved) as error:
            if any(flaw.what in _FILES for flaw in self._verified.flaws):
                self._verified.remark(
                    "checkpoint", f"of {found.size} leaves: whether the tree continues it can be told when the wrong "
                    "tiles are put right", path=path,
                )  # fmt: skip
            else:
                self._verified.flaw(
                    "checkpoint", f"of {found.size} leaves was signed, and the tree does not continue it: the log was "
                    f"forked ({error})", path=path,
                )  # fmt: skip
        else:
            self._verified.checkpoints += 1
        return found


def kept_head(raw: bytes) -> tuple[bytes, str]:
    """The checkpoint that somebody has kept, alone or in a receipt, and its origin. Nothing of it is verified.

    Raises:
        FormatError: it is neither.
    """
    note = parse_receipt(raw).checkpoint if raw.startswith(HEADER.encode()) else raw
    return note, parse_checkpoint(parse_note(note).text).origin


_FILES: Final = frozenset({"tile", "entry", "entries"})
