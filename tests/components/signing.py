"""Keys, certificates and signatures of models, made without OpenSSF's library: also those that it would not make."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID

from registry.signing.bundle import BUNDLE_TYPE, PREDICATE, files_of
from registry.signing.keys import PublicKey, public_key

if TYPE_CHECKING:
    from collections.abc import Mapping

    from registry.package import Package

_TYPE: Final = "application/vnd.in-toto+json"
_HASHES: Final[dict[str, hashes.HashAlgorithm]] = {
    "secp256r1": hashes.SHA256(), "secp384r1": hashes.SHA384(), "secp521r1": hashes.SHA512(),
}  # fmt: skip


class Key:
    """A key that signs models, in files."""

    def __init__(self, directory: Path, name: str = "model", curve: ec.EllipticCurve | None = None) -> None:
        """NAME.pem, mode 0600, and NAME.pub, made when they are not there; the directory is."""
        self.path = directory / f"{name}.pem"
        self.public_path = directory / f"{name}.pub"
        if self.path.exists():
            found = load_pem_private_key(self.path.read_bytes(), None)
            assert isinstance(found, ec.EllipticCurvePrivateKey)
            self.private = found
        else:
            self.private = ec.generate_private_key(curve or ec.SECP256R1())
            self.write()
        pem = self.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        self.public_path.write_bytes(pem)
        self.pem = pem.decode()
        self.id = sha256(pem).hexdigest()

    @property
    def public(self) -> PublicKey:
        """As it is trusted."""
        return public_key(self.pem.encode(), "a test's key")

    def write(self, passphrase: str | None = None) -> None:
        """The private key's file anew."""
        encryption = BestAvailableEncryption(passphrase.encode()) if passphrase else NoEncryption()
        self.path.touch(mode=0o600)
        self.path.write_bytes(self.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption))

    def sign(self, message: bytes) -> bytes:
        """ECDSA, as model-signing wants it of this curve."""
        return self.private.sign(message, ec.ECDSA(_HASHES[self.private.curve.name]))


def statement(package: Package, files: Mapping[str, str] | None = None, **changes: Any) -> dict[str, Any]:
    """What a signature of a package states; `files` in place of the package's, `changes` of its serialization."""
    found = dict(files_of(package) if files is None else files)
    total = sha256(b"".join(bytes.fromhex(found[name]) for name in sorted(found))).hexdigest()
    serialization = {"method": "files", "hash_type": "sha256", "allow_symlinks": False, **changes}
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": package.name, "digest": {"sha256": total}}],
        "predicateType": PREDICATE,
        "predicate": {
            "serialization": serialization,
            "resources": [
                {"name": name, "algorithm": "sha256", "digest": found[name]} for name in sorted(found)
            ],
        },
    }


def bundle(stated: Any, key: Key, material: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """A signature over anything, by a key; `material` in place of the key's id."""
    payload = json.dumps(stated).encode() if not isinstance(stated, bytes) else stated
    message = b" ".join(
        [b"DSSEv1", str(len(_TYPE)).encode(), _TYPE.encode(), str(len(payload)).encode(), payload]
    )
    return {
        "mediaType": BUNDLE_TYPE,
        "verificationMaterial": {"publicKey": {"hint": key.id}, "tlogEntries": []} if material is None else material,
        "dsseEnvelope": {
            "payload": base64.b64encode(payload).decode(),
            "payloadType": _TYPE,
            "signatures": [{"sig": base64.b64encode(key.sign(message)).decode(), "keyid": ""}],
        },
    }  # fmt: skip


def signed(package: Package, key: Key, **changes: Any) -> bytes:
    """A signature of a package."""
    return json.dumps(bundle(statement(package, **changes), key)).encode()


class Authority:
    """A certificate authority of one certificate."""

    def __init__(self, directory: Path, name: str = "authority") -> None:
        self.key = Key(directory, name)
        self.name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        self.certificate = self.issue(self.key, authority=True)
        self.path = directory / f"{name}.crt"
        self.path.write_bytes(self.certificate.public_bytes(Encoding.PEM))

    def issue(self, key: Key, *, authority: bool = False, signs: bool = True) -> x509.Certificate:
        """A certificate of a key. `signs`: whether it says that the key is for signing."""
        start = datetime.now(UTC) - timedelta(days=1)
        usage = dict.fromkeys(
            ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
             "key_cert_sign", "crl_sign", "encipher_only", "decipher_only"), False,
        )  # fmt: skip
        usage |= {"key_cert_sign": authority, "digital_signature": signs and not authority}
        usage["key_agreement"] = not signs
        subject = (
            self.name if authority else x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "release")])
        )
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key.private.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(start)
            .not_valid_after(start + timedelta(days=30))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(x509.KeyUsage(**usage), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        )
        return builder.sign(self.key.private, hashes.SHA256())

    def certify(self, key: Key, *, signs: bool = True) -> Path:
        """The same in a file."""
        path = key.path.with_suffix(".crt")
        path.write_bytes(self.issue(key, signs=signs).public_bytes(Encoding.PEM))
        return path
