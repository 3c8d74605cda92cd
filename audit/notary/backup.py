"""A copy of what a notary keeps, and its way back into an empty store.

Copying, while the notary may go on (each object is read once):

1. of each tree the published checkpoint, then its state: a state that is read later continues it;
2. everything that is created once, but archive files beyond what that state has begun: their ranges are decided
   again after a restore.

A crash in between leaves a copy without the new state: copying again goes on, and what is there is not read again.

Restoring, into a store without any of these trees:

1. of each tree: state and checkpoint are signed and fit together, the tiles have the state's root;
2. each checkpoint that is known from elsewhere is continued by the state. One that is larger is a head that was
   signed after the copy: a notary that went on from the copy would sign smaller heads again;
3. what is created once is written, then the states, then the checkpoints. A crash before the states leaves a store
   that a notary refuses, and that is restored by restoring again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from audit.errors import NotaryRefuses, ObjectChanged
from audit.objects.base import Objects
from audit.proof.checkpoint import open_checkpoint, parse_checkpoint
from audit.proof.errors import NotProved
from audit.proof.merkle import consistency_proof, verify_consistency
from audit.proof.note import parse_note
from audit.proof.tiles import TileNodes
from audit.sealed import CHECKPOINT, TreeId

from .growth import Growth
from .head import STATE, Head
from .state import State

_STATE: Final = re.compile(r"([0-9a-f]{32})/([0-9]{1,5})/state")
_SWAPPED: Final = re.compile(r"[0-9a-f]{32}/[0-9]{1,5}/(?:state|checkpoint)|topics/.*")
_ARCHIVED: Final = re.compile(
    r"archive/[a-z]+/topic=([0-9a-f]{32})/.*partition=([0-9]+)/[0-9]{20}-([0-9]{20})\..*"
)

Told = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Copied:
    """What a copy, or a restore, came to."""

    sizes: dict[str, int]
    """Leaves of each tree, by its origin."""
    objects: int
    """That were written now."""


def trees_in(objects: Objects, name: str) -> list[TreeId]:
    """The trees that a store has a state of."""
    found = (_STATE.fullmatch(each) for each in objects.list(""))
    return [TreeId(name, bytes.fromhex(each[1]), int(each[2])) for each in found if each is not None]


def backup(source: Objects, target: Objects, name: str, told: Told = lambda _: None) -> Copied:
    """Copy a notary's store; again into the same place, it takes what is new.

    MUST NOT write to `source`. What it leaves in `target` is at any time a whole copy, or one that `restore` refuses.

    Raises:
        NotaryRefuses: `target` holds another history, or a newer one.
        FormatError: a state is none.
        ObjectsUnavailable: either does not answer.
    """
    heads, written = [], 0
    for tree in trees_in(source, name):
        published = source.get(f"{tree.prefix}/{CHECKPOINT}")
        state = source.get(f"{tree.prefix}/{STATE}")
        assert state is not None  # the states are never deleted, and this one was listed
        heads.append((tree, None if published is None else published.content, state.content))
    states = {tree.prefix: State.decode(raw) for tree, _, raw in heads}
    for tree, _, _ in heads:
        _not_older(target, tree, states[tree.prefix])
    there = set(target.list(""))
    for each in _created_once(source, states):
        if each not in there:
            told(each)
            written += _copy(source, target, each)
    for each in source.list("topics/"):
        written += _replace(target, each, _content(source, each))
    for tree, note, raw in heads:
        written += _replace(target, f"{tree.prefix}/{STATE}", raw)
        if note is not None:
            written += _replace(target, f"{tree.prefix}/{CHECKPOINT}", note)
    return Copied({tree.origin: states[tree.prefix].size for tree, _, _ in heads}, written)


def restore(
    source: Objects,
    target: Objects,
    name: str,
    public_key: bytes,
    known: Sequence[bytes],
    told: Told = lambda _: None,
) -> Copied:
    """Put a copy into a store that has none of its trees.

    MUST NOT change a store that has a state or a checkpoint of one of them, and MUST NOT put back a state older than a
    checkpoint that is known.

    Args:
        source: the copy.
        target: the notary's store.
        name: [notary] name.
        public_key: the notary's.
        known: checkpoints from elsewhere: the newest that auditors, witnesses or gateways have seen.
        told: called with each object's name.

    Raises:
        NotaryRefuses: as above; or there is nothing to restore.
        FormatError, NotProved: the copy is damaged, or another notary's; or so is what is known.
        ObjectsUnavailable: either does not answer.
    """
    trees = trees_in(source, name)
    if not trees:
        raise NotaryRefuses(
            "there is no state of a tree: this is no copy of a notary's store, or an unfinished one"
        )
    heads = {tree.origin: (tree, _verified(source, tree, public_key)) for tree in trees}
    for raw in known:
        _continues(heads, public_key, raw)
    for tree in trees:
        _is_absent(source, target, tree)
    written = 0
    for each in _created_once(source, {tree.prefix: head.state for tree, head in heads.values()}):
        told(each)
        written += _copy(source, target, each)
    for each in source.list("topics/"):
        written += _replace(target, each, _content(source, each))
    for swapped in (STATE, CHECKPOINT):
        for tree in trees:
            stored = source.get(f"{tree.prefix}/{swapped}")
            if stored is not None:
                written += target.create(f"{tree.prefix}/{swapped}", stored.content)
    return Copied({origin: head.state.size for origin, (_, head) in heads.items()}, written)


def _verified(source: Objects, tree: TreeId, public_key: bytes) -> Head:
    """Raises as `Head` does, and NotProved when the tiles have another root."""
    head = Head(source, tree, tree.key(public_key))
    Growth.read(head.fetch, head.state.size, head.state.root)
    return head


def _continues(heads: dict[str, tuple[TreeId, Head]], public_key: bytes, raw: bytes) -> None:
    """Raises NotaryRefuses: the copy is older than this checkpoint. NotProved: it is of another history."""
    origin = parse_checkpoint(parse_note(raw).text).origin
    if origin not in heads:
        raise NotaryRefuses(f"{origin}: a checkpoint of it is known, and the copy has no such tree")
    tree, head = heads[origin]
    known, state = open_checkpoint(raw, tree.key(public_key)).checkpoint, head.state
    if known.size > state.size:
        raise NotaryRefuses(
            f"{origin}: {known.size} leaves were signed, and the copy has {state.size}: a notary that went on from it "
            "would sign smaller heads again"
        )
    proof = consistency_proof(TileNodes(head.fetch, state.size), known.size, state.size)
    verify_consistency(known.size, known.root, state.size, state.root, proof)


def _is_absent(source: Objects, target: Objects, tree: TreeId) -> None:
    """Raises NotaryRefuses: the store has another state of this tree. The same is what a restore before has left."""
    for swapped in (STATE, CHECKPOINT):
        there = target.get(f"{tree.prefix}/{swapped}")
        if there is not None and there.content != _content(source, f"{tree.prefix}/{swapped}"):
            raise NotaryRefuses(f"{tree.origin}: the store has a {swapped} already; nothing was changed")


def _not_older(target: Objects, tree: TreeId, state: State) -> None:
    """Raises NotaryRefuses: the copy that is there is of a later time, or another's."""
    stored = target.get(f"{tree.prefix}/{STATE}")
    if stored is not None and State.decode(stored.content).size > state.size:
        raise NotaryRefuses(
            f"{tree.origin}: the copy that is there has more leaves than the store; it was left as it is"
        )


def _created_once(source: Objects, states: dict[str, State]) -> Iterator[str]:
    for name in source.list(""):
        if _SWAPPED.fullmatch(name):
            continue
        archived = _ARCHIVED.fullmatch(name)
        if archived is not None:
            state = states.get(f"{archived[1]}/{int(archived[2])}")
            if state is None or int(archived[3]) >= state.archiving:
                continue
        yield name


def _content(source: Objects, name: str) -> bytes:
    stored = source.get(name)
    return b"" if stored is None else stored.content


def _copy(source: Objects, target: Objects, name: str) -> bool:
    """Whether it was written now. Raises NotaryRefuses: what is there under that name is something else."""
    stored = source.get(name)
    if stored is None:
        raise NotProved(f"{name} is gone from the store while it was copied")
    if target.create(name, stored.content):
        return True
    there = target.get(name)
    if there is None or there.content != stored.content:
        raise NotaryRefuses(f"{name}: the copy has another content; two stores were copied to one place")
    return False


def _replace(target: Objects, name: str, content: bytes) -> bool:
    there = target.get(name)
    if there is not None and there.content == content:
        return False
    try:
        target.swap(name, content, None if there is None else there.version)
    except ObjectChanged as error:
        raise NotaryRefuses(f"{name}: another process writes to the same place") from error
    return True
