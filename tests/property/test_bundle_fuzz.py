"""Evidence bundles that somebody has worked on: whatever they did, the reader says what is wrong, and shows no lie.

The edits go past the container's checksums and the manifest's digests, which an attacker makes anew: what is left to
hold them is what the bundle's own reader looks at, and the notary's signature.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from hashlib import sha256
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from audit.proof.bundle import parse_bundle_file
from audit.proof.errors import FormatError
from audit.proof.evidence import verify_bundle
from audit.proof.members import Members, encode_members
from audit.proof.record import parse_record
from tests.golden.proof import make

RAW = make.evidence().encode()
MEMBERS = dict(Members(RAW))
MANIFEST = json.loads(MEMBERS.pop("manifest.json"))
LEAVES = {
    kept.offset: parse_record(kept.record).entry.raw
    for tree in make.evidence().trees
    for kept in tree.records
}

Edit = Callable[[bytes], bytes]
places = st.integers(0, 1 << 16)
edits: st.SearchStrategy[Edit] = st.one_of(
    st.tuples(places, st.integers(1, 255)).map(lambda given: lambda raw: _flipped(raw, *given)),
    places.map(lambda at: lambda raw: raw[: at % (len(raw) + 1)]),
    st.tuples(places, st.binary(min_size=1, max_size=40)).map(
        lambda given: lambda raw: _inserted(raw, *given)
    ),
    st.tuples(places, places).map(lambda given: lambda raw: _without(raw, *given)),
    st.tuples(places, places).map(lambda given: lambda raw: _twice(raw, *given)),
    st.binary(max_size=100).map(lambda new: lambda _: new),
)
texts = st.one_of(
    st.text(max_size=20), st.sampled_from(["range", "caller", "subject", "record", "", make.TREE, "3:0-0"])
)
numbers = st.one_of(
    st.integers(-1, 40), st.sampled_from([2**62, 2**63, 2**64, 10**30]), st.floats(allow_nan=False)
)
values = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, texts),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=8,
)
wanted = st.lists(st.lists(numbers, min_size=1, max_size=3), max_size=3)
manifests = st.one_of(
    st.dictionaries(st.sampled_from([*MANIFEST, "more"]), values, max_size=3),
    wanted.map(lambda given: {"trees": [{"origin": make.TREE, "wanted": given}]}),
    st.tuples(texts, texts).map(lambda given: {"selection": {"kind": given[0], "value": given[1]}}),
)


def _flipped(raw: bytes, at: int, mask: int) -> bytes:
    place = at % max(1, len(raw))
    return raw[:place] + bytes(each ^ mask for each in raw[place : place + 1]) + raw[place + 1 :]


def _inserted(raw: bytes, at: int, new: bytes) -> bytes:
    place = at % (len(raw) + 1)
    return raw[:place] + new + raw[place:]


def _without(raw: bytes, at: int, to: int) -> bytes:
    first, last = sorted((at % (len(raw) + 1), to % (len(raw) + 1)))
    return raw[:first] + raw[last:]


def _twice(raw: bytes, at: int, to: int) -> bytes:
    first, last = sorted((at % (len(raw) + 1), to % (len(raw) + 1)))
    return raw[:last] + raw[first:]


def rebuilt(members: dict[str, bytes], more: dict[str, Any]) -> bytes:
    """The file again, with digests and checksums of what is in it now."""
    listed = {name: sha256(content).hexdigest() for name, content in members.items()}
    text = json.dumps(
        {**MANIFEST, "members": listed, **more}, sort_keys=True, separators=(",", ":"), ensure_ascii=False
    )
    return encode_members({**members, "manifest.json": text.encode("utf-8", "surrogatepass") + b"\n"})


def shows_no_lie(raw: bytes) -> bool:
    """Whether it is read; then no record that it has at its place is another than the one that was sealed."""
    try:
        shown = verify_bundle(raw, make.VKEY)
    except FormatError:
        return False
    bundle, _ = parse_bundle_file(raw)
    if not shown.flaws:
        assert [tree.origin for tree in bundle.trees] == [make.TREE]
        for kept in bundle.trees[0].records:
            assert parse_record(kept.record).entry.raw == LEAVES[kept.offset]
        assert any(tree.records for tree in shown.trees), "nothing, and it holds"
    if shown.complete:
        offsets = {kept.offset for kept in bundle.trees[0].records}
        assert all(offsets >= set(range(*part)) for part in bundle.trees[0].wanted)
    return True


def test_the_sound_bundle_is_read() -> None:
    """Or nothing below says anything."""
    assert shows_no_lie(rebuilt(MEMBERS, {}))
    assert not verify_bundle(rebuilt(MEMBERS, {}), make.VKEY).flaws


@settings(max_examples=250, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(sorted(MEMBERS)), edits), min_size=1, max_size=3))
def test_members_that_were_worked_on(changes: list[tuple[str, Edit]]) -> None:
    """Some bytes of some of them, in order otherwise."""
    members = dict(MEMBERS)
    for name, edit in changes:
        members[name] = edit(members[name])
    shows_no_lie(rebuilt(members, {}))


@settings(max_examples=250, deadline=None)
@given(manifests, st.sets(st.sampled_from(sorted(MEMBERS)), max_size=2))
@example({"format": 1.0}, set())
@example({"selection": {"kind": "everything of 2026, whole", "value": ""}}, set())
@example({"trees": [{"origin": make.TREE, "wanted": []}], "selection": {"kind": "range", "value": ""}}, set())
@example({"trees": [], "selection": {"kind": "range", "value": ""}}, {*MEMBERS} - {"report.html"})
def test_a_manifest_that_was_written_anew(more: dict[str, Any], dropped: set[str]) -> None:
    """Other kinds, ranges, origins and types; members left out."""
    raw = rebuilt({name: content for name, content in MEMBERS.items() if name not in dropped}, more)
    if shows_no_lie(raw):
        assert type(json.loads(Members(raw)["manifest.json"])["format"]) is int
        assert verify_bundle(raw, make.VKEY).selection.split(" ")[0] in {
            "range",
            "caller",
            "subject",
            "record",
        }


@settings(max_examples=250, deadline=None)
@given(st.lists(edits, min_size=1, max_size=3))
def test_a_file_that_was_worked_on(changes: list[Edit]) -> None:
    """Its bytes as they lie."""
    raw = RAW
    for edit in changes:
        raw = edit(raw)
    shows_no_lie(raw)
