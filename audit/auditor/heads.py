"""Checkpoints against each other: the published one, the notary's state, those in the archive, and those that
somebody has kept elsewhere.

The notary may be at work meanwhile. It swaps the state, then publishes; what it archives is sealed already. So of what
is read later only this is sure, that it is not older: nothing is blamed for being newer than the head that was read
first, before the head is read again and is still older.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import suppress
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
from audit.proof.whole import UNFINISHED
from audit.sealed import CHECKPOINT, Published, SealedTree

from .verified import TreeVerified

_LOOKS: Final = 30
_PAUSE: Final = 0.1
"""A checkpoint is published after the state was swapped, and after witnesses answered: so often it is looked for once
more, and so many seconds apart, before it is said to be an old one."""
_RENEWAL: Final = 0.5
_RENEWALS: Final = 30
"""A notary that is at work swaps its state every 8 seconds at least (`notary.session.IDLE_SEAL`): so often it is looked
for, and so many seconds apart, before none is said to be."""


class Heads:
    """The checkpoints of one tree. `newest` comes first, `earlier` last."""

    def __init__(
        self,
        objects: Objects,
        tree: SealedTree,
        key: VerifierKey,
        verified: TreeVerified,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        """`pause`: waits for so many seconds, while a notary may be about to publish."""
        self._objects = objects
        self._tree = tree
        self._key = key
        self._verified = verified
        self._pause = pause
        self._path = f"{tree.tree.prefix}/{CHECKPOINT}"
        self._state_path = f"{tree.tree.prefix}/state"
        self._unpublished = False
        self._larger: list[tuple[Checkpoint, str]] = []
        """Signed heads of more leaves than the newest, each with its file."""
        self.state: State | None = None
        self.published: Published | None = None

    def newest(self) -> Checkpoint | None:
        """The checkpoint that all else is held to: the published one, or the state's where that is larger.

        None: there is none that is signed. Whether the published one is behind the state is for `earlier` to say.
        """
        missing = ""
        try:
            self.published = self._tree.published()
        except (FormatError, NotProved) as error:
            self._verified.flaw("checkpoint", str(error), path=self._path)
        except NotSealed as error:
            missing = f"{error}: it is not there"
        # After the checkpoint: the state that is read now is of no fewer leaves.
        self.state = state = self._read_state()
        self._unpublished = bool(missing) and state is not None
        if missing and state is None:
            self._verified.flaw("checkpoint", missing, path=self._path)
        checkpoint = None if self.published is None else self.published.opened.checkpoint
        if self.published is not None:
            self._verified.witnesses = tuple(each.key.name for each in self.published.opened.cosignatures)
        if state is None:
            return checkpoint
        if checkpoint is not None and checkpoint.size > state.size:
            self._verified.flaw(
                "state", f"knows {state.size} leaves, and {checkpoint.size} are published: it is an old one",
                path=self._state_path,
            )  # fmt: skip
            return checkpoint
        return _head(state)

    def again(self, first: Checkpoint) -> tuple[State | None, Checkpoint]:
        """The state, and the largest signed head, as they are now: what was listed before is theirs.

        Args:
            first: what `newest` said. What is there now and is not signed, or is smaller, changes nothing.
        """
        state = self.state
        with suppress(FormatError, NotProved):
            state = self._stored_state() or state
        published = self._published_now()
        heads = [first]
        heads += [] if published is None else [published]
        heads += [] if state is None else [_head(state)]
        return state, max(heads, key=lambda head: head.size)

    def reached(self, first: Checkpoint, size: int) -> tuple[State | None, Checkpoint, bool]:
        """As `again`, once a signed head covers `size` leaves; when none comes to, after as long as a notary that is at
        work would have swapped its state in.

        Returns:
            What `again` gives, and whether a notary has swapped the state meanwhile: then it is at work.
        """
        began, latest = self.again(first)
        state, alive = began, False
        for _ in range(_RENEWALS if began is not None else 0):
            if latest.size >= size or latest.size + UNFINISHED < size:
                break
            self._pause(_RENEWAL)
            state, latest = self.again(first)
            alive |= state != began
        return state, latest, alive

    def _published_now(self) -> Checkpoint | None:
        try:
            return self._tree.published().opened.checkpoint
        except (FormatError, NotProved, NotSealed):
            return None

    def _read_state(self) -> State | None:
        try:
            state = self._stored_state()
        except (FormatError, NotProved) as error:
            self._verified.flaw("state", str(error), path=self._state_path)
            return None
        if state is None:
            self._verified.remark("state", "is not there: a checkpoint that was rolled back would not show",
                                  path=self._state_path)  # fmt: skip
        return state

    def _stored_state(self) -> State | None:
        """Raises FormatError, NotProved: what is there is no state that the notary has signed."""
        stored = self._objects.get(self._state_path)
        if stored is None:
            return None
        state = State.decode(stored.content)
        opened = open_checkpoint(state.checkpoint, self._key).checkpoint
        if opened != _head(state):
            raise NotProved("its size and root are not those of its checkpoint")
        if opened.origin != self._tree.tree.origin:
            raise NotProved("it is of another tree")
        return state

    def _behind(self) -> None:
        """The published checkpoint MUST come to what the state had sealed: that is looked for for a while."""
        state = self.state
        size = -1 if self.published is None else self.published.size
        if state is None or (self.published is None and not self._unpublished):
            return
        for looks in range(_LOOKS):
            if size >= state.size:
                return
            if looks:
                self._pause(_PAUSE)
            now = self._published_now()
            size = size if now is None else now.size
        if size < state.size:
            said = "it is not there" if size < 0 else f"covers {size} leaves"
            self._verified.flaw(
                "checkpoint",
                f"{said}, and {state.size} are sealed: it was rolled back, or the notary is at this moment about to "
                "publish, or waits for its witnesses (verify again)",
                path=self._path,
            )

    def earlier(self, newest: Checkpoint, archive: Archive, kept: Iterable[tuple[str, bytes]]) -> None:
        """Every other checkpoint that is to be had MUST be signed, and a beginning of the newest tree.

        Args:
            newest: what `newest` said.
            archive: has the heads that were signed.
            kept: checkpoints or receipts that somebody has kept, each with its name.
        """
        self._behind()
        nodes = self._tree.nodes(newest.size)
        if self.published is not None:
            self._holds(self.published.raw, newest, nodes, self._path)
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
        self._grown(newest)

    def _grown(self, newest: Checkpoint) -> None:
        """A tree that has grown meanwhile MUST continue the newest; what no head reaches even now was rolled back."""
        _, latest = self.again(newest)
        nodes = self._tree.nodes(latest.size)
        if latest.size > newest.size:
            self._follows(newest, latest, nodes, self._path)
        for found, path in self._larger:
            if found.size > latest.size:
                self._verified.flaw(
                    "checkpoint", f"of {found.size} leaves was signed, and the newest that is there covers "
                    f"{latest.size}: the store was rolled back", path=path,
                )  # fmt: skip
            else:
                self._verified.checkpoints += self._follows(found, latest, nodes, path)

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
            self._larger.append((found, path))
        else:
            self._verified.checkpoints += self._follows(found, newest, nodes, path)
        return found

    def _follows(self, found: Checkpoint, newest: Checkpoint, nodes: TileNodes, path: str) -> bool:
        """Whether the tree of the newer head continues this one; a flaw when it does not."""
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
            return False
        return True


def _head(state: State) -> Checkpoint:
    return Checkpoint(state.origin, state.size, state.root)


def kept_head(raw: bytes) -> tuple[bytes, str]:
    """The checkpoint that somebody has kept, alone or in a receipt, and its origin. Nothing of it is verified.

    Raises:
        FormatError: it is neither.
    """
    note = parse_receipt(raw).checkpoint if raw.startswith(HEADER.encode()) else raw
    return note, parse_checkpoint(parse_note(note).text).origin


_FILES: Final = frozenset({"tile", "entry", "entries"})
