"""The trees of a settings file: where what is sealed is kept, and whose word is believed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .config import Config
from .errors import ConfigError
from .notary.keys import read_vkey
from .objects import open_objects
from .objects.base import Objects
from .proof.errors import FormatError
from .proof.note import COSIGNATURE, VerifierKey
from .sealed import SealedTree, TreeId
from .settings import NotarySettings


@dataclass(frozen=True, slots=True)
class Trust:
    """Whose word is believed: the key of the log's notary, read when it is asked for, and its witnesses'."""

    name: str
    public_key_file: Path
    witnesses: tuple[VerifierKey, ...]
    quorum: int
    given: VerifierKey | None = None
    """The notary's vkey itself, when it was said in place of its file."""

    def public_key(self) -> bytes:
        """The notary's, 32 bytes.

        Raises:
            KeyRefused: its file is not there, or holds no vkey of this log.
        """
        return (self.given or read_vkey(self.public_key_file)).public_key


@dataclass(frozen=True, slots=True)
class Trees:
    """What is sealed of a log."""

    trust: Trust
    objects: Objects
    payload_objects: Objects | None = None
    """Where the archive's payload files are, when elsewhere."""

    def tree(self, topic: bytes, partition: int) -> SealedTree:
        """One tree. Nothing is read of it yet.

        Raises:
            KeyRefused: the notary's public key is not to be had.
        """
        trust = self.trust
        return SealedTree(
            self.objects,
            TreeId(trust.name, topic, partition),
            trust.public_key(),
            trust.witnesses,
            trust.quorum,
        )


def configured_trust(config: Config) -> Trust:
    """Whom the settings believe. No file is read yet.

    Raises:
        ConfigError: a witness's key is none.
    """
    settings = config.section("notary", NotarySettings)
    witnesses = []
    for each in settings.witnesses:
        try:
            key = VerifierKey.parse(each.key)
        except FormatError as error:
            raise ConfigError(f"{config.path.name}: [[notary.witnesses]] {each.url}: {error}") from error
        if key.algorithm != COSIGNATURE:
            raise ConfigError(f"{config.path.name}: [[notary.witnesses]] {each.url}: not a witness's key")
        witnesses.append(key)
    return Trust(settings.name, config.resolve(settings.public_key_file), tuple(witnesses), settings.quorum)


def configured_trees(config: Config) -> Trees:
    """The trees that the settings name. The store is not contacted yet.

    Raises:
        ConfigError: a witness's key is none, or the store's URL.
    """
    settings = config.section("notary", NotarySettings)
    objects = open_objects(settings.store or str(config.data / "sealed"), base=config.path.parent)
    payloads = settings.payload_store
    return Trees(
        configured_trust(config),
        objects,
        None if payloads is None else open_objects(payloads, base=config.path.parent),
    )
