"""The two objects of a tree that are swapped: the notary's state, and the published checkpoint."""

from __future__ import annotations

from audit.errors import NotaryRefuses, ObjectChanged
from audit.objects.base import Objects, Stored
from audit.proof.checkpoint import Checkpoint, open_checkpoint
from audit.proof.errors import NotProved
from audit.proof.merkle import consistency_proof, verify_consistency
from audit.proof.note import VerifierKey
from audit.proof.tiles import TileNodes
from audit.sealed import CHECKPOINT, TreeId

from .state import State

STATE = "state"


class Head:
    """What one notary has last read or written of them. Another one that writes is noticed at the next swap."""

    def __init__(self, objects: Objects, tree: TreeId, key: VerifierKey, *, begun: bool = False) -> None:
        """Read both, and see that this key has signed them and that one continues the other.

        `begun`: the tree is known to have had a state, which MUST be there.

        Raises:
            FormatError, NotProved: the state or the published checkpoint is not what was signed, or the state
                does not continue what is published.
            NotaryRefuses: more is published than the state knows, or the state was lost.
            ObjectsUnavailable: the store does not answer.
        """
        self._objects = objects
        self._tree = tree
        self._key = key
        self._begun = begun
        self.state = State(tree.origin)
        self._version: str | None = None
        self._published: Stored | None = None
        self.published = 0
        """Leaves under the published checkpoint."""
        # Published is read first: a notary that goes on meanwhile swaps the state first.
        published = self._objects.get(self.name(CHECKPOINT))
        self._read_state()
        self._continues(published)

    @property
    def first(self) -> bool:
        """Nothing was ever sealed."""
        return self._version is None

    def fetch(self, path: str) -> bytes | None:
        """A file of the tree."""
        stored = self._objects.get(self.name(path))
        return None if stored is None else stored.content

    def name(self, path: str) -> str:
        """The object of a file of the tree."""
        return f"{self._tree.prefix}/{path}"

    def swap_state(self, state: State) -> None:
        """Make `state` the state.

        Raises:
            NotaryRefuses: another notary was faster.
            ObjectsUnavailable: the store does not answer; either may be the state now.
        """
        self._version = self._swap(STATE, state.encode(), self._version)
        self.state = state

    def publish(self, note: bytes) -> None:
        """Make `note`, a checkpoint of the state's size, the published one.

        Raises:
            NotaryRefuses, ObjectsUnavailable: as `swap_state`.
        """
        published = self._published
        if published is None or published.content != note:
            version = self._swap(CHECKPOINT, note, None if published is None else published.version)
            self._published = Stored(note, version)
        self.published = self.state.size

    def _swap(self, path: str, content: bytes, version: str | None) -> str:
        try:
            return self._objects.swap(self.name(path), content, version)
        except ObjectChanged as error:
            # A client that asked again after a lost answer meets its own writing, not another notary's.
            stored = self._objects.get(self.name(path))
            if stored is not None and stored.content == content:
                return stored.version
            raise NotaryRefuses(
                f"{self._tree.origin}: another notary seals this tree: its {path} is not what this one wrote"
            ) from error

    def _read_state(self) -> None:
        stored = self._objects.get(self.name(STATE))
        if stored is None:
            self._is_new()
            return
        state = State.decode(stored.content)
        checkpoint = open_checkpoint(state.checkpoint, self._key).checkpoint
        if checkpoint != Checkpoint(state.origin, state.size, state.root):
            raise NotProved(f"the state is of {state.size} leaves, and its checkpoint is another one")
        self.state, self._version = state, stored.version

    def _is_new(self) -> None:
        """A tree's first state is written before its first file: files without a state are a lost state."""
        file = next(self._objects.list(self.name("tile/")), None)
        if file is not None:
            raise NotaryRefuses(
                f"{self._tree.origin}: there are files, as {file}, and no state: it was lost, and beginning again "
                "would fork the log"
            )
        if self._begun:
            raise NotaryRefuses(
                f"{self._tree.origin}: the tree was begun, and there is no state: it was lost, and beginning again "
                "would fork the log; `affiant notary restore` puts a copy back"
            )

    def _continues(self, stored: Stored | None) -> None:
        """What is published and not continued by the state: then the state is an old one, or another tree's."""
        if stored is None:
            return
        state = self.state
        published = open_checkpoint(stored.content, self._key).checkpoint
        if published.size > state.size:
            raise NotaryRefuses(
                f"{self._tree.origin}: {published.size} leaves are published, and the state knows {state.size}: "
                "it is an old one, and sealing on would fork the log"
            )
        proof = consistency_proof(TileNodes(self.fetch, state.size), published.size, state.size)
        verify_consistency(published.size, published.root, state.size, state.root, proof)
        self._published, self.published = stored, published.size
