"""Evidence bundles: records, and all that proves them but the key, in one file (docs/evidence-bundle.md).

    manifest.json                          what was asked for, and the SHA-256 of every other member
    report.html                            for people
    trees/<topic>/<partition>/checkpoint   the signed note under which every record of the tree is proved
    trees/<topic>/<partition>/records      offset:u64 ‖ length:u32 ‖ record, each
    trees/<topic>/<partition>/proofs       count:u8 ‖ count × 32 bytes, each: the inclusion proofs, in their order
    trees/<topic>/<partition>/earlier/<size>   base64(hash), each in a line; an empty line; an earlier checkpoint
    packages/<digest>/manifest.json        of each model that answered
    packages/<digest>/blobs/<digest>       parts that the manifest names

This module has the format; what a bundle shows is for `evidence.verify_bundle` to say.
"""

from __future__ import annotations

import base64
import json
import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final, NamedTuple

from .checkpoint import parse_number
from .errors import FormatError
from .hashing import HASH_SIZE
from .members import MAX_MEMBER, Members, encode_members
from .merkle import MAX_SIZE
from .note import MAX_NOTE, decode_base64

FORMAT: Final = 1
MANIFEST: Final = "manifest.json"
REPORT: Final = "report.html"
MAX_MANIFEST: Final = 32 << 20
"""Bytes; about 20 for each record of a caller who has a million of them."""
MAX_REPORT: Final = 16 << 20
MAX_PACKAGE: Final = 4 << 20
"""Of a package's manifest."""
MAX_BLOB: Final = 64 << 20
MAX_PACKAGES: Final = 256 << 20
"""Of all packages together."""
KINDS: Final = frozenset({"range", "caller", "subject", "record"})
"""Of selections: no other says what a bundle shows."""
MAX_HASHES: Final = 63
_TREE: Final = re.compile(
    r"trees/([0-9a-f]{32}/(?:0|[1-9][0-9]{0,9}))/(checkpoint|records|proofs|earlier/[0-9]{1,19})"
)
_EARLIER: Final = re.compile(r"(trees/[0-9a-f]{32}/(?:0|[1-9][0-9]{0,9}))/earlier/([0-9]{1,19})")
_PACKAGE: Final = re.compile(r"packages/([0-9a-f]{64})/(?:manifest\.json|blobs/([0-9a-f]{64}))")


class Kept(NamedTuple):
    """A record in a bundle, and the hashes from its leaf's sibling up to the checkpoint's root."""

    offset: int
    record: bytes
    proof: tuple[bytes, ...]


class Earlier(NamedTuple):
    """An earlier checkpoint, and the consistency proof from it to the tree's."""

    checkpoint: bytes
    proof: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class TreePart:
    """What a bundle has of one tree."""

    origin: str
    checkpoint: bytes
    records: tuple[Kept, ...]
    """By offset."""
    wanted: tuple[tuple[int, int], ...]
    """Offsets [first, end) that were asked for; the other records are there to understand them."""
    earlier: Mapping[int, Earlier] = field(default_factory=dict)
    """By size."""

    @property
    def prefix(self) -> str:
        """Where its members lie: the last two parts of the origin."""
        return "trees/" + "/".join(self.origin.split("/")[-2:])

    def asked(self, offset: int) -> bool:
        """Whether it was asked for; the ranges are in order."""
        at = bisect_right(self.wanted, (offset, MAX_SIZE)) - 1
        return at >= 0 and offset < self.wanted[at][1]


@dataclass(frozen=True, slots=True)
class PackagePart:
    """A package's manifest, and some of its parts by the hex of their SHA-256."""

    manifest: bytes
    blobs: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle, parsed and not verified."""

    selection: Mapping[str, str]
    """`kind` (range, caller, subject, record …) and `value`."""
    made: Mapping[str, str]
    """`time` and `by`: said by who made it, proved by nothing."""
    trees: tuple[TreePart, ...]
    packages: Mapping[str, PackagePart]
    """By the hex of the digest."""
    report: bytes = b""

    def encode(self) -> bytes:
        """The file.

        Raises:
            FormatError: a part that the format does not have, or too large.
        """
        members: dict[str, bytes] = {REPORT: self.report}
        for tree in self.trees:
            members |= _tree_members(tree)
        for digest, package in self.packages.items():
            members[f"packages/{digest}/{MANIFEST}"] = package.manifest
            members |= {f"packages/{digest}/blobs/{name}": blob for name, blob in package.blobs.items()}
        _check_sizes({name: len(content) for name, content in members.items()})
        manifest = {
            "format": FORMAT,
            "made": dict(self.made),
            "members": {name: sha256(content).hexdigest() for name, content in members.items()},
            "selection": dict(self.selection),
            "trees": [
                {"origin": tree.origin, "wanted": [list(part) for part in tree.wanted]} for tree in self.trees
            ],
        }
        return encode_members({MANIFEST: _json(manifest), **members})


def _json(value: object) -> bytes:
    """The one form of a manifest."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode() + b"\n"


def _tree_members(tree: TreePart) -> dict[str, bytes]:
    records = b"".join(
        part
        for kept in tree.records
        for part in (kept.offset.to_bytes(8, "big"), len(kept.record).to_bytes(4, "big"), kept.record)
    )
    proofs = b"".join(
        part for kept in tree.records for part in (len(kept.proof).to_bytes(1, "big"), *kept.proof)
    )
    members = {
        f"{tree.prefix}/checkpoint": tree.checkpoint,
        f"{tree.prefix}/records": records,
        f"{tree.prefix}/proofs": proofs,
    }
    for size, earlier in tree.earlier.items():
        lines = "".join(f"{base64.b64encode(each).decode()}\n" for each in earlier.proof)
        members[f"{tree.prefix}/earlier/{size}"] = f"{lines}\n".encode() + earlier.checkpoint
    return members


# ---------------------------------------------------------------- reading


def parse_bundle_file(raw: bytes) -> tuple[Bundle, tuple[str, ...]]:
    """Read a bundle; with the members that are not what the manifest says (their SHA-256 is another).

    Raises:
        FormatError: not a bundle in its one form: surplus, missing or malformed members.
    """
    members = Members(raw)
    manifest = _read_manifest(members)
    listed = manifest["members"]
    if set(members) != {MANIFEST, *listed} or MANIFEST in listed or REPORT not in listed:
        raise FormatError("bundle: its members are not those that its manifest lists")
    _check_sizes({name: members.size(name) for name in listed})
    contents = {name: members[name] for name in listed}
    changed = tuple(name for name, content in contents.items() if sha256(content).hexdigest() != listed[name])
    earlier = _read_all_earlier(contents)
    trees = tuple(_read_tree(each, contents, earlier) for each in manifest["trees"])
    packages = _read_packages(contents)
    known = {REPORT, *(name for tree in trees for name in _names(tree))}
    known |= {
        name
        for digest, package in packages.items()
        for name in (
            f"packages/{digest}/{MANIFEST}",
            *(f"packages/{digest}/blobs/{blob}" for blob in package.blobs),
        )
    }
    if surplus := set(contents) - known:
        raise FormatError(f"bundle: has the member {min(surplus)}, which belongs to nothing in it")
    return Bundle(manifest["selection"], manifest["made"], trees, packages, contents[REPORT]), changed


def _check_sizes(sizes: Mapping[str, int]) -> None:
    """Before anything is inflated: only records and proofs may be large, as a container's members may be."""
    packages = 0
    for name, size in sizes.items():
        if size > (most := _most(name)):
            raise FormatError(f"bundle: {name} has {size} bytes, at most {most}")
        packages += size if name.startswith("packages/") else 0
    if packages > MAX_PACKAGES:
        raise FormatError(f"bundle: its packages have {packages} bytes, at most {MAX_PACKAGES}")


def _most(name: str) -> int:
    if name == REPORT:
        return MAX_REPORT
    if name.startswith("packages/"):
        return MAX_PACKAGE if name.endswith(MANIFEST) else MAX_BLOB
    return MAX_MEMBER if name.endswith(("/records", "/proofs")) else 2 * MAX_NOTE


def _names(tree: TreePart) -> Iterator[str]:
    yield from (f"{tree.prefix}/{part}" for part in ("checkpoint", "records", "proofs"))
    yield from (f"{tree.prefix}/earlier/{size}" for size in tree.earlier)


def _read_manifest(members: Members) -> dict[str, Any]:
    if MANIFEST not in members or members.size(MANIFEST) > MAX_MANIFEST:
        raise FormatError(f"bundle: has no {MANIFEST}, or one over {MAX_MANIFEST} bytes")
    raw = members[MANIFEST]
    try:
        manifest = json.loads(raw)
        same = _json(manifest) == raw
    except (ValueError, RecursionError) as error:  # json's error and Unicode's are both ValueError
        raise FormatError(f"bundle: {MANIFEST} is not JSON") from error
    if not same or not isinstance(manifest, dict):
        raise FormatError(f"bundle: {MANIFEST} is not in its one form")
    _check_manifest(manifest)
    return manifest


def _check_manifest(manifest: dict[str, Any]) -> None:
    if type(manifest.get("format")) is not int or manifest["format"] != FORMAT:  # 1.0 and true are equal to 1
        raise FormatError(f"bundle: not of format {FORMAT}, which this reader knows")
    if set(manifest) != {"format", "made", "members", "selection", "trees"}:
        raise FormatError(f"bundle: {MANIFEST} has not exactly the keys of its format")
    for key, wanted in (("made", {"by", "time"}), ("selection", {"kind", "value"})):
        if not _is_texts(manifest[key]) or set(manifest[key]) != wanted:
            raise FormatError(f"bundle: {MANIFEST}: {key} is not texts for {' and '.join(sorted(wanted))}")
    if manifest["selection"]["kind"] not in KINDS:
        kinds = ", ".join(sorted(KINDS))
        raise FormatError(
            f"bundle: {MANIFEST}: {manifest['selection']['kind'][:60]!r} is no selection ({kinds})"
        )
    if not _is_texts(manifest["members"]):
        raise FormatError(f"bundle: {MANIFEST}: members is not a map of texts")
    trees = manifest["trees"]
    if not isinstance(trees, list) or not trees or not all(map(_is_tree, trees)):
        raise FormatError(f"bundle: {MANIFEST}: trees is not a list of origins and ranges")
    origins = [tree["origin"] for tree in trees]
    places = {"/".join(origin.split("/")[-2:]) for origin in origins}
    if sorted(set(origins)) != origins or len(places) != len(origins):
        raise FormatError(f"bundle: {MANIFEST}: its trees are not in order, or one is there twice")


def _is_texts(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(each, str) for each in value.values())


def _is_tree(value: object) -> bool:
    if (
        not isinstance(value, dict)
        or set(value) != {"origin", "wanted"}
        or not isinstance(value["origin"], str)
    ):
        return False
    wanted, before = value["wanted"], -1
    if not isinstance(wanted, list) or not wanted:  # a bundle of nothing shows nothing
        return False
    for part in wanted:
        if not isinstance(part, list) or len(part) != 2 or any(type(number) is not int for number in part):
            return False
        first, end = part
        if not before < first < end < MAX_SIZE:  # also: neighbours are one range
            return False
        before = end
    return True


def _read_all_earlier(contents: Mapping[str, bytes]) -> dict[str, dict[int, Earlier]]:
    """The earlier checkpoints by their tree's place: each member is looked at once, however many trees there are."""
    found: dict[str, dict[int, Earlier]] = {}
    for name, content in contents.items():
        if (parts := _EARLIER.fullmatch(name)) is not None:
            size = parse_number(parts[2], f"bundle: {name}")
            found.setdefault(parts[1], {})[size] = _read_earlier(name, content)
    return found


def _read_tree(
    about: Mapping[str, Any], contents: Mapping[str, bytes], earlier: Mapping[str, Mapping[int, Earlier]]
) -> TreePart:
    tree = TreePart(about["origin"], b"", (), tuple((first, end) for first, end in about["wanted"]))
    names = [f"{tree.prefix}/{part}" for part in ("checkpoint", "records", "proofs")]
    for name in names:
        if not _TREE.fullmatch(name) or name not in contents:
            raise FormatError(f"bundle: {name[:100]} is not there, or its origin is not that of a tree")
    checkpoint, records, proofs = (contents[name] for name in names)
    kept = tuple(_read_records(names[1], records, names[2], proofs))
    return TreePart(tree.origin, checkpoint, kept, tree.wanted, earlier.get(tree.prefix, {}))


def _read_records(name: str, records: bytes, proofs_name: str, proofs: bytes) -> Iterator[Kept]:
    at, place, before = 0, 0, -1
    while at < len(records):
        start = at + 12
        offset = int.from_bytes(records[at : at + 8], "big")
        end = start + int.from_bytes(records[at + 8 : start], "big")
        if end > len(records) or not before < offset < MAX_SIZE:
            raise FormatError(f"bundle: {name}: byte {at}: not a whole record with a higher offset")
        count = proofs[place] if place < len(proofs) else MAX_HASHES + 1
        hashes = proofs[place + 1 : place + 1 + count * HASH_SIZE]
        if count > MAX_HASHES or len(hashes) != count * HASH_SIZE:
            raise FormatError(f"bundle: {proofs_name}: byte {place}: not a whole proof")
        proof = tuple(hashes[step : step + HASH_SIZE] for step in range(0, len(hashes), HASH_SIZE))
        yield Kept(offset, records[start:end], proof)
        at, place, before = end, place + 1 + len(hashes), offset
    if place != len(proofs):
        raise FormatError(f"bundle: {proofs_name}: byte {place}: surplus bytes")


def _read_earlier(name: str, raw: bytes) -> Earlier:
    if raw.startswith(b"\n"):  # no hashes
        return Earlier(raw[1:], ())
    head, gap, checkpoint = raw.partition(b"\n\n")
    try:
        lines = head.decode("ascii").split("\n")
    except UnicodeDecodeError as error:
        raise FormatError(f"bundle: {name}: not ASCII before its checkpoint") from error
    proof = tuple(decode_base64(line, f"bundle: {name}: a hash") for line in lines)
    if not gap or len(proof) > 2 * MAX_HASHES or any(len(each) != HASH_SIZE for each in proof):
        raise FormatError(f"bundle: {name}: not hashes, an empty line and a checkpoint")
    return Earlier(checkpoint, proof)


def _read_packages(contents: Mapping[str, bytes]) -> dict[str, PackagePart]:
    blobs: dict[str, dict[str, bytes]] = {}
    for name, content in contents.items():
        if (found := _PACKAGE.fullmatch(name)) is not None and found[2]:
            blobs.setdefault(found[1], {})[found[2]] = content
    packages = {}
    for name, content in contents.items():
        if (found := _PACKAGE.fullmatch(name)) is not None and not found[2]:
            packages[found[1]] = PackagePart(content, blobs.get(found[1], {}))
    return packages
