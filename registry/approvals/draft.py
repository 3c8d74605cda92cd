"""Roots on their way: drafts that people read and edit, and the next root after one that is in force.

A draft is what will be signed, as indented JSON without an envelope. Its first signature makes it a root file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from audit.errors import ConfigError
from audit.files import parse_json
from audit.invalid import first_problem
from audit.proof.errors import FormatError
from audit.proof.people import folded

from .keys import PublicKeyFile
from .root import KeyModel, RoleModel, Root, RootModel, parse_root

MAX_FILE: Final = 1 << 20


def read_root_file(path: Path) -> Root | RootModel:
    """A root file with signatures, or a draft without.

    Raises:
        ConfigError: not there, or over 1 MiB.
        FormatError: neither; the message says which part.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_FILE + 1)
    except OSError as error:
        raise ConfigError(
            f"cannot read {path}: {error.strerror}; `affiant roles init` writes a first root"
        ) from error
    if len(raw) > MAX_FILE:
        raise ConfigError(f"{path} is over {MAX_FILE} bytes")
    try:
        content: Any = parse_json(raw)
    except ValueError as error:
        raise FormatError(f"{path.name}: not JSON") from error
    if isinstance(content, dict) and "payload" in content:
        return parse_root(raw)
    try:
        return RootModel.model_validate_json(raw)
    except ValidationError as error:
        raise FormatError(f"{path.name}: {first_problem(error)}") from error


def content_of(found: Root | RootModel) -> RootModel:
    """What is signed, or shall be."""
    return found.content if isinstance(found, Root) else found


def encode_draft(content: RootModel) -> bytes:
    """A draft's file."""
    return (content.model_dump_json(indent=2) + "\n").encode()


def first_root(keys: Sequence[PublicKeyFile], roles: Mapping[str, tuple[Sequence[str], int]]) -> RootModel:
    """Version 1.

    Args:
        keys: of the people; a person may have several.
        roles: role → (people, threshold).

    Raises:
        ConfigError: says what does not fit.
    """
    return _made({"version": 1, "previous": None}, _keys({}, keys), _roles(roles, _keys({}, keys)))


def next_root(
    before: Root,
    *,
    add: Sequence[PublicKeyFile] = (),
    remove: Iterable[str] = (),
    roles: Mapping[str, tuple[Sequence[str], int]] | None = None,
    drop: Iterable[str] = (),
) -> RootModel:
    """The root that follows `before`.

    Args:
        before: what it follows.
        add: keys of new people. A key of somebody who is there already joins all their roles.
        remove: people, or key ids; what they signed counts for nothing any more.
        roles: role → (people, threshold): new ones, or in place of what the role was.
        drop: roles that go.

    Raises:
        ConfigError: says what does not fit.
    """
    content = before.content
    gone = _named(content, remove)
    keys = _keys({name: key for name, key in content.keys.items() if name not in gone}, add)
    changed = {
        name: RoleModel(
            keys=[
                *(each for each in role.keys if each not in gone),
                *_joining(content, role, [each for each in add if each.id not in role.keys]),
            ],
            threshold=role.threshold,
        )
        for name, role in content.roles.items()
    } | _roles(roles or {}, keys)
    for role in drop:
        if changed.pop(role, None) is None:
            raise ConfigError(f"there is no role {role}; there are {', '.join(content.roles)}")
    return _made(_after(before), keys, changed)


def rotated(before: Root, old: Sequence[str], new: PublicKeyFile, until: int) -> RootModel:
    """The next root, in which `new` takes the place of its person's old keys.

    Args:
        before: what it follows.
        old: key ids, or none: all that the person has now.
        new: the new key.
        until: an offset of the governance log: what the old keys signed before it goes on counting, nothing later.

    Raises:
        ConfigError: the person has none of these keys.
    """
    content = before.content
    own = [name for name, key in content.keys.items() if key.person == new.person and key.until is None]
    gone = _named(content, old) if old else set(own)
    if not gone or not gone <= set(own):
        raise ConfigError(f"{new.person} has no such key to rotate")
    if new.id in content.keys:
        raise ConfigError(f"the key {new.id[:16]}… is in the root already")
    keys = {
        name: key.model_copy(update={"until": until}) if name in gone else key
        for name, key in content.keys.items()
    }
    keys[new.id] = KeyModel(public=new.public, person=new.person)
    roles = {
        name: role.model_copy(update={"keys": [*role.keys, new.id]}) if gone & set(role.keys) else role
        for name, role in content.roles.items()
    }
    return _made(_after(before), keys, roles)


def check_people(content: RootModel) -> None:
    """MUST be asked of what is to be signed: a root that was signed before is read as it is.

    Raises:
        ConfigError: two people of it have one name, but for how it is written.
    """
    people = sorted({key.person for key in content.keys.values()})
    for place, one in enumerate(people):
        for other in people[place + 1 :]:
            if folded(one) == folded(other):
                raise ConfigError(
                    f"root: {one!r} and {other!r} differ only in how they are written: give one person one name, "
                    "and two people two"
                )


def _after(before: Root) -> dict[str, Any]:
    return {"version": before.version + 1, "previous": before.digest}


def _joining(content: RootModel, role: RoleModel, add: Sequence[PublicKeyFile]) -> list[str]:
    people = {content.keys[each].person for each in role.keys}
    return [each.id for each in add if each.person in people]


def _named(content: RootModel, names: Iterable[str]) -> set[str]:
    """Key ids by person, or by the beginning of the id."""
    found: set[str] = set()
    for name in names:
        keys = {each for each, key in content.keys.items() if key.person == name}
        if not keys and len(name) >= 8:
            keys = {each for each in content.keys if each.startswith(name)}
        if not keys:
            raise ConfigError(f"the root knows nobody, and no key, called {name!r}")
        found |= keys
    return found


def _keys(before: Mapping[str, KeyModel], add: Sequence[PublicKeyFile]) -> dict[str, KeyModel]:
    keys = dict(before)
    for each in add:
        if each.id in keys:
            raise ConfigError(f"the key {each.id[:16]}… is there twice")
        keys[each.id] = KeyModel(public=each.public, person=each.person)
    return keys


def _roles(
    roles: Mapping[str, tuple[Sequence[str], int]], keys: Mapping[str, KeyModel]
) -> dict[str, RoleModel]:
    found = {}
    for role, (people, threshold) in roles.items():
        known = {key.person for key in keys.values()}
        if unknown := [each for each in people if each not in known]:
            raise ConfigError(f"role {role}: no key of {unknown[0]!r}; there are {', '.join(sorted(known))}")
        if threshold < 1:
            raise ConfigError(f"role {role}: {threshold} people are none: at least 1 must sign")
        found[role] = RoleModel(
            keys=[name for name, key in keys.items() if key.person in people], threshold=threshold
        )
    return found


def _made(head: Mapping[str, Any], keys: Mapping[str, KeyModel], roles: Mapping[str, RoleModel]) -> RootModel:
    try:
        made = RootModel(**head, keys=dict(keys), roles=dict(roles))
    except ValidationError as error:
        raise ConfigError(f"root: {first_problem(error)}") from error
    check_people(made)
    return made
