"""Asking somebody over HTTP: at the address that was given, and nowhere else."""

from __future__ import annotations

import urllib.request
from typing import IO, Any


class NoRedirects(urllib.request.HTTPRedirectHandler):
    """Who is asked answers itself. A redirect would take a token, a secret path or a message to somebody else."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> None:
        """None: the answer that would lead elsewhere is an error."""
        return


def direct(*handlers: urllib.request.BaseHandler) -> urllib.request.OpenerDirector:
    """Neither by a redirect nor through a proxy. `handlers`: more of them, for TLS."""
    return urllib.request.build_opener(NoRedirects, urllib.request.ProxyHandler({}), *handlers)
