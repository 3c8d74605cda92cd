"""Keys of those who sign: files that only their owner reads, and keys that a URI names."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, SECP521R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from securesystemslib.signer import SIGNER_FOR_URI_SCHEME, CryptoSigner

from audit.errors import KeyRefused
from audit.proof.keys import KINDS, P256, form_of, holds
from registry.approvals.keys import PrivateKey, generate, import_public, read_public, read_signer


def no_secret(name: str) -> str:
    """Nobody is asked."""
    raise AssertionError(name)


def pem_of(key: PrivateKey) -> bytes:
    """Its public half."""
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


@pytest.mark.parametrize("kind", KINDS)
def test_a_key_signs_what_its_public_half_verifies(tmp_path: Path, kind: str) -> None:
    """Mode 0600; the public file beside it says whose it is."""
    made = generate(tmp_path / "ann.key", "ann", kind=kind)
    assert stat.S_IMODE((tmp_path / "ann.key").stat().st_mode) == 0o600
    assert read_public(tmp_path / "ann.key.pub") == made
    signer = read_signer(tmp_path / "ann.key", no_secret)
    assert (signer.id, signer.public_key.hex()) == (made.id, made.public)
    assert holds(signer.public_key, signer.sign(b"x"), b"x")


def test_a_key_that_is_there_is_left_as_it_is(tmp_path: Path) -> None:
    """Key or public file."""
    for name in ("a.key", "b.key.pub"):
        (tmp_path / name).write_text("kept")
        with pytest.raises(KeyRefused, match="there already"):
            generate(tmp_path / name.removesuffix(".pub"), "ann")
        assert (tmp_path / name).read_text() == "kept"
        assert not (tmp_path / "b.key").exists()


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    """By its file, or by a URI that names its file."""
    made = generate(tmp_path / "ann.key", "ann", kind=P256)
    (tmp_path / "ann.key").chmod(0o640)
    with pytest.raises(KeyRefused, match="mode 0640"):
        read_signer(tmp_path / "ann.key", no_secret)
    named = made.model_copy(update={"uri": f"file2:{tmp_path / 'ann.key'}"})
    (tmp_path / "ann.pub").write_text(named.model_dump_json())
    with pytest.raises(KeyRefused, match="mode 0640"):
        read_signer(tmp_path / "ann.pub", no_secret)
    (tmp_path / "ann.key").chmod(0o600)
    assert read_signer(tmp_path / "ann.pub", no_secret).id == made.id


def test_a_passphrase_is_asked_for_and_must_be_right(tmp_path: Path) -> None:
    """The file alone signs nothing."""
    generate(tmp_path / "ann.key", "ann", "long words")
    assert b"ENCRYPTED" in (tmp_path / "ann.key").read_bytes()
    asked: list[str] = []

    def tell(name: str) -> str:
        asked.append(name)
        return "long words"

    read_signer(tmp_path / "ann.key", tell)
    assert asked == ["passphrase"]
    with pytest.raises(KeyRefused, match="the passphrase is wrong") as told:
        read_signer(tmp_path / "ann.key", lambda _: "guess")
    assert "guess" not in str(told.value)


def test_a_key_file_of_openssl_is_read(tmp_path: Path) -> None:
    """What `openssl ecparam -genkey` and `openssl ec -aes128` write; a passphrase is asked for."""
    key, path = generate_private_key(SECP256R1()), tmp_path / "ann.key"
    parameters = b"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
    plain = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    locked = key.private_bytes(
        Encoding.PEM, PrivateFormat.TraditionalOpenSSL, BestAvailableEncryption(b"long words")
    )
    assert b"BEGIN EC PRIVATE KEY" in locked
    for content, asked in ((parameters + plain, no_secret), (locked, lambda _: "long words")):
        path.write_bytes(content)
        path.chmod(0o600)
        signer = read_signer(path, asked)
        assert signer.public_key == form_of(key.public_key())
        assert holds(signer.public_key, signer.sign(b"x"), b"x")


@pytest.mark.parametrize("content", [b"", b"junk", b"{", b'{"format": 1}', b"-----BEGIN PRIVATE KEY-----\n"])
def test_what_is_no_key_is_refused(tmp_path: Path, content: bytes) -> None:
    """With the file's name."""
    (tmp_path / "x.key").write_bytes(content)
    (tmp_path / "x.key").chmod(0o600)
    with pytest.raises(KeyRefused, match=r"x\.key"):
        read_signer(tmp_path / "x.key", no_secret)
    with pytest.raises(KeyRefused, match="not there"):
        read_signer(tmp_path / "y.key", no_secret)


@pytest.mark.parametrize(
    ("other", "named"),
    [(generate_rsa(65537, 2048), "RSA"), (generate_private_key(SECP521R1()), "on the curve secp521r1")],
    ids=["rsa", "p521"],
)
def test_another_kind_of_key_is_refused(tmp_path: Path, other: Any, named: str) -> None:
    """By its name, whether it would sign or be imported; nothing is written."""
    (tmp_path / "x.key").write_bytes(other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (tmp_path / "x.key").chmod(0o600)
    wanted = f"the key is {named}: a root takes Ed25519, P-256 or P-384"
    with pytest.raises(KeyRefused, match=rf"x\.key: {wanted}"):
        read_signer(tmp_path / "x.key", no_secret)
    with pytest.raises(KeyRefused, match=f"^{wanted}$"):
        import_public(tmp_path / "x.pub", "ann", "awskms:2", pem_of(other))
    assert [each.name for each in tmp_path.iterdir()] == ["x.key"]


def test_what_is_no_public_key_is_not_imported(tmp_path: Path) -> None:
    """Nothing is written."""
    with pytest.raises(KeyRefused, match="not PEM"):
        import_public(tmp_path / "x.pub", "ann", "hsm:2", b"junk")


def test_a_uri_that_would_not_sign_is_refused_at_once(tmp_path: Path) -> None:
    """A scheme that nobody has, and one that does not sign with such a key; the rest of the URI is not told."""
    edwards, point = pem_of(Ed25519PrivateKey.generate()), pem_of(generate_private_key(SECP256R1()))
    for uri, pem, why in (
        ("awskms:account", edwards, "awskms: signs with only P-256 and P-384 keys, and this one is Ed25519"),
        ("hv:account/1", point, "hv: signs with only Ed25519 keys, and this one is P-256"),
        ("tkey:account", point, "tkey: signs with no key that a root takes, and this one is P-256"),
        (
            "kms:account", point,
            "nothing signs with a key at kms: here; a URI begins with one of file2, hsm, awskms, gcpkms, azurekms, hv",
        ),
    ):  # fmt: skip
        with pytest.raises(KeyRefused) as told:
            import_public(tmp_path / "x.pub", "ann", uri, pem)
        assert str(told.value) == why
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("public", ["00" * 31, "04" + "00" * 64, "02" + "11" * 32, "AB" * 32, "ab " * 32, ""])
def test_a_public_file_has_the_one_form_of_a_key(tmp_path: Path, public: str) -> None:
    """No point of the curve, another form, another spelling of the digits."""
    (tmp_path / "ann.pub").write_text(json.dumps({"format": 1, "person": "ann", "public": public}))
    with pytest.raises(KeyRefused, match=r"is no public key file \(public"):
        read_public(tmp_path / "ann.pub")


def test_a_public_key_does_not_sign(tmp_path: Path) -> None:
    """It says that the other file does."""
    generate(tmp_path / "ann.key", "ann")
    with pytest.raises(KeyRefused, match="is a public key"):
        read_signer(tmp_path / "ann.key.pub", no_secret)


@pytest.mark.parametrize("person", ["", "a,b", "a:b", "a=b", " ann", "ann\n", "x" * 201])
def test_a_name_is_one_that_a_command_can_say(tmp_path: Path, person: str) -> None:
    """Nothing is written otherwise."""
    with pytest.raises(KeyRefused):
        generate(tmp_path / "ann.key", person)
    assert list(tmp_path.iterdir()) == []


class Kms(CryptoSigner):
    """A key elsewhere: another scheme, as anybody registers it with securesystemslib, which can be made to fail."""

    key: PrivateKey = generate_private_key(SECP256R1())
    pins: list[str]
    fails = False

    @classmethod
    def from_priv_key_uri(cls, uri: str, public: Any, secrets: Any = None) -> Kms:  # noqa: ARG003 - its signature
        if uri == "kms:gone":
            raise ConnectionError("no such key\n\x1b[31m")
        cls.pins = [secrets("pin")]
        return cls(cls.key)

    def sign(self, payload: bytes) -> Any:
        if self.fails:
            raise TimeoutError("the token was taken out")
        return super().sign(payload)


def test_a_uri_names_a_key_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its scheme's signer signs, and is given the PIN; what it says for another key does not hold."""
    monkeypatch.setitem(SIGNER_FOR_URI_SCHEME, "kms", Kms)
    made = import_public(tmp_path / "ann.pub", "ann", "kms:ann", pem_of(Kms.key))
    assert (made.person, made.uri) == ("ann", "kms:ann")
    signer = read_signer(tmp_path / "ann.pub", lambda _: "1234")
    assert Kms.pins == ["1234"]
    assert signer.public_key == form_of(Kms.key.public_key())
    assert holds(signer.public_key, signer.sign(b"x"), b"x")
    monkeypatch.setattr(Kms, "fails", True)
    with pytest.raises(KeyRefused, match="the token was taken out"):
        signer.sign(b"x")
    monkeypatch.setattr(Kms, "fails", False)
    import_public(tmp_path / "bob.pub", "bob", "kms:bob", pem_of(generate_private_key(SECP256R1())))
    with pytest.raises(KeyRefused, match="another key"):
        read_signer(tmp_path / "bob.pub", lambda _: "1234").sign(b"x")
    for uri, why in (
        ("kms:gone", "no such key"),
        ("nosuch:1", "cyd.pub: nothing signs with a key at nosuch:"),
    ):
        content = json.loads((tmp_path / "ann.pub").read_text()) | {"uri": uri}
        (tmp_path / "cyd.pub").write_text(json.dumps(content))
        with pytest.raises(KeyRefused, match=why) as told:
            read_signer(tmp_path / "cyd.pub", lambda _: "1234")
        assert str(told.value).isprintable()
    with pytest.raises(KeyRefused, match="there already"):
        import_public(tmp_path / "ann.pub", "ann", "kms:ann", pem_of(Kms.key))
