"""Model signatures: what holds, and everything that must not (docs/approvals-threats.md names these)."""

from __future__ import annotations

import base64
import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from registry.errors import SignatureRefused
from registry.package import Package, PackageContent, build
from registry.signing.bundle import MAX_SIGNATURE, files_of, read
from registry.signing.keys import read_certificates, read_private
from registry.signing.library import SigningMissing
from registry.signing.sign import Certified, sign
from registry.signing.verify import Trust, verify
from tests.components.packages import number_package
from tests.components.signing import Authority, Key, bundle, signed, statement

CURVES = (ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1())


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Key:
    """Whose signatures count."""
    return Key(tmp_path_factory.mktemp("key"))


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Key:
    """Whose do not."""
    return Key(tmp_path_factory.mktemp("other"))


def changed(package: Package, card: bytes = b"# another card\n") -> Package:
    """The package with another card."""
    parts = {name: package.part(name) for name in ("reference", "golden")}
    return build(
        PackageContent(
            package.model, package.model_type, package.part("signature"), **parts,
            lineage_json=package.part("lineage"), card=card,
        )
    )  # fmt: skip


def judged(raw: bytes, *keys: Key, package: Package | None = None) -> str:
    """By whom; or raises."""
    return verify(raw, package or number_package(), Trust([each.public for each in keys]))


@pytest.mark.parametrize("curve", CURVES, ids=lambda curve: curve.name)
def test_a_signature_of_all_files_holds(curve: ec.EllipticCurve, tmp_path: Path) -> None:
    """On each curve, made by the library and made without it; nothing is looked up and nobody is spoken to."""
    mine = Key(tmp_path, "mine", curve)
    with pytest.MonkeyPatch.context() as patch:
        asked: list[object] = []
        patch.setattr(socket, "getaddrinfo", lambda *arguments, **_: asked.append(arguments))
        patch.setattr(socket.socket, "connect", lambda *arguments: asked.append(arguments))
        raw = sign(number_package(), read_private(mine.path, str))
        assert judged(raw, mine) == mine.id == read(raw).key
        assert judged(signed(number_package(), mine), mine) == mine.id
    assert asked == []
    assert read(raw).files == files_of(number_package())


def test_a_changed_file_is_not_the_one_that_was_signed(key: Key) -> None:
    """Its digest is another, and so is the manifest's."""
    raw = sign(number_package(), read_private(key.path, str))
    with pytest.raises(SignatureRefused, match=r"signed with other bytes: card\.md, manifest\.json"):
        judged(raw, key, package=changed(number_package()))


def test_a_signature_of_another_package_does_not_count(key: Key) -> None:
    """Copied over, it is of the other one's files; also of one that has the same model."""
    raw = sign(number_package("another"), read_private(key.path, str))
    with pytest.raises(SignatureRefused, match="is not of sha256:"):
        judged(raw, key)


@pytest.mark.parametrize("left", ["lineage.json", "manifest.json", "model.ubj"])
def test_a_file_that_the_signer_left_out_is_not_signed(key: Key, left: str) -> None:
    """`ignore_paths` is signed as well; OpenSSF's own verifier leaves out what it names."""
    package = number_package()
    files = {name: digest for name, digest in files_of(package).items() if name != left}
    for raw in (
        signed(package, key, files=files, ignore_paths=[left]),
        signed(package, key, files=files),
    ):
        with pytest.raises(SignatureRefused, match=f"not signed: {left}"):
            judged(raw, key)
    # What is left out and not there is nothing.
    assert judged(signed(package, key, ignore_paths=[".git", "model.sig"]), key) == key.id


def test_a_file_that_the_package_does_not_have_is_not_signed_for_it(key: Key) -> None:
    """An added file makes it the signature of something else; so does one under another spelling."""
    files = files_of(number_package())
    for name in ("setup.py", "../card.md", "./card.md", "CARD.md"):
        raw = signed(number_package(), key, files={**files, name: "00" * 32})
        with pytest.raises(SignatureRefused, match="signed, and not in the package"):
            judged(raw, key)


def test_a_key_that_is_not_trusted_does_not_count(key: Key, other: Key) -> None:
    """Neither under its own id, nor under that of a key that is; nor does anybody's where nobody is trusted."""
    raw = signed(number_package(), other)
    with pytest.raises(SignatureRefused, match=f"by the key {other.id}, which is not trusted"):
        judged(raw, key)
    with pytest.raises(SignatureRefused, match="not trusted"):
        judged(raw)
    stolen = bundle(statement(number_package()), other, {"publicKey": {"hint": key.id}})
    with pytest.raises(SignatureRefused, match="does not hold"):
        judged(json.dumps(stolen).encode(), key)
    assert judged(raw, key, other) == other.id


def _with(**changes: Any) -> Any:
    """A change of the whole bundle."""
    return lambda found, _: {**found, **changes}


def _envelope(**changes: Any) -> Any:
    return lambda found, _: {**found, "dsseEnvelope": {**found["dsseEnvelope"], **changes}}


def _stated(change: Any) -> Any:
    """A change of what is stated, signed anew."""

    def made(_: Any, key: Key) -> Any:
        stated = statement(number_package())
        return bundle(change(stated) or stated, key)

    return made


def _resources(change: Any) -> Any:
    return _stated(lambda stated: change(stated["predicate"]["resources"]))


SIGSTORE = {"certificate": {"rawBytes": "QQ=="}, "tlogEntries": [{"logIndex": "1"}]}
WRONG: dict[str, tuple[Any, str]] = {
    "another-media-type": (_with(mediaType="application/json"), "mediaType"),
    "one-more-key": (_with(dsse_envelope={}), "dsse_envelope: Extra inputs"),
    "no-envelope": (lambda found, _: {k: v for k, v in found.items() if k != "dsseEnvelope"}, "dsseEnvelope"),
    "no-key": (_with(verificationMaterial={"publicKey": {}}), r"hint: Field required"),
    "nobody": (_with(verificationMaterial={}), "one key, or its certificates"),
    "sigstore": (_with(verificationMaterial=SIGSTORE), "made with Sigstore's services"),
    "no-signature": (_envelope(signatures=[]), "signatures"),
    "no-base64": (_envelope(payload="AAAAA"), "no base64"),
    "an-empty-statement": (_envelope(payload="e30="), "_type: Field required"),
    "another-payload": (
        _envelope(payload=base64.b64encode(json.dumps(statement(number_package())).encode() + b" ").decode()),
        "does not hold",
    ),
    "an-old-predicate": (
        _stated(lambda stated: {**stated, "predicateType": "https://model_signing/Digests/v0.1"}), "predicateType",
    ),
    "another-hash": (_resources(lambda each: each[0].update(algorithm="blake3")), "algorithm"),
    "parts-of-files": (_stated(lambda stated: stated["predicate"]["serialization"].update(method="shards")), "method"),
    "a-file-twice": (_resources(lambda each: each.append(each[0])), "a file is there twice"),
    "no-files": (_resources(list.clear), "resources"),
    "another-total": (_stated(lambda stated: stated["subject"][0]["digest"].update(sha256="00" * 32)), "inconsistent"),
    "no-subject": (_stated(lambda stated: stated.pop("subject") and stated), "does not hold"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_signature_of_a_model_is_refused(key: Key, name: str) -> None:
    """Each in words; those that are about what is stated are signed by the trusted key."""
    change, said = WRONG[name]
    found = change(bundle(statement(number_package()), key), key)
    with pytest.raises(SignatureRefused, match=said):
        judged(json.dumps(found).encode(), key)


@pytest.mark.parametrize(
    "raw", [b"", b"null", b"[]", b"\xff\xfe", b"{" * 20_000, b"[" * 200_000, b'{"a":1,"a":2}', b"\x80\x04K\x01."],
    ids=["nothing", "null", "list", "bytes", "objects", "depth", "a key twice", "pickle"],
)  # fmt: skip
def test_garbage_is_refused(key: Key, raw: bytes) -> None:
    """In words, and not by a failure of a parser."""
    with pytest.raises(SignatureRefused):
        judged(raw, key)
    with pytest.raises(SignatureRefused):
        judged(json.dumps(bundle(raw, key)).encode() if raw else b"{}", key)


def test_a_signature_that_is_too_long_is_refused(key: Key) -> None:
    """Before it is parsed; up to the limit it is read."""
    raw = signed(number_package(), key)
    padded = raw + b" " * (MAX_SIGNATURE - len(raw))
    assert judged(padded, key) == key.id
    with pytest.raises(SignatureRefused, match="over 262144 bytes"):
        judged(padded + b" ", key)


def test_whatever_byte_is_changed_what_holds_says_the_same(key: Key) -> None:
    """One bit of every seventh byte: refused, or the statement is the one that was signed."""
    raw = signed(number_package(), key)
    stated = lambda found: base64.b64decode(json.loads(found)["dsseEnvelope"]["payload"])  # noqa: E731 - one line
    held = 0
    for place in range(0, len(raw), 7):
        flipped = bytearray(raw)
        flipped[place] ^= 1
        try:
            judged(bytes(flipped), key)
        except SignatureRefused:
            continue
        held += 1
        assert stated(flipped) == stated(raw)
    assert held < 20


def test_a_certificate_counts_when_its_authority_is_trusted(key: Key, tmp_path: Path) -> None:
    """Of another authority, of none, and of one that is not for signing: not."""
    mine, foreign = Authority(tmp_path), Authority(tmp_path, "foreign")
    package = number_package()
    private = read_private(key.path, str)
    raw = sign(package, private, Certified(mine.certify(key)))
    assert verify(raw, package, Trust(certificates=read_certificates([mine.path]))) == "certificate"
    both = Trust(certificates=read_certificates([foreign.path, mine.path]))
    assert verify(raw, package, both) == "certificate"
    with pytest.raises(SignatureRefused, match="does not hold: unable to get"):
        verify(raw, package, Trust(certificates=read_certificates([foreign.path])))
    with pytest.raises(SignatureRefused, match="no authority is trusted"):
        judged(raw, key)
    with pytest.raises(SignatureRefused, match="signed with other bytes"):
        verify(raw, changed(package), both)
    useless = sign(package, private, Certified(mine.certify(key, signs=False)))
    with pytest.raises(SignatureRefused, match="cannot be used for signing"):
        verify(useless, package, both)


def test_without_the_library_nothing_is_said_to_hold(key: Key, monkeypatch: pytest.MonkeyPatch) -> None:
    """What to install is said; neither yes nor no."""
    raw = signed(number_package(), key)
    monkeypatch.setitem(sys.modules, "model_signing", None)
    with pytest.raises(SigningMissing, match=r"the extra 'signing'.*install affiant\[signing\]"):
        judged(raw, key)
    with pytest.raises(SigningMissing, match=r"install affiant\[signing\]"):
        sign(number_package(), read_private(key.path, str))


def test_the_gateway_loads_nothing_of_it() -> None:
    """Admission reads what the gate has said, and reads the policy with its keys."""
    code = (
        "import sys, service.admitted, registry.policy, registry.admission\n"
        "bad = {each.partition('.')[0] for each in sys.modules} & {'model_signing', 'sigstore', 'OpenSSL', 'tuf'}\n"
        "assert not bad, bad\n"
        "assert 'registry.policy' in sys.modules and 'registry.signing.verify' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[4])
