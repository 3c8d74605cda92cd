"""Any OCI registry (OCI distribution-spec 1.1), through oras.

Packages are pulled by digest alone. A push ends with one PUT of the manifest under the tag `model-<hex of the
digest>`: before it nothing is visible, and the tags are what a listing reads.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

import oras.provider
import requests
import requests.adapters

from registry.errors import DigestMismatch, NotFound, PackageError, StoreDamaged, StoreUnavailable
from registry.manifest import (
    EMPTY,
    EMPTY_DIGEST,
    MANIFEST_TYPE,
    MAX_MANIFEST,
    is_digest,
    load_json,
    read_manifest,
)
from registry.package import Package, verify
from registry.settings import Credentials

from .base import Flaw, Listing, listing
from .layout import stored

_REFERENCE: Final = re.compile(
    r"(?P<host>[A-Za-z0-9.-]+(:[0-9]{1,5})?|\[[0-9a-fA-F:]+\](:[0-9]{1,5})?)"
    r"/(?P<repository>[a-z0-9]+([._-]+[a-z0-9]+)*(/[a-z0-9]+([._-]+[a-z0-9]+)*)*)"
)
_TAG: Final = re.compile(r"model-[0-9a-f]{64}")
_LOOPBACK: Final = {"localhost", "127.0.0.1", "::1"}
_MAX_PAGE: Final = 4 << 20
_MAX_PAGES: Final = 1000
_CHUNK: Final = 1 << 20
_REFUSED: Final = (401, 403)
"""Who is not let in; a cloud says either of a password that is over."""


class _NotLetIn(StoreUnavailable):
    """There is no way in with the credentials that there are."""


class _Adapter(requests.adapters.HTTPAdapter):
    """Gives every request a time limit, and whom to believe: oras sets none for all of them."""

    def __init__(self, timeout: float, authorities: Path | None = None) -> None:
        super().__init__()
        self._timeout = timeout
        self._authorities = authorities

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        if not kwargs.get("timeout"):
            kwargs["timeout"] = self._timeout
        if self._authorities is not None:
            # Here, and not in the session: REQUESTS_CA_BUNDLE would come before that.
            kwargs["verify"] = str(self._authorities)
        return super().send(request, *args, **kwargs)


class _NoPlainHttp(requests.adapters.BaseAdapter):
    """Refuses plain HTTP wherever it comes from: a redirect, an upload's location or a token realm."""

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        raise requests.exceptions.InvalidSchema(f"plain HTTP to {request.url} is refused")

    def close(self) -> None:
        """Nothing is held."""


class OciStore:
    """One repository of a registry."""

    def __init__(
        self,
        reference: str,
        *,
        plain_http: bool = False,
        timeout: float = 30.0,
        credentials: Credentials | None = None,
        docker_config: Path | None = None,
        authorities: Path | None = None,
        pull_seconds: float = 600.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """No request is made yet.

        Args:
            reference: registry and repository, without tag or digest.
            plain_http: speak HTTP to a registry that is not on the loopback; to one that is, it is anyhow.
            timeout: seconds that one request may wait for a byte.
            credentials: None: those of the Docker configuration file, if it has any for this registry.
            docker_config: that file; None: ~/.docker/config.json.
            authorities: certificates of those that sign the registry's; None: the system's. With them TLS is spoken on
                the loopback, too.
            pull_seconds: in which a package must be here whole, however its bytes come.
            clock: seconds, monotonic.

        Raises:
            StoreUnavailable: the reference is not one.
        """
        match = _REFERENCE.fullmatch(reference)
        if match is None:
            raise StoreUnavailable(
                f"{reference!r} is not registry/repository (lower case, without tag or digest)"
            )
        self._host, self._repository = match["host"], match["repository"]
        self._authorities = authorities
        on_loopback = urlsplit(f"//{self._host}").hostname in _LOOPBACK
        self._plain = plain_http or (on_loopback and authorities is None)
        self._base = f"{'http' if self._plain else 'https'}://{self._host}/v2/{self._repository}"
        self._timeout = timeout
        self._credentials = credentials
        self._docker_config = docker_config or Path.home() / ".docker" / "config.json"
        self._pull_seconds = pull_seconds
        self._clock = clock
        self._client: Any = None

    def push(self, package: Package) -> str:
        """See `Store.push`."""
        verify(package)
        tag = "model-" + package.digest.removeprefix("sha256:")
        headers = {"Content-Type": MANIFEST_TYPE}
        for last in (False, False, True):
            for digest, blob in (*package.blobs.items(), (EMPTY_DIGEST, EMPTY)):
                self._upload(digest, blob)
            with self._request("PUT", f"{self._base}/manifests/{tag}", headers, package.manifest) as response:
                # While another publisher links the same blob, a registry may not see it for a moment (400, blob
                # unknown): looking for each again finds it.
                if response.status_code != 400 or last:
                    self._expect(response, {200, 201}, "the manifest")
                    break
        return package.digest

    def pull(self, digest: str) -> Package:
        """See `Store.pull`."""
        end = self._end()
        manifest_bytes = self._manifest(digest, end)
        manifest = read_manifest(manifest_bytes, digest)
        blobs = {
            layer.digest: self._blob(layer.digest, layer.size, layer.annotations.title, end)
            for layer in manifest.layers
        }
        package = Package(manifest_bytes, blobs)
        verify(package, digest)
        return package

    def list(self) -> Listing:
        """See `Store.list`."""
        found, flaws = [], []
        for tag in self._tags():
            digest = "sha256:" + tag.removeprefix("model-")
            try:
                found.append(stored(digest, read_manifest(self.manifest(digest), digest)))
            except (PackageError, NotFound) as error:
                flaws.append(Flaw(digest, str(error)))
        return listing(found, flaws)

    def exists(self, digest: str) -> bool:
        """See `Store.exists`."""
        if not is_digest(digest):
            return False
        with self._request("HEAD", f"{self._base}/manifests/{digest}", {"Accept": MANIFEST_TYPE}) as response:
            if response.status_code == 404:
                return False
            self._expect(response, {200}, digest)
        return True

    def manifest(self, digest: str) -> bytes:
        """See `Store.manifest`."""
        return self._manifest(digest)

    def _end(self) -> float:
        """When what is begun now must be here, by the clock."""
        return self._clock() + self._pull_seconds

    def _manifest(self, digest: str, end: float | None = None) -> bytes:
        if not is_digest(digest):
            raise NotFound(f"{digest!r} is not a digest (sha256: and 64 hex digits)")
        with self._request("GET", f"{self._base}/manifests/{digest}", {"Accept": MANIFEST_TYPE}) as response:
            if response.status_code == 404:
                raise NotFound(f"{digest} is not in {self._host}/{self._repository}")
            self._expect(response, {200}, digest)
            return self._body(response, MAX_MANIFEST, "manifest", end)

    def blob(self, package: str, digest: str, size: int, what: str) -> bytes:
        """See `Store.blob`."""
        return self._blob(digest, size, what)

    def _blob(self, digest: str, size: int, what: str, end: float | None = None) -> bytes:
        with self._request("GET", f"{self._base}/blobs/{digest}", {}) as response:
            if response.status_code == 404:
                raise PackageError(f"{what}: the blob {digest} is missing in {self._host}/{self._repository}")
            self._expect(response, {200}, what)
            return self._body(response, size, what, end)

    def _upload(self, digest: str, blob: bytes) -> None:
        with self._request("HEAD", f"{self._base}/blobs/{digest}", {}) as response:
            if response.status_code == 200:
                return
        with self._request("POST", f"{self._base}/blobs/uploads/", {"Content-Length": "0"}) as response:
            self._expect(response, {202}, "an upload")
            location = urljoin(self._base, response.headers.get("Location", ""))
        # The location comes from the registry; our token must not follow it to another host.
        if urlsplit(location)[:2] != urlsplit(self._base)[:2]:
            raise StoreUnavailable(
                f"{self._host} wants uploads to go to {urlsplit(location).netloc}; refused"
            )
        url = f"{location}{'&' if urlsplit(location).query else '?'}digest={digest}"
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(len(blob))}
        with self._request("PUT", url, headers, blob) as response:
            self._expect(response, {201}, f"the blob {digest}")

    def _tags(self) -> Iterator[str]:
        url = f"{self._base}/tags/list?n=1000"
        for _ in range(_MAX_PAGES):
            with self._request("GET", url, {}) as response:
                if response.status_code == 404:  # the repository is made by its first push
                    return
                self._expect(response, {200}, "the tags")
                try:
                    content = load_json(self._body(response, _MAX_PAGE, "the tags"), "the tags")
                except PackageError as error:
                    raise StoreDamaged(f"{self._host}: {error}") from error
                link = response.links.get("next", {}).get("url")
            tags = content.get("tags") if isinstance(content, dict) else ()
            yield from (tag for tag in tags or () if isinstance(tag, str) and _TAG.fullmatch(tag))
            if not link:
                return
            url = urljoin(url, link)
            if urlsplit(url)[:2] != urlsplit(self._base)[:2]:
                raise StoreDamaged(
                    f"{self._host}: the next page of tags is at {urlsplit(url).netloc}; refused"
                )
        raise StoreDamaged(f"{self._host}: more than {_MAX_PAGES} pages of tags")

    def _body(self, response: requests.Response, limit: int, what: str, end: float | None = None) -> bytes:
        """At most `limit` bytes; one more and the rest is not read. Nor is what has not come by `end`: a registry that
        sends a byte now and then never lets one wait for the next one too long.
        """
        end = self._end() if end is None else end
        parts, length = [], 0
        while part := self._part(response, min(limit + 1, _CHUNK), what):
            if self._clock() >= end:
                raise StoreUnavailable(
                    f"{self._host}: {what} has not come whole within {self._pull_seconds:g} s"
                )
            parts.append(part)
            length += len(part)
            if length > limit:
                raise DigestMismatch(f"{what}: longer than the {limit} bytes that it should have")
        return b"".join(parts)

    def _part(self, response: requests.Response, size: int, what: str) -> bytes:
        """What is there, `size` bytes at most; nothing at the end. A whole chunk may take its time to come."""
        try:
            part: bytes = response.raw.read1(size, decode_content=True)
        except Exception as error:  # requests hands its client's own through here, and names none of them
            raise StoreUnavailable(
                f"{self._host} broke off while sending {what}: {type(error).__name__}"
            ) from error
        return part

    def _expect(self, response: requests.Response, statuses: set[int], what: str) -> None:
        if response.status_code in statuses:
            return
        hint = ""
        if response.status_code in _REFUSED:
            hint = "; log in (docker login) or set AFFIANT_STORE_USERNAME and AFFIANT_STORE_PASSWORD"
        raise StoreUnavailable(f"{self._host} answered {response.status_code} for {what}{hint}")

    def _request(
        self, method: str, url: str, headers: Mapping[str, str], data: bytes | None = None
    ) -> requests.Response:
        """The answer, to be closed by who asked.

        A cloud's password lasts for hours, and this process for longer: where a client of before is not let in, one
        with what the Docker configuration file says now asks once more.
        """
        known, fixed = self._client is not None, self._credentials is not None
        try:
            response = self._ask(method, url, headers, data)
        except _NotLetIn:
            self._client = None
            if fixed or not known:
                raise
        else:
            if response.status_code not in _REFUSED:
                return response
            self._client = None
            if fixed or not known:
                return response
            response.close()
        return self._request(method, url, headers, data)

    def _ask(
        self, method: str, url: str, headers: Mapping[str, str], data: bytes | None
    ) -> requests.Response:
        client = self._client
        if client is None:
            client = self._client = self._connect()
        # oras repeats a failed request for two minutes and says nothing meanwhile: its undecorated function
        # is asked.
        do_request = type(client).do_request.__wrapped__
        asked = {"Accept-Encoding": "identity", **headers}
        try:
            response = do_request(client, url, method, data=data, headers=asked, stream=True)
        except requests.RequestException as error:
            raise StoreUnavailable(f"{self._host} does not answer: {_reason(error)}") from error
        except (
            ValueError,
            AttributeError,
        ) as error:  # oras: no way to authenticate, or no credentials for it
            raise _NotLetIn(
                f"{self._host} does not let us in ({error}); "
                "log in (docker login) or set AFFIANT_STORE_USERNAME and AFFIANT_STORE_PASSWORD"
            ) from error
        assert isinstance(response, requests.Response)
        return response

    def _connect(self) -> Any:
        """A client with the right kind of authentication for this registry."""
        client = self._new_client("token")
        try:
            # Asked without credentials, a registry says which kind it wants.
            with client.session.get(f"{self._base.partition('/v2/')[0]}/v2/", stream=True) as response:
                wanted = response.headers.get("WWW-Authenticate", "")
        except requests.RequestException as error:
            raise StoreUnavailable(f"{self._host} does not answer: {_reason(error)}") from error
        if wanted.lower().startswith("basic"):
            client = self._new_client("basic")
        if self._credentials is not None:
            client.auth.set_basic_auth(self._credentials.username, self._credentials.password)
        elif wanted:
            self._load_credentials(client)
        return client

    def _load_credentials(self, client: Any) -> None:
        """Credentials (or a credential helper's) from the Docker configuration file; none is no error."""
        try:
            content = json.loads(self._docker_config.read_bytes())
            # oras reads only the file in the home directory; given the content, it finds the entry by itself.
            client.auth._auth_config = {  # noqa: SLF001
                "auths": content.get("auths") or {},
                "credsStore": content.get("credsStore"),
                "credHelpers": content.get("credHelpers") or {},
            }
            client.auth.load_configs(client.get_container(f"{self._host}/{self._repository}"))
        except FileNotFoundError:
            return
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise StoreUnavailable(f"{self._docker_config} cannot be used: {error}") from error

    def _new_client(self, kind: str) -> Any:
        client = oras.provider.Registry(hostname=self._host, insecure=self._plain, auth_backend=kind)
        client.session.mount("https://", _Adapter(self._timeout, self._authorities))
        client.session.mount("http://", _Adapter(self._timeout) if self._plain else _NoPlainHttp())
        if urlsplit(f"//{self._host}").hostname in _LOOPBACK:
            client.session.trust_env = False  # a proxy would be asked for its own loopback
        return client


def _reason(error: requests.RequestException) -> str:
    cause = error.args[0] if error.args else error
    return str(getattr(cause, "reason", cause)).split(": ", 1)[-1][:200]
