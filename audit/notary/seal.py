"""One tree's writer: what the partition's reader appends is sealed here, in the order of docs/sealed-log.md.

How the notary's loop uses it:

    seal = Seal(objects, tree, signer, cosigners=…, quorum=…)   # NotaryRefuses: stop and report
    restore the watch from seal.state.journals; read the log from offset seal.size on
    …                                             # each offset, in order, is one entry: a record's, or a hole's
    seal.append([entry, …])                       # memory only; seal.pending, seal.pending_bytes say how much waits
    sealed = seal.seal(journals)                  # all six steps; with nothing appended too, so that `time` goes on
    seal.renew()                                  # steps 4 to 6 of what is sealed: what waits goes on waiting
    seal.begin_archive(end)                       # swapped first; then the files, and seal.state.archive_heads()
    seal.finish_archive()
    seal.close()

- **Any exception ends a Seal**, because nobody knows what the store has: close it, open another, restore the watch
  from *its* state and read on from *its* size. `ObjectsUnavailable` is worth another try; after `NotaryRefuses` the
  notary MUST end, and tell.
- Before a hole is made of an offset that the log no longer has, ask `left(offset)`: an earlier run may have written
  the entry, and its files are never replaced. What it gives is appended as the entry, without a record's payload.
- A Seal is used by one thread; inside it several write and read objects at once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final

from audit.errors import NotaryRefuses
from audit.objects.base import Objects
from audit.proof.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from audit.proof.errors import FormatError, NotProved
from audit.proof.hashing import EMPTY_ROOT
from audit.proof.note import Signer, with_signatures
from audit.proof.tiles import TileNodes
from audit.sealed import TreeId

from .cosigning import Cosigner, Cosigners
from .growth import Growth
from .head import Head
from .left import Left
from .state import State

_WORKERS: Final = 16


@dataclass(frozen=True, slots=True)
class Sealed:
    """What one call of `seal` came to."""

    state: State
    published: int
    """Leaves under the published checkpoint; fewer than `state.size` while the quorum is not met."""
    cosignatures: int
    """Witnesses that vouch for this head."""
    missing: tuple[str, ...]
    """Why the others do not."""
    contradict: tuple[str, ...] = ()
    """Those of them that say that the log was forked."""
    news: tuple[str, ...] = ()
    """Those of the reasons that were not given before."""


class Seal:
    """One tree of one notary."""

    def __init__(
        self,
        objects: Objects,
        tree: TreeId,
        signer: Signer,
        *,
        cosigners: Sequence[Cosigner] = (),
        quorum: int = 0,
        clock: Callable[[], int] = time.time_ns,
        workers: int = _WORKERS,
        begun: bool = False,
    ) -> None:
        """Read what the store has of the tree, and see that it is what this key has sealed.

        1. the state is well-formed, and its checkpoint signed; 2. the published checkpoint is not ahead of it,
        and the state's tree continues it; 3. the tiles have the state's root, and the last entries are theirs.

        Args:
            objects: the store. Used by several threads at once.
            tree: which tree.
            signer: the notary's key.
            cosigners: witnesses.
            quorum: so many of them must vouch for a checkpoint before it is published.
            clock: ns since 1970 UTC.
            workers: objects that are written or read at once.
            begun: the tree is known to have had a state.

        Raises:
            NotaryRefuses: one of these does not hold, or the tree was begun and has no state.
            ObjectsUnavailable: the store does not answer.
        """
        self.tree = tree
        self._objects = objects
        self._signer = signer
        self._quorum = quorum
        self._clock = clock
        try:
            self._head = Head(objects, tree, tree.key(signer.public_key), begun=begun)
            self._growth = Growth.read(self._head.fetch, self.state.size, self.state.root)
        except (FormatError, NotProved) as error:
            raise NotaryRefuses(f"{tree.origin}: what is stored is not what was sealed: {error}") from error
        self._left = Left(objects, tree.prefix)
        self._pool = ThreadPoolExecutor(workers, "seal")
        self._cosigners = Cosigners(cosigners, quorum)
        self._ended = False

    @property
    def state(self) -> State:
        """The state as the store has it."""
        return self._head.state

    @property
    def size(self) -> int:
        """Leaves, those that wait included: the offset that comes next."""
        return self._growth.size

    @property
    def pending(self) -> int:
        """Leaves that wait to be sealed."""
        return self._growth.pending

    @property
    def pending_bytes(self) -> int:
        """Bytes of their entries, which are held in memory."""
        return self._growth.pending_bytes

    @property
    def published(self) -> int:
        """Leaves under the published checkpoint."""
        return self._head.published

    def left(self, offset: int) -> bytes | None:
        """The entry that an ended run wrote at an offset and did not seal, or None.

        For offsets that the log does not have any more.

        Raises:
            ValueError: the offset is sealed.
            ObjectsUnavailable: the store does not answer.
        """
        if offset < self.state.size:
            raise ValueError(f"{self.tree.origin}: offset {offset} is sealed")
        return self._left.entry(offset)

    def append(self, entries: Sequence[bytes], leaves: Sequence[bytes] | None = None) -> None:
        """Take the entries of the next offsets, and their hashes where they are known.

        Nothing is written before `seal`, which computes every hash again.

        Raises:
            ValueError: an entry is over 65,535 bytes; nothing was taken.
        """
        self._growth.append(entries, leaves)

    def seal(self, journals: Sequence[Any] | None = None) -> Sealed:
        """Seal all that was appended; with nothing appended, the state's time and the cosignatures are renewed.

        Args:
            journals: what the watch knows of each journal at this size; as it was when None.

        Raises:
            NotaryRefuses: an object that should be created is there with another content; another notary
                has written; the signer's signature does not hold.
            ObjectsUnavailable: the store does not answer. What was written is not known.
            SignerUnavailable: the key does not sign now; no head was signed.
            WitnessContradicts: so many witnesses say that the log was forked that nothing may be published. What was
                appended is signed, and in the state.
        """
        with self._or_ended():
            growth, head = self._growth, self._head
            if head.first:
                self._begin()

            # 1. Bundles and tiles are created. A crash leaves files beyond the state; the next run makes the same.
            self._create(growth.bundles())
            self._create(growth.tiles())

            # 2. They are read back, and hashed again up to the root.
            root = self._read_again(growth)

            # 3. The checkpoint is signed. Nobody has seen the signature yet.
            note = self._sign(Checkpoint(self.tree.origin, growth.size, root))

            # 4. The state is swapped: from here on this head is the only one of its size.
            state = head.state if note == head.state.checkpoint else head.state.grown(growth.size, root, note)
            known = state.journals if journals is None else tuple(journals)
            head.swap_state(replace(state, time=self._clock(), journals=known))
            self._growth = growth.sealed()

            return self._vouched(note)

    def renew(self) -> Sealed:
        """Renew the state's time and the cosignatures of what is sealed; what was appended goes on waiting.

        Raises:
            as `seal`; no head is signed, but a tree's first.
        """
        with self._or_ended():
            if self._head.first:
                self._begin()
            self._head.swap_state(replace(self.state, time=self._clock()))
            return self._vouched(self.state.checkpoint)

    def _vouched(self, note: bytes) -> Sealed:
        """The last two steps, of the state's head."""
        # 5. Witnesses cosign. After a crash the next run asks again: they know no more than the state.
        head, state, fetch = self._head, self.state, self._head.fetch
        checkpoint = Checkpoint(state.origin, state.size, state.root)
        vouched = self._cosigners.ask(checkpoint, note, TileNodes(fetch, state.size))

        # 6. The checkpoint is published, once enough of them vouch for it.
        if len(vouched.signatures) >= self._quorum:
            head.publish(with_signatures(note, sorted(vouched.signatures)))
        return Sealed(
            state, head.published, len(vouched.signatures), vouched.missing, vouched.contradict, vouched.news
        )

    def begin_archive(self, end: int) -> None:
        """Decide that the offsets from `state.archived` to `end` make the next file: one swap, before it is written.

        After a start `state.archiving` says what was begun: that file is written (again) first.

        Raises:
            ValueError: another file is begun, or the offsets are not sealed.
            NotaryRefuses, ObjectsUnavailable: as `seal`.
        """
        state = self.state.archive_begun(end)
        with self._or_ended():
            self._head.swap_state(state)

    def finish_archive(self) -> None:
        """The file that was begun is written, and `state.archive_heads()` with it: one swap.

        Raises:
            ValueError: none is begun.
            NotaryRefuses, ObjectsUnavailable: as `seal`.
        """
        state = self.state.archive_finished()
        with self._or_ended():
            self._head.swap_state(state)

    def close(self) -> None:
        """Let go of threads and connections; nothing is written."""
        self._ended = True
        self._pool.shutdown()
        self._cosigners.close()

    def _begin(self) -> None:
        """The first state, of no leaves: from now on files without a state are a state that was lost."""
        origin = self.tree.origin
        note = self._signed(Checkpoint(origin, 0, EMPTY_ROOT))
        self._head.swap_state(State(origin, checkpoint=note, time=self._clock()))

    def _create(self, files: Sequence[tuple[str, bytes]]) -> None:
        """What an ended run has created is there already, and the same.

        Bundles come first: of two notaries that were told different things of the log, the slower one finds so
        before it has written a tile that would stop the other.
        """

        def create(file: tuple[str, bytes]) -> str | None:
            path, content = file
            there = self._objects.create(self._head.name(path), content) or self._head.fetch(path) == content
            return None if there else path

        for path in self._pool.map(create, files):
            if path is not None:
                raise NotaryRefuses(f"{self.tree.origin}: {path} is there already, with another content")

    def _read_again(self, growth: Growth) -> bytes:
        try:
            root = growth.read_again(lambda paths: self._pool.map(self._head.fetch, paths))
            if root != growth.root():
                raise NotProved("they have another root")
        except (FormatError, NotProved) as error:
            raise NotaryRefuses(
                f"{self.tree.origin}: the files beyond {self.state.size} leaves are not what was to be written: "
                f"{error}"
            ) from error
        return root

    def _sign(self, checkpoint: Checkpoint) -> bytes:
        """A head that is signed already stays the only one of its size, whatever the signer does."""
        return self.state.checkpoint if checkpoint.size == self.state.size else self._signed(checkpoint)

    def _signed(self, checkpoint: Checkpoint) -> bytes:
        """The note. A signature that did not hold would make a state that nobody can go on from."""
        note = sign_checkpoint(checkpoint, self._signer)
        try:
            open_checkpoint(note, self.tree.key(self._signer.public_key))
        except NotProved as error:
            raise NotaryRefuses(
                f"{self.tree.origin}: what the signer gave is no signature: {error}"
            ) from error
        return note

    @contextmanager
    def _or_ended(self) -> Iterator[None]:
        """Whatever is raised, this Seal does not know any more what the store has."""
        if self._ended:
            raise RuntimeError("this Seal has ended: open another")
        try:
            yield
        except BaseException:
            self._ended = True
            raise
