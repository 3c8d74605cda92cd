"""The golden certificate: its bytes do not change, and every change of it is found."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest

from audit.proof.certificate import Certificate, Kept, Row, parse_certificate
from audit.proof.certificate_check import verify_certificate
from audit.proof.certificate_told import certificate_json
from audit.proof.dsse import parse_envelope
from audit.proof.errors import FormatError
from audit.proof.members import Members, encode_members
from audit.proof.note import VerifierKey
from registry.statement import APPROVAL, encode
from tests.golden.certificate import make

HERE: Final = Path(__file__).parent
RAW: Final = (HERE / "certificate.zip").read_bytes()
TOLD: Final = json.loads((HERE / "certificate.json").read_text(encoding="utf-8"))
ROOT: Final = TOLD["root"]
KEY: Final = VerifierKey.parse(TOLD["key"])


def golden(kind: str) -> tuple[bytes, dict[str, Any]]:
    """A file, and what is told of it."""
    return (HERE / f"{kind}.zip").read_bytes(), json.loads(
        (HERE / f"{kind}.json").read_text(encoding="utf-8")
    )


@pytest.mark.parametrize("kind", make.GOLDEN)
def test_what_is_found_in_it_does_not_change(kind: str) -> None:
    """People, roles, proofs and the table, as they stand in the file beside it."""
    raw, told = golden(kind)
    found = verify_certificate(raw, told["root"], KEY)
    assert found.flaws == []
    assert certificate_json(found, float(make.NOW + 60)) == told["found"]
    assert (found.sealed, len(found.statements)) == (7, 8)
    assert "that 1 of the statements stands under the checkpoint" in found.not_shown()[0]
    late = certificate_json(found, float(make.NOW + 21 * 86_400))
    assert late["expired_since"] is True


@pytest.mark.parametrize("kind", make.GOLDEN)
def test_the_same_content_gives_the_same_members(kind: str) -> None:
    """Made again, byte for byte; only how a member is deflated is zlib's."""
    raw, _ = golden(kind)
    made, there = Members(make.certificate(make.GOLDEN[kind]).encode()), Members(raw)
    assert {name: made[name] for name in made} == {name: there[name] for name in there}
    parsed, changed = parse_certificate(raw)
    assert (parsed.encode(), changed) == (encode_members(dict(there)), ())


@pytest.mark.parametrize("kind", make.GOLDEN)
def test_the_verifier_checks_it_in_a_process_without_anything_else(kind: str) -> None:
    """The command alone imports nothing but the standard library, cryptography and cbor2."""
    root = golden(kind)[1]["root"]
    words = ["certificate", str(HERE / f"{kind}.zip"), "--root-digest", root, "--key", TOLD["key"]]
    code = (
        "import sys\nfrom audit.proof.command import main\n"
        f"code = main({words!r})\n"
        "assert not {'pydantic', 'yaml', 'jinja2', 'registry', 'typer'} & set(sys.modules), 'more was imported'\n"
        "sys.exit(code)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=HERE.parents[2]
    )
    assert (done.returncode, done.stdout.splitlines()[-1:]) == (0, ["it holds"]), done.stderr


def test_every_byte_that_is_changed_is_found() -> None:
    """One bit of each seventh byte: refused, or a flaw, or the same members (bits that deflating leaves free)."""

    def holds(raw: bytes) -> bool:
        try:
            if verify_certificate(raw, ROOT, KEY).flaws:
                return False
            return raw == RAW or parse_certificate(raw) != parse_certificate(RAW)
        except FormatError:
            return False

    assert holds(RAW)
    assert [
        at for at in range(0, len(RAW), 7) if holds(RAW[:at] + bytes((RAW[at] ^ 4,)) + RAW[at + 1 :])
    ] == []


def without(certificate: Certificate, offset: int) -> Certificate:
    """Without one statement."""
    return replace(
        certificate, statements=tuple(each for each in certificate.statements if each.offset != offset)
    )


def unsealed(certificate: Certificate) -> Certificate:
    """Without the checkpoint and the proofs."""
    kept = tuple(each._replace(proof=None) for each in certificate.statements)
    return replace(certificate, checkpoint=None, statements=kept)


def swapped(certificate: Certificate, first: int, second: int) -> Certificate:
    """Two records in each other's places."""
    kept = list(certificate.statements)
    kept[first], kept[second] = (
        kept[first]._replace(record=kept[second].record),
        kept[second]._replace(record=kept[first].record),
    )
    return replace(certificate, statements=tuple(kept))


@pytest.mark.parametrize(
    ("what", "change"),
    [
        ("policy", lambda c: without(c, 0)),
        ("root", lambda c: replace(c, root=c.statements[1].record)),
        ("policy", lambda c: without(c, 2)),
        ("admission", lambda c: without(c, 3)),
        ("admission", lambda c: without(c, 5)),
        ("table", lambda c: without(c, 7)),
        ("admission", lambda c: swapped(c, 4, 5)),
        ("proof", lambda c: swapped(c, 5, 6)),
        ("admission", lambda c: replace(c, made_at=make.NOW + 20 * 86_400 + 5)),
        ("admission", lambda c: replace(c, made_at=make.NOW - 301)),
        ("admission", lambda c: replace(c, package={**c.package, "lineage.json": b'{"actor":"dan"}'})),
        ("package", lambda c: replace(c, package={**c.package, "signature.json": b"{}"})),
        ("package", lambda c: replace(c, package={**c.package, "manifest.json": c.package["manifest.json"] + b" "})),
        ("statement", lambda c: replace(c, digest="sha256:" + "00" * 32)),
        ("policy", lambda c: replace(c, policy=c.policy + b"\n")),
        ("statement", lambda c: replace(c, statements=(*c.statements, Kept(9, 0, b"x")))),
        ("table", lambda c: replace(c, rows=(*c.rows, Row("made-up-law", ("policy.json",))))),
        ("table", lambda c: replace(c, rows=tuple(row._replace(evidence=("checkpoint",)) for row in c.rows))),
        ("proof", lambda c: replace(c, statements=tuple(each._replace(proof=None) for each in c.statements))),
        ("checkpoint", unsealed),
    ],
)  # fmt: skip
def test_a_certificate_that_was_made_anew_is_found(
    what: str, change: Callable[[Certificate], Certificate]
) -> None:
    """With right digests of its members, whatever was left out, swapped or put in its place."""
    changed = change(parse_certificate(RAW)[0])
    found = verify_certificate(changed.encode(), ROOT, KEY)
    assert what in {flaw.what for flaw in found.flaws}, found.flaws
    assert set(certificate_json(found, 0.0)) == {"digest", "service", "slot", "made_by", "made"}


def test_another_root_or_key_is_not_believed() -> None:
    """Both come from the reader; a first root that too few of its own people signed is none, believed or not."""
    assert [each.what for each in verify_certificate(RAW, "sha256:" + "00" * 32, KEY).flaws] == ["root"]
    stranger = VerifierKey(make.NAME, make.Signer(11).public_key)
    assert [each.what for each in verify_certificate(RAW, ROOT, stranger).flaws] == ["checkpoint"]
    certificate, _ = parse_certificate(RAW)
    envelope = parse_envelope(certificate.root)
    one = replace(envelope, signatures=envelope.signatures[:1]).encode()
    found = verify_certificate(replace(certificate, root=one).encode(), ROOT, KEY)
    assert "signed by 1 of the 2 people" in found.flaws[0].message


def test_a_statement_of_a_stranger_does_not_belong_in_it() -> None:
    """However well it is signed: nobody of the roots has that key."""
    certificate, _ = parse_certificate(RAW)
    predicate = {"service": "credit", "role": "legal", "at": make.NOW}
    record = make.record(make.Signer(12), 8, encode(certificate.digest, APPROVAL, predicate))
    changed = replace(certificate, statements=(*certificate.statements, Kept(8, 0, record)))
    (flaw,) = verify_certificate(changed.encode(), ROOT, KEY).flaws
    assert (flaw.message, flaw.path) == ("is not signed by a key of the roots", "statements/8")


def about(change: Callable[[dict[str, Any]], Any]) -> bytes:
    """The file with another certificate.json."""
    members = dict(Members(RAW))
    content = json.loads(members["certificate.json"])
    content = change(content) or content
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return encode_members(members | {"certificate.json": f"{text}\n".encode()})


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c.update(format=2), lambda c: c.update(format=1.0), lambda c: c.update(format=True),
        lambda c: c.update(more=1), lambda c: c.pop("made"), lambda c: c["made"].update(at=-1),
        lambda c: c["made"].update(at=1.5), lambda c: c["made"].update(by=None),
        lambda c: c["subject"].update(slot="all"),
        lambda c: c["subject"].update(digest="sha256:x"), lambda c: c["subject"].pop("service"),
        lambda c: c["statements"].reverse(), lambda c: c["statements"].append(c["statements"][0]),
        lambda c: c["statements"][0].update(offset=-1), lambda c: c["statements"][0].update(offset=True),
        lambda c: c["statements"].append({"offset": 99, "logged": 1}), lambda c: c["statements"].pop(),
        lambda c: c["members"].pop("root.json"), lambda c: c["members"].update({"more": "00"}),
        lambda c: c["requirements"].append({"id": 1, "evidence": []}),
        lambda c: c["requirements"][0].update(evidence=[1]), lambda c: [c],
    ],
)  # fmt: skip
def test_another_form_is_refused(change: Callable[[dict[str, Any]], Any]) -> None:
    """One error, whatever is not as the format has it."""
    with pytest.raises(FormatError):
        parse_certificate(about(change))


@pytest.mark.parametrize(
    ("name", "content"),
    [("more.txt", b"x"), ("statements/99", b"x"), ("proofs/99", b""), ("certificate.json", b"{}"), ("../x", b"x"),
     ("proofs/0", b"short"), ("certificate.json", RAW[:0] + b"[" * 100_000)],
)  # fmt: skip
def test_other_members_are_refused(name: str, content: bytes) -> None:
    """Surplus ones, and malformed ones, before anything is believed."""
    with pytest.raises(FormatError):
        parse_certificate(encode_members(dict(Members(RAW)) | {name: content}))


def test_a_member_that_is_not_what_is_listed_is_a_flaw() -> None:
    """The page is held by the list alone: who changes it must change that, and nothing signed covers either."""
    members = dict(Members(RAW)) | {"certificate.html": b"<h1>Better</h1>"}
    (flaw,) = verify_certificate(encode_members(members), ROOT, KEY).flaws
    assert (flaw.what, flaw.path) == ("member", "certificate.html")
