"""The keys of those who sign: a PEM file, or a key elsewhere (KMS, HSM) that a URI names.

    NAME        PKCS#8 in PEM, mode 0600, with or without a passphrase; `affiant roles keygen` makes it
    NAME.pub    {"format": 1, "person": …, "public": hex, "uri": … | null}: what a root is made of

`public` is the key's form (audit/proof/keys.py): Ed25519, P-256 or P-384, and a root takes no other.

Everything signs through `audit.proof.note.Signer`. Behind it stands a signer of securesystemslib: its CryptoSigner
for a file, and for a NAME.pub with `uri` that of its scheme, which has a library of its own and kinds of keys that it
signs with (schemes.py).
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    SECP384R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    load_pem_public_key,
)
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from securesystemslib.signer import (  # type: ignore[attr-defined]  # it exports them without saying so
    CryptoSigner,
    Signer,
    SSlibKey,
)

from audit.errors import KeyRefused
from audit.files import write_once
from audit.proof.dsse import key_id
from audit.proof.errors import FormatError
from audit.proof.keys import ED25519, P256, P384, form_of, holds, kind_of, parse_key
from audit.proof.printable import printable

from .root import PublicHex
from .schemes import check_scheme

SUFFIX: Final = ".pub"
_MAX_FILE: Final = 64 << 10

PrivateKey = Ed25519PrivateKey | EllipticCurvePrivateKey
GENERATED: Final[Mapping[str, Callable[[], PrivateKey]]] = {
    ED25519: Ed25519PrivateKey.generate,
    P256: partial(generate_private_key, SECP256R1()),
    P384: partial(generate_private_key, SECP384R1()),
}

Secrets = Callable[[str], str]
"""Asks for a secret (passphrase, PIN) by its name. MUST NOT take it from the command line."""


class PublicKeyFile(BaseModel):
    """NAME.pub: whose key it is, and where its private half is when it is in no file."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    format: int = Field(default=1, ge=1, le=1)
    person: str = Field(min_length=1, max_length=200)
    public: PublicHex
    uri: str | None = Field(default=None, pattern=r"^[a-z][a-z0-9+.-]*:")

    @field_validator("person")
    @classmethod
    def _one_line(cls, value: str) -> str:
        if value != value.strip() or not value.isprintable() or set(value) & set(",:="):
            raise ValueError("a person's name is one line, without commas, colons and equals signs")
        return value

    @property
    def id(self) -> str:
        """The key id."""
        return key_id(bytes.fromhex(self.public))


class KeySigner:
    """A signer of securesystemslib as our `audit.proof.note.Signer`. What it signs is verified before it is given."""

    def __init__(self, signer: Signer, public_key: bytes, where: str) -> None:
        """`public_key`: its form. `where`: of messages."""
        self._signer = signer
        self._where = where
        self.public_key = public_key

    @property
    def id(self) -> str:
        """The key id: SHA-256 of the public key."""
        return key_id(self.public_key)

    def sign(self, message: bytes) -> bytes:
        """See `audit.proof.note.Signer.sign`.

        Raises:
            KeyRefused: the KMS or HSM does not sign, or signs with another key.
        """
        try:
            value = bytes.fromhex(self._signer.sign(message).signature)
        # Each KMS has failures of its own; none is a defect of ours.
        except Exception as error:
            raise KeyRefused(f"{self._where}: does not sign: {_said(error)}") from error
        if not holds(self.public_key, value, message):
            raise KeyRefused(f"{self._where}: what it signed does not hold: it is another key")
        return value


def generate(path: Path, person: str, passphrase: str | None = None, kind: str = ED25519) -> PublicKeyFile:
    """Make a key and its public file beside it; what is there already is left as it is.

    `kind`: one of GENERATED.

    Raises:
        KeyRefused: something is there, or the name cannot be a person's.
    """
    key = GENERATED[kind]()
    public = _public_file(person, form_of(key.public_key()), None)
    encryption: KeySerializationEncryption = (
        BestAvailableEncryption(passphrase.encode()) if passphrase else NoEncryption()
    )
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)
    beside = path.with_name(path.name + SUFFIX)
    # The public file first: a crash in between leaves nothing that could sign.
    if path.exists() or not write_once(beside, _encode(public)):
        raise KeyRefused(f"{path} or {beside.name} is there already; it was left as it is")
    if not write_once(path, pem, 0o600):
        raise KeyRefused(f"{path} is there already; it was left as it is, and {beside.name} is not its own")
    return public


def import_public(path: Path, person: str, uri: str, pem: bytes) -> PublicKeyFile:
    """Write the public file of a key that a URI names; its private half stays where it is.

    Raises:
        KeyRefused: something is there, the PEM is no public key of a kind that a root takes, or nothing here signs
            with it by that URI.
    """
    try:
        form = form_of(load_pem_public_key(pem))
    except FormatError as error:
        raise KeyRefused(str(error)) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise KeyRefused("the public key is not PEM") from error
    public = _public_file(person, form, uri)
    check_scheme(uri, kind_of(parse_key(form)))
    if not write_once(path, _encode(public)):
        raise KeyRefused(f"{path} is there already; it was left as it is")
    return public


def read_public(path: Path) -> PublicKeyFile:
    """A public file. Raises KeyRefused: not there, or not one."""
    raw, _ = _read(path)
    try:
        return PublicKeyFile.model_validate_json(raw)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise KeyRefused(
            f"{path} is no public key file{f' ({where}: ' + first['msg'] + ')' if where else ''}; "
            "`affiant roles keygen` writes one beside the key"
        ) from error


def read_signer(path: Path, secrets: Secrets) -> KeySigner:
    """A signer from a key file, or from a public file whose `uri` says where the key is.

    Raises:
        KeyRefused: not there, readable by others than its owner, of a kind that a root does not take, a wrong
            passphrase, or a KMS that does not answer.
    """
    raw, mode = _read(path)
    if not raw.lstrip().startswith(b"{"):
        _refuse_open(path, mode)
        return _of_file(path, raw, secrets)
    public = read_public(path)
    if public.uri is None:
        raise KeyRefused(f"{path} is a public key: the private key's file signs")
    material = bytes.fromhex(public.public)
    where = f"{path} ({public.uri.partition(':')[0]})"  # the rest of a URI may be somebody's account
    if public.uri.startswith(f"{CryptoSigner.SCHEME}:"):
        named = Path(public.uri.partition(":")[2])
        _refuse_open(named, _read(named)[1])
    key = parse_key(material)
    try:
        check_scheme(public.uri, kind_of(key))
    except KeyRefused as error:
        raise KeyRefused(f"{path}: {error}") from error
    try:
        known: Any = SSlibKey.from_crypto(key)
        signer = Signer.from_priv_key_uri(public.uri, known, secrets)
    # Whatever a scheme's library raises: securesystemslib does not say.
    except Exception as error:
        raise KeyRefused(f"{where}: {_said(error)}") from error
    return KeySigner(signer, material, where)


def _of_file(path: Path, raw: bytes, secrets: Secrets) -> KeySigner:
    wanted = b"ENCRYPTED" in raw  # OpenSSL's older files of EC keys say so in a header
    try:
        key = load_pem_private_key(raw, secrets("passphrase").encode() if wanted else None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        problem = "the passphrase is wrong, or the file is damaged" if wanted else "not a private key in PEM"
        raise KeyRefused(f"{path}: {problem}") from error
    try:
        form = form_of(key.public_key())
    except FormatError as error:
        raise KeyRefused(f"{path}: {error}") from error
    return KeySigner(CryptoSigner(key), form, str(path))


def _read(path: Path) -> tuple[bytes, int]:
    try:
        with path.open("rb") as file:
            return file.read(_MAX_FILE), os.fstat(file.fileno()).st_mode
    except FileNotFoundError as error:
        raise KeyRefused(f"{path} is not there; `affiant roles keygen` makes a key") from error
    except OSError as error:
        raise KeyRefused(f"{path}: {error.strerror}") from error


def _refuse_open(path: Path, mode: int) -> None:
    if stat.S_IMODE(mode) & 0o077:
        raise KeyRefused(
            f"{path} can be read by others than its owner (mode {stat.S_IMODE(mode):04o}): "
            f"`chmod 600 {path}`, and rotate the key if anybody may have read it"
        )


def _public_file(person: str, public: bytes, uri: str | None) -> PublicKeyFile:
    try:
        return PublicKeyFile(person=person, public=public.hex(), uri=uri)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise KeyRefused(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error


def _encode(public: PublicKeyFile) -> bytes:
    return (public.model_dump_json(indent=2) + "\n").encode()


def _said(error: Exception) -> str:
    """What a scheme's library says may be anything: none of it steers a terminal."""
    return printable(": ".join(filter(None, (type(error).__name__, " ".join(map(str, error.args))))))
