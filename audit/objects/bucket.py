"""Objects in a bucket, through obstore: S3, or a server that keeps its rules for conditional writes.

The version that `swap` compares is the object's e_tag. Keys come from the environment (AWS_ACCESS_KEY_ID,
AWS_SECRET_ACCESS_KEY, …) or from the machine's role, never from a URL: a URL stands in settings, logs and messages.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final
from urllib.parse import parse_qsl, urlsplit

from audit.errors import ConfigError, ObjectChanged, ObjectsUnavailable

from .base import Stored
from .believing import Believing
from .limits import NoObject, limit_of
from .names import check_name, check_prefix

if TYPE_CHECKING:
    from obstore import ObjectMeta
    from obstore.store import S3Store

# An answer that does not come in this time will not come: the next try is the notary's own.
_TIMEOUT: Final = "20s"
_CONNECT_TIMEOUT: Final = "5s"
_RETRIES: Final = 3

_AHEAD: Final = 64 << 10
"""Bytes that are asked for at least: a file of columns says at its end where they are."""

_OPTIONS: Final = frozenset({"allow_http", "ca_file", "endpoint", "region", "virtual_hosted_style_request"})


def open_bucket(url: str) -> BucketObjects:
    """The bucket of `s3://bucket/prefix?endpoint=…&region=…&virtual_hosted_style_request=…&allow_http=…&ca_file=…`.

    What the URL does not say is taken from the environment (AWS_ENDPOINT_URL, AWS_REGION, AWS_ALLOW_HTTP, …).
    `ca_file`: the whole path of a file of certificates, which are believed beside the system's; it may be renewed.

    Raises:
        ConfigError: no bucket, an option that a URL may not have, or a `ca_file` that is none.
    """
    from obstore.exceptions import BaseError
    from obstore.store import S3Store

    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    unknown = sorted(set(options) - _OPTIONS)
    # Neither the URL nor a value is repeated here: it may be a key that somebody put there.
    if not parts.netloc or "@" in parts.netloc or unknown or parts.fragment:
        raise ConfigError(
            "the store's URL is not s3://bucket/prefix with options of "
            f"{', '.join(sorted(_OPTIONS))}"
            + (f"; it has {', '.join(unknown)} (keys belong into the environment)" if unknown else "")
        )
    prefix = parts.path.strip("/")
    ca_file = options.pop("ca_file", None)
    # As `config`, and not as `client_options`, which hide those of the environment; a certificate can be given there
    # only, and then they do.
    limits = {"timeout": _TIMEOUT, "connect_timeout": _CONNECT_TIMEOUT}
    # A bucket whose objects are locked takes nothing without a checksum, and the signature's is none for S3.
    config: Any = {**limits, "checksum_algorithm": "SHA256", **options}

    def made(authorities: bytes | None) -> S3Store:
        client: Any = None if authorities is None else {**limits, "root_certificate": authorities}
        try:
            if prefix:
                check_name(prefix)
            return S3Store(
                parts.netloc,
                prefix=prefix or None,
                config=config,
                client_options=client,
                retry_config={"max_retries": _RETRIES, "retry_timeout": timedelta(seconds=30)},
            )
        except (BaseError, ValueError) as error:
            raise ConfigError(f"the store s3://{parts.netloc}: {error}") from error

    client = partial(_same, made(None)) if ca_file is None else Believing(Path(ca_file), made)
    # The environment's where the URL has none: two that are taken from it are the same.
    return BucketObjects(client, f"s3://{parts.netloc}/{prefix}".rstrip("/"), options.get("endpoint", ""))


def _same(store: S3Store) -> S3Store:
    return store


class BucketObjects:
    """See `Objects`. Any number of threads and processes may use one bucket.

    A stranger's may hold anything: an object that is larger than one of its name can be raises `NoObject`, unread.
    """

    def __init__(self, client: Callable[[], S3Store], name: str, endpoint: str = "") -> None:
        """`client` gives obstore's that is to be used now; `name` is for messages; `endpoint` is the URL's, empty when
        it has none.
        """
        self._client = client
        self._told = name
        self._endpoint = endpoint.rstrip("/")

    @property
    def _store(self) -> S3Store:
        return self._client()

    @property
    def place(self) -> str:
        """What no other store has: buckets of one name may be at several endpoints."""
        return f"{self._endpoint}#{self._told}"

    def __repr__(self) -> str:
        return self._told

    def get(self, name: str) -> Stored | None:
        """See `Objects.get`."""
        import obstore
        from obstore.exceptions import NotFoundError

        check_name(name)
        with self._errors(name):
            try:
                result = obstore.get(self._store, name)  # the head of the answer: nothing is read yet
                self._check_size(name, result.meta["size"])
                content = bytes(result.bytes())
            except (NotFoundError, FileNotFoundError) as error:
                if "NoSuchBucket" in str(error):
                    raise  # a wrong bucket is no empty store
                return None
            return Stored(content, self._e_tag(name, result.meta["e_tag"]))

    def create(self, name: str, content: bytes) -> bool:
        """See `Objects.create`: If-None-Match, in one request, so that no part is ever seen."""
        import obstore
        from obstore.exceptions import AlreadyExistsError

        check_name(name)
        with self._errors(name):
            try:
                obstore.put(self._store, name, content, mode="create", use_multipart=False)
            except AlreadyExistsError:
                return False
        return True

    def swap(self, name: str, content: bytes, version: str | None) -> str:
        """See `Objects.swap`: If-Match, or If-None-Match when there should be none."""
        import obstore
        from obstore.exceptions import AlreadyExistsError, NotFoundError, PreconditionError

        check_name(name)
        with self._errors(name):
            try:
                done = obstore.put(
                    self._store,
                    name,
                    content,
                    # The e_tag alone: with the version that a put returns, S3 servers refuse it.
                    mode="create" if version is None else {"e_tag": version},
                    use_multipart=False,
                )
            except (AlreadyExistsError, PreconditionError, NotFoundError, FileNotFoundError) as error:
                raise ObjectChanged(f"{self}/{name}: another process has written it") from error
            return self._e_tag(name, done["e_tag"])

    def list(self, prefix: str) -> Iterator[str]:
        """See `Objects.list`."""
        yield from sorted(item["path"] for item in self._listed(prefix))

    def marks(self, prefix: str, wanted: Callable[[str], bool]) -> Iterator[tuple[str, str]]:
        """See `Marking.marks`: what a listing says of each object anyhow."""
        for item in sorted(self._listed(prefix), key=lambda item: item["path"]):
            if wanted(item["path"]):
                yield (
                    item["path"],
                    f"{item['size']} {item['last_modified'].isoformat()} {item['e_tag'] or ''}",
                )

    def _listed(self, prefix: str) -> Sequence[ObjectMeta]:
        import obstore

        check_prefix(prefix)
        folder = prefix.rpartition("/")[0]
        items: list[ObjectMeta] = []
        with self._errors(prefix):
            # obstore's prefix ends at a slash; which order a server lists in is its own affair.
            for chunk in obstore.list(self._store, prefix=folder or None):
                items += (item for item in chunk if item["path"].startswith(prefix))
        return items

    def remove(self, name: str) -> None:
        """See `Removes.remove`."""
        import obstore
        from obstore.exceptions import NotFoundError

        check_name(name)
        with self._errors(name), suppress(NotFoundError, FileNotFoundError):
            obstore.delete(self._store, name)

    def open(self, name: str) -> BinaryIO | None:
        """See `Seekable.open`: a request for the size, and one for each part that is read."""
        import obstore
        from obstore.exceptions import NotFoundError

        check_name(name)
        with self._errors(name):
            try:
                size = obstore.head(self._store, name)["size"]
                self._check_size(name, size)
            except (NotFoundError, FileNotFoundError) as error:
                if "NoSuchBucket" in str(error):
                    raise
                return None
        return io.BufferedReader(_Parts(self._part, name, size), _AHEAD)

    def versioned(self, name: str) -> bool | None:
        """Whether the bucket keeps versions, as one of its objects tells; None when it is not there.

        Raises:
            ObjectsUnavailable: the store does not answer.
        """
        import obstore
        from obstore.exceptions import NotFoundError

        check_name(name)
        with self._errors(name):
            try:
                # Before versions were turned on, and where they are suspended, an object's is "null".
                return obstore.head(self._store, name)["version"] not in (None, "null")
            except (NotFoundError, FileNotFoundError) as error:
                if "NoSuchBucket" in str(error):
                    raise
                return None

    def _part(self, name: str, start: int, end: int) -> bytes:
        import obstore

        with self._errors(name):
            return bytes(obstore.get_range(self._store, name, start=start, end=end))

    def _check_size(self, name: str, size: int) -> None:
        """Refuse what is larger than an object of that name can be, before it is read."""
        if size > (limit := limit_of(name)):
            raise NoObject(f"{self}/{name}: {size} bytes, at most {limit} belong there")

    def _e_tag(self, name: str, e_tag: str | None) -> str:
        if not e_tag:
            raise ObjectsUnavailable(f"{self}/{name}: the store gives no e_tag, so nothing can be swapped")
        return e_tag

    @contextmanager
    def _errors(self, name: str) -> Iterator[None]:
        """Obstore's errors as the store's, one line each."""
        from obstore.exceptions import BaseError

        try:
            yield
        except (BaseError, OSError) as error:
            told = " ".join(str(error).partition("Debug source:")[0].split())[:500]
            raise ObjectsUnavailable(f"{self}/{name}: {told}") from error


class _Parts(io.RawIOBase):
    """An object of a known size, read in parts."""

    def __init__(self, part: Callable[[str, int, int], bytes], name: str, size: int) -> None:
        super().__init__()
        self._part = part
        self._name = name
        self._size = size
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, start + offset)
        return self._at

    def readinto(self, buffer: Any) -> int:
        end = min(self._size, self._at + len(buffer))
        if end <= self._at:
            return 0
        content = self._part(self._name, self._at, end)
        buffer[: len(content)] = content
        self._at += len(content)
        return len(content)
