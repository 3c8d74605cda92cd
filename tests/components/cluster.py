"""What a cluster's API answers where Helm looks something up in it, and nothing else of a cluster.

    with cluster({("StatefulSet", "affiant-gateway"): {…}}) as there:
        render(CHART, values, *there)        # `helm template` as `helm upgrade` renders: `lookup` finds that object

The objects are of one namespace, and as they would be read from it: with what a server adds, as far as a test needs it.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

NAMESPACE: Final = "bank"
_APPS: Final = "/apis/apps/v1"
_PLURAL: Final = {"StatefulSet": "statefulsets", "Deployment": "deployments"}
Objects = Mapping[tuple[str, str], Mapping[str, Any]]
"""By kind and name."""


@contextmanager
def cluster(objects: Objects) -> Iterator[tuple[str, ...]]:
    """Arguments of `helm template`, by which it asks this one."""
    answers = {
        f"{_APPS}/namespaces/{NAMESPACE}/{_PLURAL[kind]}/{name}": has for (kind, name), has in objects.items()
    }
    answers[_APPS] = {
        "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": "apps/v1",
        "resources": [
            {"name": plural, "singularName": kind.lower(), "namespaced": True, "kind": kind, "verbs": ["get"]}
            for kind, plural in _PLURAL.items()
        ],
    }  # fmt: skip

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = answers.get(self.path.partition("?")[0])
            missing = {
                "kind": "Status",
                "apiVersion": "v1",
                "status": "Failure",
                "reason": "NotFound",
                "code": 404,
            }
            content = json.dumps(missing if found is None else found).encode()
            self.send_response(404 if found is None else 200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Nothing is printed."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield "--dry-run=server", "--kube-apiserver", f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
