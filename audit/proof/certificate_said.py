"""What a certificate's records say: in-toto statements, and the chain of roots that tells whose word each is.

The same rules as the registry's (registry/statement.py, registry/approvals/root.py), over plain JSON: this side has no
pydantic, and is held to the other by tests/property/test_certificate_rules.py.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final, NamedTuple

from .dsse import Envelope, key_id, parse_envelope, verify_envelope
from .entry import Key, Kind
from .errors import FormatError, NotProved
from .keys import parse_key
from .record import Record, parse_payload, payload_holds

PAYLOAD_TYPE: Final = "application/vnd.in-toto+json"
STATEMENT: Final = "https://in-toto.io/Statement/v1"
ROOT_TYPE: Final = "application/vnd.affiant.root+json"
_TYPES: Final = "https://affiant.dev/"
GATES: Final = f"{_TYPES}gates/v1"
APPROVAL: Final = f"{_TYPES}approval/v1"
REJECTION: Final = f"{_TYPES}rejection/v1"
REVOCATION: Final = f"{_TYPES}revocation/v1"
POLICY: Final = f"{_TYPES}policy/v1"
ROOT: Final = f"{_TYPES}trust-root/v1"
DEPLOYMENT: Final = f"{_TYPES}deployment/v1"
PUBLISH: Final = f"{_TYPES}publish/v1"
KINDS: Final[Mapping[str, str]] = {
    GATES: "gates", APPROVAL: "approval", REJECTION: "rejection", REVOCATION: "revocation",
    POLICY: "policy", ROOT: "root", DEPLOYMENT: "deployment", PUBLISH: "publish",
}  # fmt: skip
"""The statements that a certificate may have."""

_HEX: Final = re.compile(r"[0-9a-f]{64}")
_FORM: Final = re.compile(r"(?:[0-9a-f]{2})+")
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")
_ROLE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


class Said(NamedTuple):
    """One statement. Nothing of it is true before `holds` is True and `author` is somebody of a root."""

    offset: int
    logged: int
    """The log's time, ms since 1970 UTC. Neither signed nor sealed: the word of who made the certificate."""
    author: str
    """The key id, hex."""
    holds: bool
    type: str
    subjects: tuple[str, ...]
    """`sha256:…`, at least one."""
    predicate: Mapping[str, Any]
    raw: bytes
    """What is signed."""


def parse_said(record: Record, offset: int, logged: int, keys: Mapping[str, bytes]) -> Said:
    """The statement of a record of the governance log.

    Args:
        record: its payload MUST be there.
        offset: where it stands.
        logged: see `Said`.
        keys: key id → public key, of those whose signatures are checked; of others `holds` is False.

    Raises:
        FormatError: it is none; the message says which part.
    """
    if record.entry.kind != Kind.GOVERNANCE or not payload_holds(record):
        raise FormatError("not an entry of the governance log with its payload")
    envelope = parse_envelope(parse_payload(record.payload).request)
    author = record.entry.fields[Key.AUTHOR].hex()
    if envelope.type != PAYLOAD_TYPE or record.entry.fields[Key.BODY_TYPE] != PAYLOAD_TYPE:
        raise FormatError("not a statement of in-toto")
    body = load(envelope.payload, "statement")
    type_, predicate = body.get("predicateType"), body.get("predicate")
    if body.get("_type") != STATEMENT or not isinstance(type_, str) or type_ not in KINDS:
        raise FormatError("not a statement that a certificate may have")
    if not isinstance(predicate, dict):
        raise FormatError("a statement without a predicate")
    return Said(
        offset, logged, author, author in keys and signed_by(envelope, keys[author]), type_,
        _subjects(body.get("subject")), predicate, envelope.payload,
    )  # fmt: skip


def load(raw: bytes, what: str) -> dict[str, Any]:
    """A JSON object. Raises FormatError."""
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{what}: not JSON") from error
    if not isinstance(found, dict):
        raise FormatError(f"{what}: not an object")
    return found


def once(said: Iterable[Said]) -> list[Said]:
    """Each statement where it stands first: one that was appended again is as old as it was."""
    found: dict[tuple[str, bytes], Said] = {}
    for each in said:
        found.setdefault((each.author, each.raw), each)
    return list(found.values())


def signed_by(envelope: Envelope, public_key: bytes) -> bool:
    """Whether that key's signature is there and holds."""
    try:
        verify_envelope(envelope, public_key)
    except NotProved:
        return False
    return True


def _subjects(content: object) -> tuple[str, ...]:
    found = []
    for each in content if isinstance(content, list) else []:
        digest = each.get("digest") if isinstance(each, dict) else None
        value = digest.get("sha256") if isinstance(digest, dict) else None
        if not isinstance(value, str) or not _HEX.fullmatch(value):
            raise FormatError("statement: a subject is no SHA-256")
        found.append(f"sha256:{value}")
    if not found:
        raise FormatError("statement: no subject")
    return tuple(found)


# ---------------------------------------------------------------- roots


class RootKey(NamedTuple):
    """One key; `until`: the offset from which it counts no more."""

    public: bytes
    person: str
    until: int | None


class RootRole(NamedTuple):
    """Who has a role; `threshold` people of it sign a root or a policy."""

    keys: tuple[str, ...]
    threshold: int


@dataclass(frozen=True, slots=True)
class Root:
    """A root, parsed. Nothing is verified."""

    version: int
    previous: str | None
    keys: Mapping[str, RootKey]
    roles: Mapping[str, RootRole]
    envelope: Envelope

    @property
    def digest(self) -> str:
        """Of what is signed."""
        return f"sha256:{sha256(self.envelope.payload).hexdigest()}"

    def person(self, key: str, role: str, offset: int) -> str | None:
        """Who spoke with that key in that role at that offset; None: nobody who may."""
        found, has = self.keys.get(key), self.roles.get(role)
        if found is None or has is None or key not in has.keys:
            return None
        return found.person if found.until is None or offset < found.until else None

    def signers(self, of: Root) -> set[str]:
        """The people of the role root of `of` whose signatures on this root hold."""
        keys = [of.keys[name] for name in of.roles["root"].keys]
        return {each.person for each in keys if each.until is None and signed_by(self.envelope, each.public)}

    def check(self, previous: Root | None) -> None:
        """Whether it follows that root; None: whether it is a first one. Raises NotProved."""
        if previous is None and self.version != 1:
            raise NotProved(f"root: version {self.version} is no first root")
        if previous is not None and (self.version, self.previous) != (previous.version + 1, previous.digest):
            raise NotProved(f"root: version {self.version} does not follow version {previous.version}")
        for each in (previous, self):
            if each is not None and (there := len(self.signers(each))) < each.roles["root"].threshold:
                raise NotProved(
                    f"root: version {self.version} is signed by {there} of the {each.roles['root'].threshold} "
                    f"people that version {each.version} wants"
                )


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
        """Who spoke with that key in that role at that offset, by the root of that time and by the one in force."""
        then = self.at(offset).person(key, role, offset)
        return None if then is None else self.now.person(key, role, offset)

    def keys(self) -> dict[str, bytes]:
        """Every key of every root."""
        return {name: key.public for _, root in self.chain for name, key in root.keys.items()}


def parse_root(raw: bytes) -> Root:
    """Of a root file. Raises FormatError: the message says which part."""
    envelope = parse_envelope(raw)
    if envelope.type != ROOT_TYPE:
        raise FormatError(f"root: payloadType is not {ROOT_TYPE}")
    body = load(envelope.payload, "root")
    version, previous = body.get("version"), body.get("previous")
    if set(body) - {"format", "version", "previous", "keys", "roles"} or not _is(body.get("format", 1), 1, 1):
        raise FormatError("root: not of format 1")
    if type(version) is not int or version < 1 or (version == 1) != (previous is None):
        raise FormatError("root: version 1, and no other, is without a previous root")
    if previous is not None and not (isinstance(previous, str) and _DIGEST.fullmatch(previous)):
        raise FormatError("root: previous is no digest")
    keys = {name: _key(name, each) for name, each in _map(body, "keys").items()}
    roles = {name: _role(name, each, keys) for name, each in _map(body, "roles").items()}
    if "root" not in roles:
        raise FormatError("root: there is no role root")
    return Root(version, previous, keys, roles, envelope)


def root_of(said: Said) -> Root:
    """The root that a statement brings. Raises FormatError."""
    return parse_root(json.dumps(said.predicate.get("envelope")).encode())


def _map(body: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = body.get(name)
    if not isinstance(found, dict):
        raise FormatError(f"root: {name} is not a map")
    return found


def _key(name: str, content: object) -> RootKey:
    if not isinstance(content, dict) or not {"public", "person"} <= set(content) <= {
        "public", "person", "until",
    }:  # fmt: skip
        raise FormatError("root: a key is not public, person and until")
    public, person, until = content["public"], content["person"], content.get("until")
    # Hexadecimal in one spelling: `fromhex` reads capitals and spaces too, and two spellings would be two roots.
    if not isinstance(public, str) or not _FORM.fullmatch(public) or name != key_id(bytes.fromhex(public)):
        raise FormatError("root: a key, or its id, is none")
    parse_key(bytes.fromhex(public))
    if not isinstance(person, str) or not 1 <= len(person) <= 200 or not (until is None or _is(until, 0)):
        raise FormatError("root: a key's person or offset is none")
    return RootKey(bytes.fromhex(public), person, until)


def _role(name: str, content: object, keys: Mapping[str, RootKey]) -> RootRole:
    if not isinstance(content, dict) or set(content) != {"keys", "threshold"} or not _ROLE.fullmatch(name):
        raise FormatError("root: a role is not keys and threshold")
    named, threshold = content["keys"], content["threshold"]
    if not isinstance(named, list) or not all(isinstance(each, str) and each in keys for each in named):
        raise FormatError(f"root: role {name}: a key that the root does not have")
    if not _is(threshold, 1):
        raise FormatError(f"root: role {name}: no threshold")
    people = {keys[each].person for each in named if keys[each].until is None}
    if len(people) < threshold and name in ("root", "policy"):
        raise FormatError(f"root: role {name}: {len(people)} people cannot reach {threshold}")
    return RootRole(tuple(named), threshold)


def _is(value: object, least: int, most: int | None = None) -> bool:
    return type(value) is int and value >= least and (most is None or value <= most)


def fold_roots(first: Root, said: Iterable[Said]) -> tuple[Roots, tuple[int, ...]]:
    """The chain from a first root that is believed, and the offsets of statements of a root that do not follow.

    Raises:
        NotProved: `first` is not signed by its own people.
    """
    first.check(None)
    chain, left = [(-1, first)], []
    for each in said:
        if each.type != ROOT:
            continue
        try:
            root = root_of(each)
            root.check(chain[-1][1])
        except (FormatError, NotProved):
            left.append(each.offset)
        else:
            chain.append((each.offset, root))
    return Roots(tuple(chain)), tuple(left)
