"""Evidence bundles: the format, strictly; what one shows, and what is said of one that does not."""

from __future__ import annotations

import dataclasses
import json
import sys
from contextlib import suppress
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.proof import cbor
from audit.proof.bundle import (
    MAX_PACKAGE,
    MAX_REPORT,
    Bundle,
    Earlier,
    Kept,
    PackagePart,
    TreePart,
    parse_bundle_file,
)
from audit.proof.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from audit.proof.entry import Key, Kind, parse_entry
from audit.proof.errors import FormatError, NotProved
from audit.proof.evidence import Shown, _verify_blobs, key_of, verify_bundle
from audit.proof.flaws import Flaw
from audit.proof.hashing import leaf_hash
from audit.proof.members import Members, encode_members
from audit.proof.note import MAX_NOTE, VerifierKey
from audit.proof.record import frame_record, parse_record
from audit.proof.told import bundle_json, lines
from tests.golden.proof import make

SOUND = make.evidence()
(TREE,) = SOUND.trees
RAW = SOUND.encode()
MEMBERS = dict(Members(RAW))
SIZE = len(TREE.records)
DIGEST = "24" * 32
CALLER = "21" * 16
EXCHANGES = [
    kept.offset for kept in TREE.records if parse_record(kept.record).entry.get(Key.CALLER) is not None
]


def bundle(tree: TreePart = TREE, **more: Any) -> Bundle:
    return dataclasses.replace(SOUND, trees=(tree,), **more)


def tree(**more: Any) -> TreePart:
    return dataclasses.replace(TREE, **more)


def shown(one: Bundle, *witnesses: VerifierKey, quorum: int = 0) -> Shown:
    return verify_bundle(one.encode(), make.VKEY, witnesses, quorum)


def only(found: list[Flaw], what: str) -> Flaw:
    (flaw,) = found
    assert flaw.what == what
    return flaw


def test_a_sound_bundle_shows_all_that_it_can() -> None:
    """Records, payloads, chain and signatures, an earlier checkpoint, the witness; and that the range is whole."""
    found = shown(SOUND, make.WITNESS_KEY, quorum=1)
    assert found.flaws == []
    (told,) = found.trees
    assert (told.size, told.records, told.others, told.ranges) == (SIZE, SIZE, 0, ((0, SIZE),))
    assert told.earlier == (5,)
    assert told.witnesses == ((make.WITNESS_KEY.name, make.WITNESS_TIME),)
    assert found.complete
    journals = found.journals
    assert journals.entries == journals.sworn == journals.asked == journals.asked_sworn == SIZE
    assert (journals.signatures, journals.without) == (4, 0)
    assert found.payloads == sum(bool(parse_record(kept.record).payload) for kept in TREE.records) == 12
    assert found.missing_packages == [f"sha256:{DIGEST}"]
    told = [each for each in lines(bundle_json(found), []) if ": key " in each]
    assert len(told) == len(journals.signers) == len({each.journal for each in journals.signers})
    for line, each in zip(told, journals.signers, strict=True):
        opening = next(
            entry for entry in (parse_record(kept.record).entry for kept in TREE.records)
            if entry.kind == Kind.OPENING and entry.fields[Key.JOURNAL].hex() == each.journal
        )  # fmt: skip
        assert each.key == opening.fields[Key.PUBLIC_KEY].hex()
        assert (
            line == f"journal {each.journal}: key {each.key}, in {each.origin} at {each.first} to {each.last}"
        )


def test_it_says_what_it_does_not_show() -> None:
    """In words, each with its reason."""
    said = " ".join(shown(SOUND).not_shown())
    assert "no witness" in said
    assert "that the report, the time of making and the maker's name are true" in said
    assert DIGEST in said
    assert "left some out" not in said
    assert "that these journals are gateways': anybody can begin one" in said
    part = tree(records=tuple(TREE.records[:3]), wanted=((1, 2),))
    other = bundle(part, selection={"kind": "caller", "value": CALLER})
    found = shown(other)
    assert found.flaws == []
    assert not found.complete
    said = " ".join(found.not_shown())
    assert "left some out" in said
    assert "signed over 1 of 1 record of" in said


@pytest.mark.parametrize(
    ("first", "signatures"),
    [(SIZE - 2, "1 signature of a journal holds"), (9, "2 signatures of journals hold")],
)
def test_signatures_that_no_key_is_there_for_are_said(first: int, signatures: str) -> None:
    """They are no flaw, a bundle is a selection; nor do they count."""
    kinds = [parse_record(kept.record).entry.kind for kept in TREE.records[first:]]
    assert Kind.OPENING not in kinds
    part = tree(records=TREE.records[first:], wanted=((first, SIZE),))
    found = shown(bundle(part, selection={"kind": "range", "value": f"3:{first}-{SIZE - 1}"}))
    assert (found.flaws, found.journals.signatures) == ([], 0)
    said = f"that {signatures}: the opening with the key is not in the bundle"
    assert said in found.not_shown()
    assert said not in shown(SOUND).not_shown()


def test_each_log_that_no_witness_vouches_for_is_said() -> None:
    """A witness of one tree says nothing of another, which its notary may have forked."""
    origin = f"{make.TREE[:-1]}4"
    head = open_checkpoint(TREE.checkpoint, key_of(make.VKEY, TREE.origin)).checkpoint
    note = sign_checkpoint(Checkpoint(origin, head.size, head.root), make.NOTARY)
    other = tree(origin=origin, checkpoint=note, earlier={})
    named = {"kind": "range", "value": f"3:0-{SIZE - 1},4:0-{SIZE - 1}"}
    both = dataclasses.replace(SOUND, trees=(TREE, other), selection=named)
    for witnesses, left in (((make.WITNESS_KEY,), f": {origin}"), ((), "")):
        found = shown(both, *witnesses)
        assert (found.flaws, found.complete) == ([], True)
        assert found.not_shown()[-1].endswith(
            f"shown another log: no witness that was named vouches for it{left}"
        )
    assert not any("no witness" in line for line in shown(SOUND, make.WITNESS_KEY).not_shown())


def test_records_that_were_not_asked_for_are_told_apart() -> None:
    """The openings are there for their keys."""
    part = tree(records=tuple(TREE.records[:3]), wanted=((1, 2),))
    (told,) = shown(bundle(part, selection={"kind": "caller", "value": CALLER})).trees
    assert (told.records, told.others) == (1, 2)


@pytest.mark.parametrize("kind", ["caller", "subject", "record"])
def test_a_record_of_somebody_else_is_told(kind: str) -> None:
    """The selection's own words are held to the records."""
    offset = EXCHANGES[0]
    name = parse_record(TREE.records[offset].record).entry.record_id
    right = {"caller": CALLER, "subject": "", "record": f"{name},{name}"}[kind]
    part = tree(wanted=((offset, offset + 1),))
    assert shown(bundle(part, selection={"kind": kind, "value": right})).flaws == []
    found = shown(bundle(part, selection={"kind": kind, "value": "33" * 16})).flaws
    assert next(flaw.offset for flaw in found if flaw.what == "selection") == offset


def test_each_record_that_was_asked_for_is_there() -> None:
    """A bundle that holds to one id of several would pass for all of them; as a set: an id is named once or twice."""
    names = [parse_record(TREE.records[offset].record).entry.record_id for offset in EXCHANGES[:5:2]]
    part = tree(wanted=tuple((offset, offset + 1) for offset in EXCHANGES[:3:2]))
    for value in (f"{names[0]},{names[1]}", f"{names[1]},{names[0]},{names[1]}"):
        found = shown(bundle(part, selection={"kind": "record", "value": value}))
        assert (found.flaws, found.complete) == ([], True)
        assert not any("left some out" in line for line in found.not_shown())
    for value, missing in (
        (",".join(names), names[2]),  # it is among the others, and was not asked for
        (f"{names[0]},{names[1]},{names[0][:-1]}999", names[0][:-1] + "999"),
        (f"{names[0]},{names[1]},", "''"),
    ):
        found = shown(bundle(part, selection={"kind": "record", "value": value}))
        assert f"{missing}" in only(found.flaws, "selection").message
        assert "is not there" in found.flaws[0].message
        assert not found.complete
    many = shown(bundle(part, selection={"kind": "record", "value": ",".join([*names, "a", "b"])}))
    assert "and 2 more" in only(many.flaws, "selection").message


def test_what_is_there_to_understand_others_needs_no_payload_and_no_package() -> None:
    """Only of what was asked for it is said that it is missing."""
    first = EXCHANGES[0]
    bare = tuple(
        kept._replace(record=frame_record(parse_record(kept.record).entry.raw, b"")) for kept in TREE.records
    )
    found = shown(bundle(tree(records=bare, wanted=((0, 1),)), selection={"kind": "range", "value": "3:0-0"}))
    assert (found.flaws, found.without_payload, found.missing_packages) == ([], 0, [])
    part = tree(records=bare, wanted=((first, first + 1),))
    found = shown(bundle(part, selection={"kind": "range", "value": f"3:{first}-{first}"}))
    assert (found.without_payload, found.missing_packages) == (1, [f"sha256:{DIGEST}"])


def test_a_range_is_what_it_says() -> None:
    """A text that names another range than is there is a lie."""
    found = shown(bundle(selection={"kind": "range", "value": f"3:0-{SIZE}"}))
    assert only(found.flaws, "selection")
    assert not found.complete


def test_a_claimed_range_with_a_gap_is_told() -> None:
    """Even one of 2^62 offsets, at once."""
    part = tree(wanted=((0, 2**62),))
    found = shown(bundle(part, selection={"kind": "range", "value": f"3:0-{2**62 - 1}"}))
    assert only(found.flaws, "range").offset == SIZE


def replaced(offset: int, **more: Any) -> Bundle:
    return bundle(
        tree(records=tuple(kept._replace(**more) if kept.offset == offset else kept for kept in TREE.records))
    )


def test_a_record_that_is_none_is_told() -> None:
    """With its place."""
    found = shown(replaced(4, record=b"\0\1\0\5abc")).flaws
    assert [(flaw.what, flaw.offset) for flaw in found] == [("record", 4), ("range", 4)]


def test_an_entry_that_is_not_in_the_tree_is_told() -> None:
    """Its proof leads to another root."""
    found = shown(replaced(4, record=TREE.records[5].record)).flaws
    assert ("proof", 4) in [(flaw.what, flaw.offset) for flaw in found]


def test_a_payload_that_is_not_the_entrys_is_told() -> None:
    """The entry holds, its payload does not."""
    offset = EXCHANGES[0]
    record = parse_record(TREE.records[offset].record)
    payload = record.payload[:-1] + bytes((record.payload[-1] ^ 1,))
    found = shown(replaced(offset, record=frame_record(record.entry.raw, payload)))
    assert only(found.flaws, "payload").offset == offset


def test_a_payload_may_be_absent() -> None:
    """Erased, or in the object store: it is counted, and said."""
    offset = EXCHANGES[0]
    record = parse_record(TREE.records[offset].record)
    found = shown(replaced(offset, record=frame_record(record.entry.raw, b"")))
    assert found.flaws == []
    assert found.without_payload == 1
    assert any("in 1 record without its payload" in line for line in found.not_shown())


@pytest.mark.parametrize("seed", [b"\x09" * 32])
def test_a_checkpoint_of_another_key_shows_nothing(seed: bytes) -> None:
    """Nor do the records under it."""
    note = sign_checkpoint(Checkpoint(make.TREE, SIZE, b"\0" * 32), make._Signer(seed))
    found = shown(bundle(tree(checkpoint=note)))
    assert only(found.flaws, "checkpoint").path == f"{TREE.prefix}/checkpoint"
    assert found.trees == []


def test_an_earlier_checkpoint_that_the_tree_does_not_continue_is_told() -> None:
    """A fork, or a proof that is none."""
    note = sign_checkpoint(Checkpoint(make.TREE, 5, b"\7" * 32), make.NOTARY)
    for earlier in ({5: Earlier(note, TREE.earlier[5].proof)}, {5: Earlier(TREE.earlier[5].checkpoint, ())},
                    {6: TREE.earlier[5]}):  # fmt: skip
        found = shown(bundle(tree(earlier=earlier)))
        (size,) = earlier
        assert only(found.flaws, "checkpoint").path == f"{TREE.prefix}/earlier/{size}"


def test_too_few_witnesses_are_told() -> None:
    """As many as are wanted, of those that are known."""
    assert "witnesses" in only(shown(SOUND, quorum=1).flaws, "checkpoint").message


def package(manifest: bytes = b"{}", digest: str | None = None, **blobs: bytes) -> Bundle:
    """With one package; its digest is what it should be unless it is said."""
    return bundle(packages={digest or sha256(manifest).hexdigest(): PackagePart(manifest, blobs)})


def test_packages_are_held_to_the_entries_digest() -> None:
    """A manifest of another digest, a part of another, one that the manifest does not name, one nobody asked for."""
    part = b"lineage"
    name = sha256(part).hexdigest()
    found = shown(package(b"{}", DIGEST)).flaws
    assert "not what the digest names" in only(found, "package").message
    manifest = b'{"layers":[{"digest":"sha256:' + name.encode() + b'"}]}'
    for blobs, wrong in (({name: part}, ""), ({name: b"x"}, "not what its digest"), ({"00" * 32: b""}, "")):
        messages = [flaw.message for flaw in shown(package(manifest, None, **blobs)).flaws]
        assert "no record in this bundle is of it" in messages[0]
        assert wrong in messages[-1]
    other = shown(package(b"{}", None, **{name: part})).flaws
    assert any("does not name this part" in flaw.message for flaw in other)


@pytest.mark.parametrize(
    "origin",
    [
        "other.example/" + "0f" * 16 + "/3",
        make.TREE + "/4",
        make.TREE[:-1] + "03",
        make.NAME + "x/" + "0f" * 16 + "/3",
    ],
)
def test_a_key_is_of_its_own_trees_alone(origin: str) -> None:
    """NAME/<topic>/<partition>, in one form."""
    assert key_of(make.VKEY, make.TREE).name == make.TREE
    with pytest.raises(NotProved, match="is no tree of"):
        key_of(make.VKEY, origin)


# ---------------------------------------------------------------- the format


def test_no_changed_byte_of_a_bundle_says_anything_else() -> None:
    """Each is refused, or read as if it were not changed: a bit behind a deflated member's end."""
    for at in range(0, len(RAW), 7):
        changed = RAW[:at] + bytes((RAW[at] ^ 1,)) + RAW[at + 1 :]
        with suppress(FormatError):
            assert parse_bundle_file(changed) == (SOUND, ())


def test_a_member_with_another_digest_is_told() -> None:
    """The container is in order, the manifest says something else of the report."""
    content = dict(Members(RAW)) | {"report.html": b"other"}
    found = verify_bundle(encode_members(content), make.VKEY).flaws
    assert only(found, "member").path == "report.html"


def with_manifest(**more: Any) -> bytes:
    content = dict(Members(RAW))
    manifest = json.loads(content["manifest.json"]) | more
    text = json.dumps(manifest, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return encode_members(content | {"manifest.json": text.encode() + b"\n"})


@pytest.mark.parametrize(
    "more",
    [
        {"format": 2}, {"format": True}, {"format": "1"}, {"more": 1}, {"made": {}}, {"made": {"by": 1, "time": ""}},
        {"selection": {"kind": "range"}}, {"selection": []}, {"members": {}}, {"members": []}, {"trees": {}},
        {"trees": [{"origin": make.TREE}]}, {"trees": [{"origin": 1, "wanted": []}]}, {"trees": []},
        *({"trees": [{"origin": make.TREE, "wanted": wanted}]}
          for wanted in ([[1, 0]], [[0, 0]], [[0, 1], [1, 2]], [[3, 4], [0, 1]], [[-1, 1]], [[0, 2**63]], [[0]], [0],
                         [[0, True]], [[0.0, 1]], "x")),
        {"trees": [{"origin": make.TREE, "wanted": []}] * 2},
        {"trees": [{"origin": "x/" + make.TREE, "wanted": []}, {"origin": make.TREE, "wanted": []}]},
        {"trees": [{"origin": "../../x", "wanted": []}]},
        {"format": 1.0}, {"trees": [{"origin": make.TREE, "wanted": []}]},
        *({"selection": {"kind": kind, "value": ""}}
          for kind in ("everything of 2026, whole", "", "Range", "range ", "labels", "none")),
    ],
)  # fmt: skip
def test_a_manifest_of_another_form_is_refused(more: dict[str, Any]) -> None:
    """Exactly the keys and types of the format, in order."""
    with pytest.raises(FormatError):
        parse_bundle_file(with_manifest(**more))


@pytest.mark.parametrize("text", [b"", b"{", b"[]\n", b"\xff", b"null\n", b'{"a":1,"a":1}\n', b"[" * 100_000])
def test_a_manifest_that_is_no_json_is_refused(text: bytes) -> None:
    """And nothing but a FormatError is raised."""
    with pytest.raises(FormatError):
        parse_bundle_file(encode_members(dict(Members(RAW)) | {"manifest.json": text}))


def test_a_manifest_in_another_spelling_is_refused() -> None:
    """Spaces, another order, a key twice, escapes: two readers might read two things."""
    text = MEMBERS["manifest.json"]
    spelled = (
        json.dumps(json.loads(text), indent=1, sort_keys=True).encode() + b"\n",
        json.dumps(dict(reversed(json.loads(text).items())), separators=(",", ":")).encode() + b"\n",
        text.replace(b'{"format":1', b'{"format":2,"format":1'),
        text.replace(b"golden", b"g\\u006flden"),
        text[:-1],
        text + b"\n",
    )
    for each in spelled:
        assert each != text
        with pytest.raises(FormatError, match="one form"):
            parse_bundle_file(encode_members(MEMBERS | {"manifest.json": each}))


def changed_member(name: str, content: bytes | None) -> bytes:
    """A member that is another, or is not there, as the manifest says too."""
    contents = dict(Members(RAW))
    contents.pop(name, None)
    if content is not None:
        contents[name] = content
    manifest = json.loads(contents.pop("manifest.json"))
    manifest["members"] = {each: sha256(held).hexdigest() for each, held in contents.items()}
    text = json.dumps(manifest, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return encode_members(contents | {"manifest.json": text.encode() + b"\n"})


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("report.html", None),
        ("surplus.txt", b""),
        (f"{TREE.prefix}/surplus", b""),
        (f"packages/{DIGEST}/blobs/{DIGEST}", b""),
        (f"{TREE.prefix}/checkpoint", None),
        (f"{TREE.prefix}/records", MEMBERS[f"{TREE.prefix}/records"] + b"\0"),
        (f"{TREE.prefix}/records", MEMBERS[f"{TREE.prefix}/records"][:-1]),
        (f"{TREE.prefix}/records", MEMBERS[f"{TREE.prefix}/records"] * 2),
        (f"{TREE.prefix}/records", b""),
        (f"{TREE.prefix}/proofs", MEMBERS[f"{TREE.prefix}/proofs"] + b"\0"),
        (f"{TREE.prefix}/proofs", MEMBERS[f"{TREE.prefix}/proofs"][:-1]),
        (f"{TREE.prefix}/proofs", b"\xff" * 10_000),
        (f"{TREE.prefix}/earlier/5", b"hello"),
        (f"{TREE.prefix}/earlier/5", b"AAAA\n\n"),
        (f"{TREE.prefix}/earlier/05", MEMBERS[f"{TREE.prefix}/earlier/5"]),
        (f"{TREE.prefix}/earlier/5", b"\xff\n\nx"),
    ],
)
def test_members_of_another_form_are_refused(name: str, content: bytes | None) -> None:
    """Missing, surplus, cut, doubled."""
    with pytest.raises(FormatError):
        parse_bundle_file(changed_member(name, content))


def test_a_bundle_of_nothing_is_none() -> None:
    """It would hold, and a range of nothing would be whole."""
    for kind in ("range", "caller", "record"):
        empty = Bundle({"kind": kind, "value": ""}, SOUND.made, (), {}, b"")
        with pytest.raises(FormatError, match="trees is not"):
            verify_bundle(empty.encode(), make.VKEY)
        with pytest.raises(FormatError, match="trees is not"):
            shown(bundle(tree(records=(), wanted=()), selection={"kind": kind, "value": ""}))


@pytest.mark.parametrize(
    ("name", "limit"),
    [("report.html", MAX_REPORT), (f"packages/{DIGEST}/manifest.json", MAX_PACKAGE),
     (f"{TREE.prefix}/checkpoint", 2 * MAX_NOTE), (f"{TREE.prefix}/earlier/5", 2 * MAX_NOTE)],
)  # fmt: skip
def test_only_records_and_proofs_may_be_large(name: str, limit: int) -> None:
    """A megabyte of file would unpack to a gigabyte otherwise; nothing is unpacked before it is refused."""
    with pytest.raises(FormatError, match=f"{name} has {limit + 1} bytes, at most {limit}"):
        parse_bundle_file(changed_member(name, bytes(limit + 1)))


def test_a_bundle_that_no_reader_takes_is_not_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """The writer has the reader's limits; of all packages together, too."""
    with pytest.raises(FormatError, match=r"report\.html has"):
        bundle(report=bytes(MAX_REPORT + 1)).encode()
    monkeypatch.setattr("audit.proof.bundle.MAX_PACKAGES", 100)
    with pytest.raises(FormatError, match="packages have 102 bytes"):
        package(b"{}", None, **{"00" * 32: bytes(100)}).encode()


def with_trees(count: int) -> bytes:
    """A bundle of so many trees that have nothing but a name."""
    origins = sorted(f"{make.NAME}/{number:032x}/0" for number in range(count))
    places = ["trees/" + "/".join(origin.split("/")[-2:]) for origin in origins]
    parts = ("checkpoint", "records", "proofs")
    members = {f"{place}/{part}": b"" for place in places for part in parts} | {"report.html": b""}
    manifest = {
        "format": 1, "made": {"by": "", "time": ""}, "selection": {"kind": "caller", "value": ""},
        "members": {name: sha256(content).hexdigest() for name, content in members.items()},
        "trees": [{"origin": origin, "wanted": [[0, 1]]} for origin in origins],
    }  # fmt: skip
    text = json.dumps(manifest, sort_keys=True, separators=(",", ":"))
    return encode_members(members | {"manifest.json": text.encode() + b"\n"})


def calls_to_read(raw: bytes) -> int:
    """The calls that reading it takes: its work, whatever else the machine does."""
    count = 0

    def counted(_: object, event: str, __: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(counted)
    try:
        parse_bundle_file(raw)
    finally:
        sys.setprofile(before)
    return count


def test_the_work_of_reading_grows_with_the_trees_and_not_with_their_square() -> None:
    """Thousands of empty trees fit into a small file, and are read before any signature is looked at."""
    few, many = (calls_to_read(with_trees(count)) for count in (30, 120))
    assert many < 4.2 * few


def test_a_packages_manifest_is_looked_through_once() -> None:
    """Not once for each of thousands of parts."""
    scans = 0

    class Manifest(bytes):
        def __contains__(self, _: object) -> bool:
            nonlocal scans
            scans += 1
            return True

    parts = {sha256(bytes((number,))).hexdigest(): bytes((number,)) for number in range(9)}
    manifest = Manifest(json.dumps([f"sha256:{name}" for name in parts]).encode())
    one = Shown("")
    _verify_blobs(DIGEST, PackagePart(manifest, parts), one)
    assert one.flaws == []
    assert scans <= 1
    _verify_blobs(DIGEST, PackagePart(Manifest(b"[]"), parts), one)
    assert {flaw.message for flaw in one.flaws} == {"the manifest does not name this part"}
    assert len(one.flaws) == 9


@given(st.binary(max_size=300), st.sampled_from(sorted(MEMBERS)))
def test_hostile_members_raise_format_errors_and_nothing_else(raw: bytes, name: str) -> None:
    """Whatever stands in any of them."""
    broken = encode_members(MEMBERS | {name: raw})
    for made in [broken] if name == "manifest.json" else [broken, changed_member(name, raw)]:
        with suppress(FormatError):
            verify_bundle(made, make.VKEY)


def test_kept_records_are_those_of_the_golden_journal() -> None:
    """So the figures above are of real entries."""
    assert all(isinstance(kept, Kept) for kept in TREE.records)
    assert parse_entry(parse_record(TREE.records[0].record).entry.raw).kind == 4


def test_an_entry_of_a_kind_that_is_not_known_breaks_nothing() -> None:
    """Its fields may be of any type: a digest that is text, a caller that is a number."""
    entry = cbor.encode(
        {0: 99, int(Key.DIGEST): "x", int(Key.CALLER): 5, int(Key.JOURNAL): 1, int(Key.SEQUENCE): "y"}
    )
    note = sign_checkpoint(Checkpoint(make.TREE, 1, leaf_hash(entry)), make.NOTARY)
    part = TreePart(make.TREE, note, (Kept(0, frame_record(entry, b""), ()),), ((0, 1),))
    for kind, value, flaws in (("range", "3:0-0", 0), ("caller", CALLER, 1), ("record", "x", 2)):
        found = shown(bundle(part, selection={"kind": kind, "value": value}))
        assert [flaw.what for flaw in found.flaws] == ["selection"] * flaws
        assert found.kinds == {"kind 99": 1}
