"""Payloads that are too large for the log go to the object store, under their digest."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Final

import structlog

from audit.config import Config
from audit.errors import ConfigError, LogUnavailable, ObjectChanged, ObjectsUnavailable
from audit.objects import Objects, open_objects
from audit.objects.base import Removes
from audit.objects.lock import keeps_versions
from audit.proof.entry import Key, parse_entry
from audit.proof.record import frame_record, split_record
from audit.settings import SidecarSettings

MIN_EXTERNAL: Final = 256 << 10
"""Records up to this size are never looked at: the journal marks a payload as external only above it."""
_ATTEMPTS: Final = 4


class ExternalStore:
    """Payloads by digest. What is there under a name is believed only after it was hashed."""

    def __init__(self, store: str | Path) -> None:
        """A directory, or the URL of one or of a bucket. Nothing is contacted or made yet.

        Raises:
            ConfigError: a URL of another kind, or none.
        """
        if isinstance(store, str) and "://" not in store:
            raise ConfigError(f"[sidecar] object_store: {store!r} is no URL; want file:///… or s3://…")
        self._objects: Objects = open_objects(str(store), base=Path("/"))
        self._say = structlog.get_logger("sidecar")

    def move(self, record: bytes) -> bytes:
        """The record as the log gets it: without its payload when its entry says that it is external.

        The payload MUST be in the object store, durably, before the record is sent: its segment is freed once the
        record is acknowledged. A crash in between leaves an object that the next run finds.

        Raises:
            LogUnavailable: the object store does not take it.
        """
        if len(record) <= MIN_EXTERNAL:
            return record
        raw, payload = split_record(record)
        entry = parse_entry(raw)
        if not entry.get(Key.EXTERNAL):
            return record
        try:
            self._keep(sha256(payload).digest(), payload)
        except ObjectsUnavailable as error:
            raise LogUnavailable(f"object store: {error}") from error
        return frame_record(raw, b"")

    def get(self, digest: bytes) -> bytes | None:
        """What the store has under that digest, None when it has nothing.

        It is given as it is: who asks MUST hash it, and tell a damaged payload from an absent one.

        Raises:
            LogUnavailable: the object store does not answer.
        """
        try:
            stored = self._objects.get(_name(digest))
        except ObjectsUnavailable as error:
            raise LogUnavailable(f"object store: {error}") from error
        return None if stored is None else stored.content

    def there(self, digest: bytes) -> bool:
        """Whether there is something under that digest. Raises LogUnavailable: the object store does not answer."""
        name = _name(digest)
        try:
            return name in self._objects.list(name)
        except ObjectsUnavailable as error:
            raise LogUnavailable(f"object store: {error}") from error

    def remove(self, digest: bytes) -> None:
        """Remove what is under that digest, if anything is; see `Removes.remove`.

        Raises:
            LogUnavailable: the object store does not answer, or refuses.
        """
        if not isinstance(self._objects, Removes):
            raise LogUnavailable(f"object store: {self._objects!r}: nothing is removed there")
        try:
            self._objects.remove(_name(digest))
        except ObjectsUnavailable as error:
            raise LogUnavailable(f"object store: {error}") from error

    def keeps_versions(self) -> bool | None:
        """Whether what is removed stays behind as a version; see `audit.objects.lock`.

        Raises:
            LogUnavailable: the object store does not answer.
        """
        try:
            return keeps_versions(self._objects)
        except ObjectsUnavailable as error:
            raise LogUnavailable(f"object store: {error}") from error

    def _keep(self, digest: bytes, payload: bytes) -> None:
        """Put it there. What is there already is read: it may be another's, or what a crash left of it."""
        name = _name(digest)
        for _ in range(_ATTEMPTS):
            if self._objects.create(name, payload):
                return
            stored = self._objects.get(name)
            if stored is None:
                continue
            if sha256(stored.content).digest() == digest:
                return
            self._say.error(
                "a payload in the object store was damaged; it is replaced by the journal's", name=name,
                size=len(stored.content), wanted=len(payload),
            )  # fmt: skip
            try:
                self._objects.swap(name, payload, stored.version)
            except ObjectChanged:
                continue
            return
        raise ObjectsUnavailable(f"{self._objects!r}/{name}: changes whenever it is looked at")


def configured_store(config: Config) -> ExternalStore:
    """[sidecar] object_store; without one, a directory beside the journals. Nothing is contacted or made yet.

    Raises:
        ConfigError: wrong settings.
    """
    return ExternalStore(config.section("sidecar", SidecarSettings).object_store or config.data / "objects")


def _name(digest: bytes) -> str:
    name = digest.hex()
    return f"payloads/{name[:2]}/{name}"
