"""Free loopback ports for components that must be told theirs before they start."""

from __future__ import annotations

import os
import random
import socket
import threading
from collections.abc import Mapping

HOST = "127.0.0.1"
# Below the kernel's ephemeral range (32768 and up): an outgoing connection cannot take a port in the moment
# between our finding it free and the component's binding it.
_LOWEST, _HIGHEST = 20_000, 32_000


def _own(environ: Mapping[str, str]) -> range:
    """The ports of this process: with pytest-xdist (worker `gw1` of 2) a part that the others do not give out.

    Between our finding a port free and its component's binding it, another process would find it free too.
    """
    count = int(environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    # A worker that died is replaced by one with a further number.
    number = int(environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % count
    share = (_HIGHEST - _LOWEST) // count
    return range(_LOWEST + number * share, _LOWEST + (number + 1) * share)


_given: set[int] = set()
_lock = threading.Lock()
_random = random.SystemRandom()


def free_port(host: str = HOST) -> int:
    """A TCP port on `host` that nothing listens on and that this process has not given out before.

    Raises:
        RuntimeError: if a thousand tries found none.
    """
    for _ in range(1000):
        port = _random.choice(_own(os.environ))
        with _lock:
            if port in _given or not _is_free(host, port):
                continue
            _given.add(port)
            return port
    raise RuntimeError(f"no free port between {_LOWEST} and {_HIGHEST} on {host}")


def _is_free(host: str, port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do: a port in TIME_WAIT counts as free, a listening one does not.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def accepts(port: int, host: str = HOST) -> bool:
    """Whether something accepts a TCP connection there now."""
    try:
        with socket.create_connection((host, port), timeout=1):
            return True
    except OSError:
        return False
