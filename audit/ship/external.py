"""Payloads that are too large for the log go to the object store, under their digest."""

from __future__ import annotations

from hashlib import sha256
from typing import Any, Final

from audit.errors import LogUnavailable
from audit.proof.entry import Key, parse_entry
from audit.proof.record import frame_record, split_record

MIN_EXTERNAL: Final = 256 << 10
"""Records up to this size are never looked at: the journal marks a payload as external only above it."""


class ExternalStore:
    """Create-only: an object that is there already has the same digest, so it is the same."""

    def __init__(self, url: str) -> None:
        """`url` is in the form that obstore takes: file:///…, s3://…, and so on."""
        self._url = url
        self._store: Any = None

    def move(self, record: bytes) -> bytes:
        """The record as the log gets it: without its payload when its entry says that it is external.

        The payload MUST be in the object store before the record is sent: a crash in between leaves an object
        that the next run finds.

        Raises:
            LogUnavailable: the object store does not take it.
        """
        if len(record) <= MIN_EXTERNAL:
            return record
        raw, payload = split_record(record)
        entry = parse_entry(raw)
        if not entry.get(Key.EXTERNAL):
            return record
        digest = sha256(payload).hexdigest()
        self._put(f"payloads/{digest[:2]}/{digest}", payload)
        return frame_record(raw, b"")

    def get(self, digest: bytes) -> bytes | None:
        """The payload with that digest, verified; None when it is not there."""
        import obstore
        from obstore.exceptions import NotFoundError

        name = digest.hex()
        try:
            content = bytes(obstore.get(self._open(), f"payloads/{name[:2]}/{name}").bytes())
        except NotFoundError:
            return None
        return content if sha256(content).digest() == digest else None

    def _put(self, path: str, payload: bytes) -> None:
        import obstore
        from obstore.exceptions import AlreadyExistsError, BaseError

        try:
            obstore.put(self._open(), path, payload, mode="create")
        except AlreadyExistsError:
            return
        except BaseError as error:
            raise LogUnavailable(f"object store {self._url}: {error}") from error

    def _open(self) -> Any:
        if self._store is None:
            from obstore.store import LocalStore, from_url

            if self._url.startswith("file://"):
                self._store = LocalStore(self._url.removeprefix("file://"), mkdir=True)
            else:
                self._store = from_url(self._url)
        return self._store
