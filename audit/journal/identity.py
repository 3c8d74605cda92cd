"""Who a journal is: its id, its Ed25519 key, and the entries that the key signs."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit.errors import JournalDamaged, JournalError
from audit.files import make_directory, parse_json
from audit.proof import cbor
from audit.proof.entry import Key, signing_message

from .disk import PRIVATE, Disk, create_file, read_all, read_file

JOURNAL_NAME: Final = "journal.json"
KEY_NAME: Final = "key"
PUBLIC_NAME: Final = "key.pub"
"""Beside a journal whose key is elsewhere: its public key, in hex, by which another journal's key is told from it."""
ROUTE_NAME: Final = "route.json"
_KEY_SIZE: Final = 32
_MAX_JSON: Final = 4096


@dataclass(frozen=True, slots=True)
class Identity:
    """A journal's id (16 bytes) and private key. The key MUST NOT be logged or written elsewhere."""

    journal_id: bytes
    key: Ed25519PrivateKey

    @property
    def public_key(self) -> bytes:
        """32 bytes."""
        return self.key.public_key().public_bytes_raw()

    def sign(self, fields: Mapping[int, object]) -> bytes:
        """The entry's bytes, with the signature (key 42) put in."""
        signature = self.key.sign(signing_message(fields))
        return cbor.encode({**fields, int(Key.SIGNATURE): signature})


def key_path(directory: Path, keys: Path | None) -> Path:
    """Where a journal's key is: in `keys`, by the journal's name, or beside what it signs."""
    return directory / KEY_NAME if keys is None else keys / directory.name


def load_identity(
    directory: Path,
    disk: Disk,
    clock: Callable[[], int],
    random: Callable[[int], bytes],
    keys: Path | None = None,
) -> Identity:
    """Read `journal.json` and the key, or create them in an empty journal. The lock MUST be held.

    The key comes first: a crash between the two leaves a key without a journal, which is taken up again. With `keys`,
    [journal] key_directory, a key that lies beside the journal MUST NOT be taken: whoever carries the journal may have
    put it there. Nor MUST one there that is another journal's: of another data directory, a journal may have that name.

    Raises:
        JournalDamaged: one of them is malformed, or gone from a journal that has segments.
        JournalError: the key file is open to others than its owner, or is another journal's.
    """
    raw = read_file(disk, directory / JOURNAL_NAME, _MAX_JSON)
    if raw is None and any(name.endswith(".seg") for name in disk.list(directory)):
        raise JournalDamaged(f"{directory / JOURNAL_NAME} is gone, but there are segments")
    path = key_path(directory, keys)
    if keys is not None:
        make_directory(keys, exists=disk.is_directory, mkdir=disk.make_directory, sync=disk.sync_directory)
        if raw is not None and KEY_NAME in disk.list(directory) and path.name not in disk.list(keys):
            raise JournalError(
                f"{path} is not there, and {directory / KEY_NAME} is: move it, if it is the gateway's own"
            )
    if raw is None and path.name not in disk.list(path.parent):
        _make_key(path, None if keys is None else directory / PUBLIC_NAME, disk, random)
    key = _load_key(path, disk)
    if keys is not None:
        _hold(key, path, directory / PUBLIC_NAME, disk, new=raw is None)
    if raw is None:
        journal_id = random(16)
        created = datetime.fromtimestamp(clock() // 1_000_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        content = {"format": 1, "journal": journal_id.hex(), "created": created}
        create_file(disk, directory / JOURNAL_NAME, json.dumps(content).encode() + b"\n")
        return Identity(journal_id, key)
    return Identity(read_journal_id(raw, directory / JOURNAL_NAME), key)


def read_journal_id(raw: bytes, path: Path) -> bytes:
    """The id in a `journal.json`.

    Raises:
        JournalDamaged: not what this writer makes.
    """
    try:
        content = parse_json(raw)
        journal_id = bytes.fromhex(content["journal"])
        known = content["format"] == 1
    except (ValueError, KeyError, TypeError) as error:
        raise JournalDamaged(f"{path} is not a journal's description") from error
    if not known or len(journal_id) != 16:
        raise JournalDamaged(f"{path}: want format 1 and an id of 16 bytes")
    return journal_id


def _make_key(path: Path, public: Path | None, disk: Disk, random: Callable[[int], bytes]) -> None:
    """`public` first: a crash between the two leaves none that is another one's."""
    secret = random(_KEY_SIZE)
    if public is not None:
        made = Ed25519PrivateKey.from_private_bytes(secret).public_key()
        create_file(disk, public, made.public_bytes_raw().hex().encode() + b"\n")
    create_file(disk, path, secret, PRIVATE)


def _hold(key: Ed25519PrivateKey, path: Path, public: Path, disk: Disk, *, new: bool) -> None:
    """That a key is this journal's. One that was there before keys were apart, and so has nothing beside it, is taken.

    Raises:
        JournalError: it is not.
    """
    raw = read_file(disk, public, _MAX_JSON)
    if raw is None and not new:
        return
    if raw is None or raw.strip() != key.public_key().public_bytes_raw().hex().encode():
        raise JournalError(
            f"{path} is not the key of the journal {public.parent}, but another one's of that name: each data directory"
            " wants a [journal] key_directory of its own"
        )


def _load_key(path: Path, disk: Disk) -> Ed25519PrivateKey:
    try:
        fd = disk.open(path, os.O_RDONLY)
    except FileNotFoundError as error:
        raise JournalDamaged(f"{path} is gone: this journal can sign nothing any more") from error
    try:
        mode = disk.mode(fd)
        raw = read_all(disk, fd, _KEY_SIZE + 1)
    finally:
        disk.close(fd)
    if mode & 0o077:
        raise JournalError(f"{path} has mode {mode:04o}, so that others can read or change it: chmod 600")
    if len(raw) != _KEY_SIZE:
        raise JournalDamaged(f"{path} is not {_KEY_SIZE} bytes")
    return Ed25519PrivateKey.from_private_bytes(raw)


def load_topic(shipping: Path, journal_id: bytes, disk: Disk) -> dict[str, Any] | None:
    """Key 33 of the opening entry: where the journal is shipped, once the sidecar has chosen it.

    Raises:
        JournalError: `route.json` is malformed, or another journal's.
    """
    path = shipping / ROUTE_NAME
    raw = read_file(disk, path, _MAX_JSON)
    if raw is None:
        return None
    try:
        route = parse_json(raw)
        journal = bytes.fromhex(route["journal"])
        topic = {
            "backend": str(route["backend"]),
            "name": str(route["topic"]),
            "id": bytes.fromhex(route["topic_id"]),
            "partition": int(route["partition"]),
        }
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        raise JournalError(f"{path} is not a route") from error
    if journal != journal_id:
        raise JournalError(f"{path} is the route of journal {journal.hex()}, not of {journal_id.hex()}")
    return topic
