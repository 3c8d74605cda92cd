"""The root: which keys are whose, which roles they have, and how many must sign the next root.

A root file is a DSSE envelope of payloadType `application/vnd.affiant.root+json` with any number of signatures:

    {"format": 1, "version": n, "previous": "sha256:…" | null,
     "keys": {key id: {"public": hex (audit/proof/keys.py), "person": name, "until": offset | null}},
     "roles": {role: {"keys": [key id, …], "threshold": n}}}

As in TUF, the first root is believed by its digest, which is given by hand; every later one is signed by a threshold
of the role `root` of the one before it *and* of its own. A key with `until` was rotated: what it signed counts where
it stands in the governance log before that offset. A key that is left out counts for nothing any more.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Annotated, Any, Final

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from audit.invalid import first_problem
from audit.proof.dsse import Envelope, key_id, pae, parse_envelope, verify_envelope
from audit.proof.errors import FormatError, NotProved
from audit.proof.keys import parse_key
from audit.proof.note import Signer
from registry.statement import ROOT, Said

ROOT_TYPE: Final = "application/vnd.affiant.root+json"
ROOT_ROLE: Final = "root"
POLICY_ROLE: Final = "policy"
GATES_ROLE: Final = "gates"
"""Whose gate results count: the pipeline's key."""
PUBLISH_ROLE: Final = "publish"
"""Whose word on who published a package counts."""
COUNTED: Final = (ROOT_ROLE, POLICY_ROLE)
"""Roles whose threshold counts. How many people of any other role must sign, the policy says; a root that names a
number for one is read all the same."""
_ROLE: Final = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$"
"""As a policy names roles."""


def a_key(public: str) -> str:
    """What a field that holds a public key in hexadecimal asks of it. Raises ValueError."""
    try:
        parse_key(bytes.fromhex(public))
    except FormatError as error:
        raise ValueError(str(error)) from error
    return public


PublicHex = Annotated[str, StringConstraints(pattern=r"^(?:[0-9a-f]{2})+$"), AfterValidator(a_key)]
"""A public key's form, in the one spelling that makes one root of one content."""


class KeyModel(BaseModel):
    """One key."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    public: PublicHex
    person: str = Field(min_length=1, max_length=200)
    until: int | None = Field(default=None, ge=0)


class RoleModel(BaseModel):
    """Who has a role; `threshold`: how many *people* of it a root or a policy needs, see COUNTED."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    keys: list[str]
    threshold: int = Field(ge=1)


class RootModel(BaseModel):
    """What is signed."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    format: int = Field(default=1, ge=1, le=1)
    version: int = Field(ge=1)
    previous: str | None = Field(default=None, pattern=r"^sha256:[0-9a-f]{64}$")
    keys: dict[str, KeyModel]
    roles: dict[Annotated[str, Field(pattern=_ROLE)], RoleModel]

    @model_validator(mode="after")
    def _consistent(self) -> RootModel:
        for name, key in self.keys.items():
            if name != key_id(bytes.fromhex(key.public)):
                raise ValueError(f"the key id {name[:16]}… is not that of its key")
        for name, role in self.roles.items():
            if unknown := [each for each in role.keys if each not in self.keys]:
                raise ValueError(f"role {name}: no key {unknown[0][:16]}…")
            people = {self.keys[each].person for each in role.keys if self.keys[each].until is None}
            if len(people) < role.threshold and name in COUNTED:
                raise ValueError(f"role {name}: {len(people)} people cannot reach {role.threshold}")
        if ROOT_ROLE not in self.roles:
            raise ValueError("there is no role root")
        if (self.version == 1) != (self.previous is None):
            raise ValueError("version 1, and no other, is without a previous root")
        return self


@dataclass(frozen=True, slots=True)
class Root:
    """A root, parsed. Nothing is verified."""

    content: RootModel
    envelope: Envelope

    @property
    def digest(self) -> str:
        """Of what is signed: `sha256:…`."""
        return f"sha256:{sha256(self.envelope.payload).hexdigest()}"

    @property
    def version(self) -> int:
        """From 1."""
        return self.content.version

    def public_keys(self) -> list[bytes]:
        """Every public key of it."""
        return [bytes.fromhex(each.public) for each in self.content.keys.values()]

    def person(self, key: str, role: str, offset: int) -> str | None:
        """Who spoke with that key in that role at that offset of the governance log; None: nobody who may."""
        found, has = self.content.keys.get(key), self.content.roles.get(role)
        if found is None or has is None or key not in has.keys:
            return None
        return found.person if found.until is None or offset < found.until else None

    def people(self, role: str) -> set[str]:
        """Who has that role, by whatever key, rotated ones included."""
        has = self.content.roles.get(role)
        return {self.content.keys[name].person for name in has.keys} if has is not None else set()

    def signers(self, of: Root) -> set[str]:
        """The people of the role root of `of` whose signatures on this root hold. Rotated keys do not sign roots."""
        found = set()
        for name in of.content.roles[ROOT_ROLE].keys:
            key = of.content.keys[name]
            if key.until is None:
                try:
                    verify_envelope(self.envelope, bytes.fromhex(key.public))
                except NotProved:
                    continue
                found.add(key.person)
        return found

    def check(self, previous: Root | None) -> None:
        """Whether this root follows that one; None: whether it is a first root, signed by its own people.

        Raises:
            NotProved: it does not; the message says what is missing.
        """
        if previous is None and self.version != 1:
            raise NotProved(f"root: version {self.version} is no first root")
        if previous is not None and (
            self.version != previous.version + 1 or self.content.previous != previous.digest
        ):
            raise NotProved(f"root: version {self.version} does not follow version {previous.version}")
        for each in (previous, self):
            if each is not None:
                wanted, there = each.content.roles[ROOT_ROLE].threshold, len(self.signers(each))
                if there < wanted:
                    raise NotProved(
                        f"root: version {self.version} is signed by {there} of the {wanted} people that "
                        f"version {each.version} wants"
                    )


def parse_root(raw: bytes) -> Root:
    """Of a root file.

    Raises:
        FormatError: not an envelope, or not a root; the message says which part.
    """
    envelope = parse_envelope(raw)
    if envelope.type != ROOT_TYPE:
        raise FormatError(f"root: payloadType is {envelope.type}, wanted {ROOT_TYPE}")
    try:
        return Root(RootModel.model_validate_json(envelope.payload), envelope)
    except ValidationError as error:
        raise FormatError(f"root: {first_problem(error)}") from error


def sign_root(content: RootModel, signers: Iterable[Signer]) -> Root:
    """A root with these signatures."""
    payload = json.dumps(content.model_dump(), separators=(",", ":"), sort_keys=True).encode()
    signed = tuple((key_id(each.public_key), each.sign(pae(ROOT_TYPE, payload))) for each in signers)
    return Root(content, Envelope(ROOT_TYPE, payload, signed))


def add_signature(root: Root, signer: Signer) -> Root:
    """The root with one more signature; one of the same key is replaced."""
    name = key_id(signer.public_key)
    kept = tuple(each for each in root.envelope.signatures if each[0] != name)
    value = signer.sign(pae(ROOT_TYPE, root.envelope.payload))
    return Root(root.content, Envelope(ROOT_TYPE, root.envelope.payload, (*kept, (name, value))))


def merge_signatures(root: Root, others: Iterable[Root]) -> Root:
    """The root with the signatures of other copies of it; its own come first.

    Raises:
        NotProved: a copy says something else.
    """
    found = dict(root.envelope.signatures)
    for each in others:
        if each.envelope.payload != root.envelope.payload:
            raise NotProved(f"root: {each.digest} is another root than {root.digest}")
        for name, value in each.envelope.signatures:
            found.setdefault(name, value)
    return Root(root.content, Envelope(ROOT_TYPE, root.envelope.payload, tuple(found.items())))


def root_predicate(root: Root) -> dict[str, Any]:
    """What a statement of a root says: the file itself."""
    return {"envelope": json.loads(root.envelope.encode())}


@dataclass(frozen=True, slots=True)
class Roots:
    """The chain of roots, each with the offset from which it is in force."""

    chain: tuple[tuple[int, Root], ...]

    @property
    def now(self) -> Root:
        """The one in force."""
        return self.chain[-1][1]

    def at(self, offset: int) -> Root:
        """The one that was in force at that offset."""
        return next(root for start, root in reversed(self.chain) if start <= offset)

    def person(self, key: str, role: str, offset: int) -> str | None:
        """Who spoke with that key in that role at that offset, by the root of that time *and* by the one in force.

        Who is given a role later MUST NOT have used it before: what they signed without it was nobody's word. And who
        has lost it says nothing any more. None: nobody who may.
        """
        then = self.at(offset).person(key, role, offset)
        return None if then is None else self.now.person(key, role, offset)

    def public_keys(self) -> list[bytes]:
        """Every key of every root."""
        return list(dict.fromkeys(key for _, root in self.chain for key in root.public_keys()))


def fold_roots(first: Root, said: Iterable[Said]) -> Roots:
    """The chain from a first root that is believed, over the statements of the log. What does not follow is
    passed over.

    A root brings its own signatures: who appended it does not matter.

    Raises:
        NotProved: `first` is not signed by its own people.
    """
    first.check(None)
    chain = [(-1, first)]
    for each in said:
        if each.type != ROOT:
            continue
        try:
            root = _of(each.predicate)
            root.check(chain[-1][1])
        except (FormatError, NotProved):
            continue  # anybody may write there
        chain.append((each.offset, root))
    return Roots(tuple(chain))


def _of(predicate: Mapping[str, Any]) -> Root:
    return parse_root(json.dumps(predicate.get("envelope")).encode())
