"""An S3 server (versitygw, over a directory) as a child process, on a free loopback port.

    with S3Server(directory) as server:
        bucket = server.bucket("archive")                   # or locked=True: with Object Lock
        obstore.put(bucket.store(), "a/b", b"…", mode="create")
        bucket.client().put_object_retention(…)             # boto3: what obstore has no words for

Writes with a condition hold, as on Amazon's: `mode="create"` (If-None-Match) and `mode={"e_tag": …}` (If-Match;
obstore wants the tag alone there, without the version that a put returns).

Object Lock needs versions, so a locked bucket has them: a delete without a version, or another put, succeeds and
leaves the old version; what the lock refuses is the delete *of that version*. obstore can neither ask for a
retention nor name a version to delete: retention comes from the bucket's default (`retention_days`) or from boto3.
An object under the default rule has no retention of its own to ask for here (`get_object_retention` finds none),
and is held all the same.
"""

from __future__ import annotations

import secrets
import ssl
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from audit.objects.bucket import BucketObjects
from tests.components.cache import cached
from tests.components.certificates import Pem
from tests.components.ports import HOST, free_port
from tests.components.process import Component, Process

if TYPE_CHECKING:
    from obstore.store import S3Store

REGION = "us-east-1"
_HEALTH = "/healthz"


@dataclass(frozen=True)
class S3Bucket:
    """A bucket, and all that a client needs to reach it."""

    name: str
    endpoint: str
    access_key: str
    secret_key: str
    folder: Path
    """Where its newest objects lie as files by their keys; older versions lie elsewhere."""
    region: str = REGION

    def options(self) -> dict[str, Any]:
        """What `obstore.store.S3Store` takes beside the bucket's name."""
        return {
            "endpoint": self.endpoint,
            "access_key_id": self.access_key,
            "secret_access_key": self.secret_key,
            "region": self.region,
            "virtual_hosted_style_request": False,
            "client_options": {"allow_http": True},
        }

    def environment(self) -> dict[str, str]:
        """The same as AWS_* variables, for a process that finds its store by them."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_VIRTUAL_HOSTED_STYLE_REQUEST": "false",
            "AWS_ALLOW_HTTP": "true",
        }

    def store(self, prefix: str | None = None) -> S3Store:
        """An obstore client of it."""
        from obstore.store import S3Store

        return S3Store(self.name, prefix=prefix, **self.options())

    def objects(self, prefix: str | None = None, name: str = "bucket") -> BucketObjects:
        """Ours, of it."""
        store = self.store(prefix)
        return BucketObjects(lambda: store, name)

    def client(self) -> Any:
        """A boto3 client; close it, or use `contextlib.closing`."""
        return _client(self.endpoint, self.access_key, self.secret_key)

    def versions(self, key: str) -> list[str]:
        """The version ids of one object, newest first."""
        listed = _closing(self.client(), lambda s3: s3.list_object_versions(Bucket=self.name, Prefix=key))
        return [item["VersionId"] for item in listed.get("Versions", []) if item["Key"] == key]


class S3Server(Component):
    """A server that keeps its objects, its keys and its port over its lives."""

    def __init__(
        self, directory: Path, *, port: int | None = None, tls: Pem | None = None, ca_file: Path | None = None
    ) -> None:
        """Nothing runs yet. `directory` is empty or this server's own; with `tls`, of the authority of `ca_file`, it
        speaks nothing else.
        """
        self._tls, self._ca_file = tls, ca_file
        self.port = port or free_port()
        self.access_key = "affiant-test"
        self.secret_key = secrets.token_urlsafe(24)
        directory = directory.absolute()
        self._objects = directory / "objects"
        self._versions = directory / "versions"  # not below the objects: the server refuses that
        argv: list[str | Path] = [
            cached("bin", "versitygw", tool="versitygw"),
            *("--port", f"{HOST}:{self.port}", "--region", REGION, "--health", _HEALTH, "--keep-alive"),
            *(() if tls is None else ("--cert", tls.certificate, "--key", tls.key)),
            *("posix", "--versioning-dir", self._versions, self._objects),
        ]
        self.process = Process(
            argv,
            log=directory / "s3.log",
            # By the environment, so that a list of processes does not show the secret.
            env={"ROOT_ACCESS_KEY_ID": self.access_key, "ROOT_SECRET_ACCESS_KEY": self.secret_key},
        )

    @property
    def endpoint(self) -> str:
        """Scheme, host and port."""
        return f"{'http' if self._tls is None else 'https'}://{HOST}:{self.port}"

    def bucket(self, name: str, *, locked: bool = False, retention_days: int | None = None) -> S3Bucket:
        """Make a bucket.

        Args:
            name: lower case letters, digits and hyphens; new in this server.
            locked: with versions and Object Lock.
            retention_days: each object in it is held that long in COMPLIANCE mode (only with `locked`).
        """

        def make(s3: Any) -> None:
            s3.create_bucket(Bucket=name, ObjectLockEnabledForBucket=locked)
            if retention_days is not None:
                rule = {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": retention_days}}
                s3.put_object_lock_configuration(
                    Bucket=name, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": rule}
                )

        _closing(_client(self.endpoint, self.access_key, self.secret_key, self._ca_file), make)
        return S3Bucket(name, self.endpoint, self.access_key, self.secret_key, self._objects / name)

    def start(self) -> Self:
        """Start it and wait until it says that it is well."""
        self._objects.mkdir(parents=True, exist_ok=True)
        self._versions.mkdir(exist_ok=True)
        self.process.start()
        self.process.wait_until(self._healthy, what="healthy")
        return self

    def _healthy(self) -> bool:
        try:
            context = None if self._ca_file is None else ssl.create_default_context(cafile=self._ca_file)
            with urllib.request.urlopen(self.endpoint + _HEALTH, timeout=2, context=context) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()

    def stop(self) -> None:
        """SIGTERM."""
        self.process.stop()


def _client(endpoint: str, access_key: str, secret_key: str, ca_file: Path | None = None) -> Any:
    import boto3
    from botocore.config import Config

    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        region_name=REGION,
        verify=None if ca_file is None else str(ca_file),
        config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}),
    )


def _closing(client: Any, use: Any) -> Any:
    """What `use(client)` returns; the client's connections are closed."""
    try:
        return use(client)
    finally:
        client.close()
