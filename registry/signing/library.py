"""OpenSSF's library, where it is installed (the extra `signing`): the only place that imports it.

It reads keys, certificates and signatures from files, and hashes a model's files anew. The files of a package have
their SHA-256 in its manifest already, so the hashing is told those: a model of a gigabyte is not written out to be
judged, and what the library compares with the verified statement is every file of the package. The set of files that a
signer wanted to be ignored stands in the same statement; it is not asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from audit.errors import ConfigError


class Library(NamedTuple):
    """Its modules."""

    signing: Any
    verifying: Any
    hashing: Any
    manifest: Any


class SigningMissing(ConfigError):  # noqa: N818 - says what is so
    """The extra is not installed: nothing can be said of a signature."""


def library() -> Library:
    """The modules. Raises SigningMissing: says what to install."""
    try:
        from model_signing import hashing, manifest, signing, verifying
    except ModuleNotFoundError as error:
        raise SigningMissing(
            f"OpenSSF signatures need the extra 'signing' ({error.name} is not installed); "
            "install affiant[signing] from a wheel of your own: no index has its name"
        ) from error
    return Library(signing, verifying, hashing, manifest)


class Hashed:
    """Answers as `model_signing.hashing.Config` does of a folder: with these files, whatever it is told to ignore."""

    def __init__(self, modules: Library, name: str, files: Mapping[str, str]) -> None:
        """`name`: of the model, a finding aid. `files`: name → SHA-256 in hex."""
        from model_signing._hashing.hashing import Digest  # its signatures are of no use without it

        kind = modules.manifest.SerializationType.from_args(
            {"method": "files", "hash_type": "sha256", "allow_symlinks": False}
        )
        items = [kind.new_item(file, Digest("sha256", bytes.fromhex(said))) for file, said in files.items()]
        self._found = modules.manifest.Manifest(name, items, kind)

    def hash(self, model_path: Any, *, files_to_hash: Any = None) -> Any:
        """All files."""
        return self._found

    def add_ignored_paths(self, *, model_path: Any, paths: Any) -> None:
        """The verifier hands the signer's wishes on to here, and here they end."""


@contextmanager
def folder() -> Iterator[Path]:
    """A folder of our own for what the library wants as files; nobody else can write to it."""
    with TemporaryDirectory(prefix="affiant-signing-") as place:
        yield Path(place)
