"""MLflow's REST API: JSON calls, and artifacts as bytes with a limit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from typing import Any, Final, NoReturn
from urllib.parse import quote, urlsplit

import requests

from audit.proof.printable import printable
from registry.errors import DigestMismatch, NotFound, PackageError, StoreDamaged, StoreUnavailable
from registry.manifest import load_json
from registry.settings import MlflowAccess

from .answers import members, text, writable

API: Final = "api/2.0/mlflow/"
_MAX_ANSWER: Final = 32 << 20
_MAX_PAGES: Final = 1000
_CHUNK: Final = 1 << 20
_LOOPBACK: Final = {"localhost", "127.0.0.1", "::1"}


class Refused(StoreUnavailable):
    """The server understood and refused; `code` is MLflow's, such as RESOURCE_ALREADY_EXISTS."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


class Client:
    """One MLflow server. Nothing is asked before the first call.

    Every method raises StoreUnavailable when the server does not answer, does not let us in or refuses, and NotFound
    when it does not have what was asked for. No message holds a credential. A redirection is never followed: it
    could take the credentials to somebody else.
    """

    def __init__(self, access: MlflowAccess, *, timeout: float = 30.0) -> None:
        """`timeout`: seconds that one request may wait for a byte."""
        self.server = access.uri
        self._timeout = timeout
        self._session = requests.Session()
        # Given with each request: of the session's own, REQUESTS_CA_BUNDLE would take the place.
        self._verify = access.verify
        self._session.cert = access.certificate
        self._session.headers["Accept-Encoding"] = "identity"
        if access.username and access.password:
            self._session.auth = (access.username, access.password)
        elif access.token:
            self._session.headers["Authorization"] = f"Bearer {access.token}"
        if urlsplit(access.uri).hostname in _LOOPBACK:
            self._session.trust_env = False  # a proxy would be asked for its own loopback

    def close(self) -> None:
        """End the connections."""
        self._session.close()

    def get(self, call: str, **parameters: str | int | None) -> dict[str, Any]:
        """The answer of `api/2.0/mlflow/<call>`."""
        return self._json("GET", call, params={k: v for k, v in parameters.items() if v is not None})

    def post(self, call: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """The same with a body."""
        return self._json("POST", call, json=dict(body))

    def patch(self, call: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """See `post`."""
        return self._json("PATCH", call, json=dict(body))

    def delete(self, call: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """See `post`."""
        return self._json("DELETE", call, json=dict(body))

    def pages(self, call: str, key: str, **parameters: str | int | None) -> Iterator[dict[str, Any]]:
        """The objects of the list `key` over all pages of a search."""
        token: str | None = None
        for _ in range(_MAX_PAGES):
            answer = self.get(call, page_token=token, **parameters)
            yield from members(answer.get(key))
            following = text(answer.get("next_page_token"))
            if following is None or following == token:
                return
            token = following
        raise StoreDamaged(f"{self.server} ({call}): more than {_MAX_PAGES} pages")

    def read(self, path: str, parameters: Mapping[str, str], limit: int, what: str) -> bytes:
        """An artifact of at most `limit` bytes.

        Raises:
            DigestMismatch: it is longer; no more of it was read.
        """
        return b"".join(self._parts(path, parameters, limit, what))

    def digest(self, path: str, parameters: Mapping[str, str], limit: int, what: str) -> tuple[str, int]:
        """The SHA-256 (hex) and the length of an artifact, which is not held in memory; as `read`."""
        digest, length = sha256(), 0
        for part in self._parts(path, parameters, limit, what):
            digest.update(part)
            length += len(part)
        return digest.hexdigest(), length

    def put(self, path: str, data: bytes, what: str) -> None:
        """Write an artifact through the server (it must run with --serve-artifacts, its default)."""
        target = "api/2.0/mlflow-artifacts/artifacts/" + quote(path)
        headers = {"Content-Type": "application/octet-stream"}
        with self._request("PUT", target, data=data, headers=headers) as response:
            if response.status_code != 200:
                self._refuse(response, what)

    def _parts(self, path: str, parameters: Mapping[str, str], limit: int, what: str) -> Iterator[bytes]:
        length = 0
        with self._request("GET", path, params=dict(parameters)) as response:
            if response.status_code != 200:
                self._refuse(response, what)
            try:
                for part in response.iter_content(min(limit + 1, _CHUNK)):
                    length += len(part)
                    if length > limit:
                        raise DigestMismatch(f"{what}: longer than the {limit} bytes that it may have")
                    yield part
            except requests.RequestException as error:
                raise StoreUnavailable(
                    f"{self.server} broke off while sending {what}: {type(error).__name__}"
                ) from error

    def _json(self, method: str, call: str, **options: Any) -> dict[str, Any]:
        with self._request(method, API + call, **options) as response:
            if response.status_code != 200:
                self._refuse(response, call)
            data = self._limited(response, call)
        try:
            answer = load_json(data, "an answer")
        except PackageError as error:
            raise StoreDamaged(f"{self.server} ({call}): {error}; is this an MLflow server?") from error
        if not isinstance(answer, dict):
            raise StoreDamaged(f"{self.server} ({call}): an answer that is no object")
        if not writable(answer):
            raise StoreDamaged(f"{self.server} ({call}): an answer with what cannot be written as JSON")
        return answer

    def _limited(self, response: requests.Response, what: str) -> bytes:
        data = b""
        try:
            for part in response.iter_content(_CHUNK):
                data += part
                if len(data) > _MAX_ANSWER:
                    raise StoreDamaged(f"{self.server} ({what}): an answer of more than {_MAX_ANSWER} bytes")
        except requests.RequestException as error:
            raise StoreUnavailable(f"{self.server} broke off: {type(error).__name__}") from error
        return data

    def _refuse(self, response: requests.Response, what: str) -> NoReturn:
        code, message = "", ""
        try:
            answer = load_json(self._limited(response, what), "an answer")
            if isinstance(answer, dict):
                code, message = str(answer.get("error_code", "")), str(answer.get("message", ""))
        except (PackageError, StoreDamaged):
            pass  # a proxy's page; the status says enough
        said = printable(" ".join(message.split()))[:300]
        status = response.status_code
        if code == "RESOURCE_DOES_NOT_EXIST" or (status == 404 and not code):
            raise NotFound(f"{self.server} does not have it ({what}): {said or status}")
        hint = ""
        if status in (401, 403):
            hint = (
                "; set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN, of somebody "
                "who may"
            )
        elif 300 <= status < 400:
            hint = "; it redirects, which is not followed: give the address that it redirects to"
        raise Refused(
            f"{self.server} answered {status} ({what}): {said or code or 'nothing more'}{hint}", code
        )

    @contextmanager
    def _request(self, method: str, path: str, **options: Any) -> Iterator[requests.Response]:
        try:
            response = self._session.request(
                method,
                f"{self.server}/{path}",
                timeout=self._timeout,
                verify=self._verify,
                stream=True,
                allow_redirects=False,
                **options,
            )
        except requests.RequestException as error:
            raise StoreUnavailable(f"{self.server} does not answer: {_reason(error)}") from error
        except OSError as error:  # requests' word for a certificate file that is not there
            raise StoreUnavailable(f"{self.server}: {error}") from error
        with response:
            yield response


def _reason(error: requests.RequestException) -> str:
    cause = error.args[0] if error.args else error
    return printable(str(getattr(cause, "reason", cause)).split(": ", 1)[-1])[:200]
