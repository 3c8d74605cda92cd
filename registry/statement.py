"""in-toto statements about packages in the governance log: who says what of which digest.

    {"_type": "https://in-toto.io/Statement/v1",
     "subject": [{"name": …, "digest": {"sha256": hex}}, …],
     "predicateType": one of below, "predicate": {…}}

in a DSSE envelope of payloadType `application/vnd.in-toto+json` with one signature, as an entry of kind
`governance` (audit/governance.py). What is signed is the statement's bytes; the entry's own time is not, so what
must not be changed stands in the predicate.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any, Final, NamedTuple

from audit.governance import PARTITION, Governance, parse_statement, statements
from audit.governance import Statement as Entry
from audit.log.base import LogEntry, LogReader
from audit.proof.errors import FormatError

PAYLOAD_TYPE: Final = "application/vnd.in-toto+json"
STATEMENT: Final = "https://in-toto.io/Statement/v1"

GATES: Final = "https://affiant.dev/gates/v1"
"""Results of gates (registry/gates)."""
APPROVAL: Final = "https://affiant.dev/approval/v1"
REJECTION: Final = "https://affiant.dev/rejection/v1"
REVOCATION: Final = "https://affiant.dev/revocation/v1"
POLICY: Final = "https://affiant.dev/policy/v1"
"""A policy; its subject is the SHA-256 of the policy's text."""
ROOT: Final = "https://affiant.dev/trust-root/v1"
"""A root (registry/approvals/root.py); its subject is the SHA-256 of what its keys sign."""
DEPLOYMENT: Final = "https://affiant.dev/deployment/v1"
DATA_DEPRECATION: Final = "https://affiant.dev/data-deprecation/v1"
"""A version of a data set is not to be trained on any more, or is again (registry/lineage/deprecation.py)."""
RETRAINING: Final = "https://affiant.dev/retraining/v1"
"""A package is to be trained anew: what it is asked has drifted (monitoring/controller/said.py)."""
PUBLISH: Final = "https://affiant.dev/publish/v1"
"""Who publishes a package says so by signature: {"at": s, "rationale": …} (registry/lineage/publication.py)."""
PAYLOAD_DELETION: Final = "https://affiant.dev/payload-deletion/v1"
"""Payloads of the archive whose time is over were deleted (registry/deletion.py). Nothing of what a package may do
hangs on it: it is not among PREDICATES, and who asks for it names it."""
PAYLOAD_ERASURE: Final = "https://affiant.dev/payload-erasure/v1"
"""Payloads of single records were erased on request (registry/erasure.py). Not among PREDICATES, as the one before."""
PREDICATES: Final = frozenset(
    {GATES, APPROVAL, REJECTION, REVOCATION, POLICY, ROOT, DEPLOYMENT, DATA_DEPRECATION, RETRAINING, PUBLISH}
)

STALE: Final = 3600.0
"""Seconds between the signer's clock and the log's after which some statements count for nothing: kept back."""
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")
_HEX: Final = re.compile(r"[0-9a-f]{64}")


class Said(NamedTuple):
    """One statement, as the log has it. Nothing of it is true before `holds` is True and `author` is somebody."""

    offset: int
    logged: int
    """The log's time, ms since 1970 UTC. Not signed."""
    time: int
    """The entry's time, ns since 1970 UTC. Not signed."""
    author: str
    """The key id: SHA-256 of the public key (audit/proof/keys.py), hex."""
    holds: bool | None
    """Whether the author's signature holds; None when the key is not among those asked for."""
    type: str
    """The predicate's type."""
    subjects: tuple[str, ...]
    """Digests, `sha256:…`; at least one."""
    predicate: Mapping[str, Any]
    raw: bytes
    """The statement's bytes, as signed."""

    def kept_back(self, at: float) -> bool:
        """Whether it was appended at another time than when it was signed, `at` in seconds since 1970 UTC."""
        return abs(self.logged / 1000 - at) > STALE


def encode(subjects: str | Iterable[str], type_: str, predicate: Mapping[str, Any], name: str = "") -> bytes:
    """The bytes of a statement; the same for the same content.

    Args:
        subjects: a digest `sha256:…`, or several.
        type_: the predicate's type, a URI.
        predicate: JSON; MUST NOT hold NaN or infinity.
        name: of the subjects, for people.

    Raises:
        FormatError: no subject, one that is no digest, or a predicate that is not JSON.
    """
    digests = [subjects] if isinstance(subjects, str) else list(subjects)
    if not digests or not all(_DIGEST.fullmatch(each) for each in digests):
        raise FormatError(
            f"statement: subjects are sha256:<64 hex digits>, not {', '.join(digests) or 'none'}"
        )
    content = {
        "_type": STATEMENT,
        "subject": [
            {"name": name or each, "digest": {"sha256": each.removeprefix("sha256:")}} for each in digests
        ],
        "predicateType": type_,
        "predicate": dict(predicate),
    }
    try:
        return json.dumps(content, separators=(",", ":"), sort_keys=True, allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        raise FormatError(f"statement: the predicate is not JSON: {error}") from error


def append(governance: Governance, bodies: Sequence[bytes], timeout: float = 10.0) -> None:
    """Append statements that `encode` made, signed by the governance's signer; all are in the log when it returns.

    Raises:
        LogUnavailable: not all were taken within `timeout` seconds; any number of them may be there.
    """
    governance.append([(PAYLOAD_TYPE, body) for body in bodies], timeout)


def parse(entry: Entry) -> Said | None:
    """An entry as a statement of ours, or None when it is another's, or malformed: anybody may write there."""
    body = entry.body
    type_, predicate, subject = body.get("predicateType"), body.get("predicate"), body.get("subject")
    if (
        entry.type != PAYLOAD_TYPE
        or body.get("_type") != STATEMENT
        or not isinstance(type_, str)
        or not isinstance(predicate, dict)
        or not isinstance(subject, list)
        or not subject
    ):
        return None
    digests = []
    for each in subject:
        found = each.get("digest") if isinstance(each, dict) else None
        value = found.get("sha256") if isinstance(found, dict) else None
        if not isinstance(value, str) or not _HEX.fullmatch(value):
            return None
        digests.append(f"sha256:{value}")
    return Said(
        entry.offset, entry.logged, entry.time, entry.author.hex(), entry.holds,
        type_, tuple(digests), predicate, entry.raw,
    )  # fmt: skip


def read(
    reader: LogReader,
    keys: Sequence[bytes] = (),
    *,
    types: Collection[str] = PREDICATES,
    start: int | None = None,
    end: int | None = None,
) -> Iterator[Said]:
    """The statements of these types in the governance log, in its order.

    Args:
        reader: of the governance log.
        keys: public keys (audit/proof/keys.py) whose signatures are checked.
        types: of predicates; other statements are passed over.
        start: an offset that the log has; its first when not given.
        end: up to, not including; all that is there when not given.

    Raises:
        LogUnavailable: the log does not answer.
    """
    first, after = reader.bounds(PARTITION)
    for entry in statements(
        reader, first if start is None else start, after if end is None else min(end, after), keys
    ):
        said = parse(entry)
        if said is not None and said.type in types:
            yield said


def said_in(entries: Iterable[LogEntry], keys: Sequence[bytes] = ()) -> Iterator[Said]:
    """The statements among entries that were read already; of any predicate."""
    known = {sha256(key).digest(): key for key in keys}
    for entry in entries:
        found = parse_statement(entry, known)
        said = parse(found) if found is not None else None
        if said is not None:
            yield said


def once(said: Iterable[Said]) -> Iterator[Said]:
    """Each statement where it stands first: one that somebody appended again is as old as it was.

    Without this, approvals sent again byte for byte would be newer than the revocation that voided them.
    """
    seen: set[tuple[str, bytes]] = set()
    for each in said:
        if (key := (each.author, each.raw)) not in seen:
            seen.add(key)
            yield each
