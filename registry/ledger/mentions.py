"""What an entry of the governance log may be about, told without reading it whole.

To parse each of a million statements takes minutes, and a gateway asks for a few hundred of them. What is told here MAY
be more than an entry says, and MUST NOT be less: the predicate type and each subject that `registry.statement.said_in`
finds in an entry are among what `mentions` tells of it. So whoever looks up a digest reads a few entries too many, and
misses none.

Almost all entries are envelopes as `audit.proof.dsse` writes them, with a statement in UTF-8 and without escapes. In
one of those each JSON string stands as it is, so a digest or a type that the statement has is found between quotes.
Everything else is parsed.
"""

from __future__ import annotations

import re
from binascii import Error, a2b_base64, a2b_hex
from typing import Final, NamedTuple

from audit.log.base import LogEntry
from audit.proof.errors import FormatError
from audit.proof.record import parse_payload, split_record
from registry.statement import PREDICATES, said_in

_BEGIN: Final = b'{"payload":"'
_TYPE: Final = b'","payloadType":"application/vnd.in-toto+json","signatures":'
_SIGNATURE: Final = re.compile(rb'\[\{"keyid":"[0-9a-f]{64}","sig":"[0-9A-Za-z+/]+={0,2}"\}\]\}')
_FOUND: Final = re.compile(
    rb'"(?:([0-9a-f]{64})|(%b))"' % b"|".join(re.escape(each.encode()) for each in sorted(PREDICATES))
)
_NAMES: Final = {each.encode(): each for each in PREDICATES}


class Mentions(NamedTuple):
    """What an entry may be about."""

    types: tuple[str, ...]
    """Of predicates, among PREDICATES; each once."""
    digests: tuple[bytes, ...]
    """SHA-256, 32 bytes each; each once."""


def mentions(entry: LogEntry) -> Mentions | None:
    """See the module; None when it is no statement of ours."""
    try:
        request = parse_payload(split_record(entry.value or b"")[1]).request
    except FormatError:
        return None
    body = _plain(request)
    if body is None:
        return _parsed(entry)
    types, digests = dict[str, None](), dict[bytes, None]()
    for digest, type_ in _FOUND.findall(body):
        if digest:
            digests[a2b_hex(digest)] = None
        else:
            types[_NAMES[type_]] = None
    return Mentions(tuple(types), tuple(digests)) if types and digests else None


def _plain(request: bytes) -> bytes | None:
    """The statement's bytes, when its JSON has no string that is written otherwise than it reads."""
    if not request.startswith(_BEGIN):
        return None
    end = request.find(b'"', len(_BEGIN))
    if not request.startswith(_TYPE, end) or not _SIGNATURE.fullmatch(request, end + len(_TYPE)):
        return None
    try:
        body = a2b_base64(request[len(_BEGIN) : end], strict_mode=True)
    except Error:
        return None
    # JSON may be UTF-16, which has bytes of 0; and a digit may be written \u0030.
    return body if b"\\" not in body and b"\0" not in body else None


def _parsed(entry: LogEntry) -> Mentions | None:
    for said in said_in([entry]):
        if said.type in PREDICATES:
            digests = (a2b_hex(each.removeprefix("sha256:")) for each in said.subjects)
            return Mentions((said.type,), tuple(dict.fromkeys(digests)))
    return None
