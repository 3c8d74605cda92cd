"""The keys of model signatures: which are taken, and from which files."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from audit.errors import KeyRefused
from registry.signing.bundle import read
from registry.signing.keys import public_key, read_certificates, read_private, read_public
from registry.signing.sign import Certified, sign
from tests.components.packages import number_package
from tests.components.signing import Authority, Key


def no_secret(name: str) -> str:
    """Must not be asked."""
    raise AssertionError(name)


def test_a_private_key_is_its_owners_alone(tmp_path: Path) -> None:
    """A file that others can read is refused, and nothing is signed with it."""
    key = Key(tmp_path)
    assert read_private(key.path, no_secret).public == read_public(key.public_path) == key.public
    for mode in (0o640, 0o604, 0o620):
        key.path.chmod(mode)
        with pytest.raises(KeyRefused, match=rf"can be read by others than its owner \(mode {mode:04o}\)"):
            read_private(key.path, no_secret)


def test_a_passphrase_is_asked_for_and_must_be_right(tmp_path: Path) -> None:
    """It signs then; a wrong one is told from a damaged file by nobody."""
    key = Key(tmp_path)
    key.write("sesame")
    private = read_private(key.path, {"passphrase": "sesame"}.__getitem__)
    assert read(sign(number_package(), private)).key == key.id
    with pytest.raises(KeyRefused, match="the passphrase is wrong, or the file is damaged"):
        read_private(key.path, lambda _: "sesam")
    with pytest.raises(KeyRefused, match="no key with a passphrase"):
        sign(number_package(), private, Certified(Authority(tmp_path).certify(key)))


@pytest.mark.parametrize(
    "made",
    [
        lambda: ec.generate_private_key(ec.SECP256K1()),
        ed25519.Ed25519PrivateKey.generate,
        lambda: rsa.generate_private_key(65537, 2048),
    ],
    ids=["another-curve", "ed25519", "rsa"],
)
def test_keys_that_the_library_does_not_take_are_refused(made: object, tmp_path: Path) -> None:
    """In words: which curves are wanted."""
    key = made()
    path = tmp_path / "key.pem"
    path.touch(mode=0o600)
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    with pytest.raises(KeyRefused, match="a key on P-256, P-384, P-521 is wanted"):
        read_private(path, no_secret)
    pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    with pytest.raises(KeyRefused, match="a key on P-256, P-384, P-521 is wanted"):
        public_key(pem, "it")


def test_files_that_are_no_keys_are_refused(tmp_path: Path) -> None:
    """Absent, garbage, the other half, a certificate."""
    key, authority = Key(tmp_path), Authority(tmp_path)
    with pytest.raises(KeyRefused, match="No such file"):
        read_private(tmp_path / "absent", no_secret)
    with pytest.raises(KeyRefused, match="no public key in PEM"):
        read_public(key.path)
    with pytest.raises(KeyRefused, match="openssl x509 -pubkey"):
        read_public(authority.path)
    with pytest.raises(KeyRefused, match="no certificates in PEM"):
        read_certificates([authority.path, key.public_path])
    key.public_path.chmod(0o600)
    with pytest.raises(KeyRefused, match="no private key in PEM"):
        read_private(key.public_path, no_secret)


def test_a_certificate_of_another_key_is_not_signed_with(tmp_path: Path) -> None:
    """It would say that somebody else has signed."""
    key, other = Key(tmp_path), Key(tmp_path, "other")
    with pytest.raises(KeyRefused, match="does not match"):
        sign(
            number_package(), read_private(key.path, no_secret), Certified(Authority(tmp_path).certify(other))
        )


def test_a_key_has_one_id_however_it_is_written(tmp_path: Path) -> None:
    """The id is of the key, not of its file: line ends and text before it do not count."""
    key = Key(tmp_path)
    spelled = f"a comment\n{key.pem}".replace("\n", "\r\n")
    assert public_key(spelled.encode(), "it").id == key.id
