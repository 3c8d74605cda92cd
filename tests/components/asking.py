"""Clients that ask a gateway on and on, each on a kept connection; from some moment on what they ask has drifted.

with Asking(port, "credit", rows) as asking:
asking.shift = 4.0                      # the input pipeline breaks
asking.after(digest)                    # answers of that package, one after another, up to now
"""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Sequence
from typing import Final, Self

from tests.components.ports import HOST

Row = Sequence[float | None]


class Asking:
    """See the module. Times are s of the monotonic clock."""

    def __init__(
        self,
        port: int,
        service: str,
        rows: Sequence[Row],
        *,
        rate: float = 100.0,
        together: int = 2,
        clients: int = 4,
        seed: int = 1,
    ) -> None:
        """`rows`: drawn from, so that nothing drifts. `rate`: requests a second of all. `together`: rows of one."""
        self.shift = 0.0
        """Added to all that is asked."""
        self.answered: Counter[str] = Counter()
        """Rows by the package that answered."""
        self.failed: list[str] = []
        """Requests that were answered with something else, or not at all."""
        self.broken: float | None = None
        """When the first drifted request was sent since `mend`."""
        self.last: dict[str, float] = {}
        """Package → when it answered last."""
        self._row = ("", 0)
        self._port: Final = port
        self._path: Final = f"/v1/models/{service}:predict"
        self._rows: Final = rows
        self._pause: Final = clients / rate
        self._together: Final = together
        self._lock: Final = threading.Lock()
        self._ended: Final = threading.Event()
        self._free: Final = threading.Event()
        self._threads: Final = [
            threading.Thread(target=self._run, args=(random.Random(1000 * seed + number),), daemon=True)
            for number in range(clients)
        ]
        self._held: Final = threading.Barrier(clients + 1)

    def mend(self) -> None:
        """What is asked is as it was."""
        with self._lock:
            self.shift, self.broken = 0.0, None

    def after(self, digest: str) -> int:
        """How many of the newest answers are that package's, without another's between."""
        with self._lock:
            last, count = self._row
            return count if last == digest else 0

    def pause(self) -> None:
        """Ask nothing more; nothing is under way when this returns."""
        if self._free.is_set():
            self._free.clear()
            self._held.wait(60)

    def go_on(self) -> None:
        """Ask again."""
        if not self._free.is_set():
            self._free.set()
            self._held.wait(60)

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        self._held.wait(60)
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._held.abort()
        self._free.set()
        for thread in self._threads:
            thread.join(60)

    def _run(self, chance: random.Random) -> None:
        connection = http.client.HTTPConnection(HOST, self._port, timeout=30)
        try:
            while not self._ended.is_set():
                if not self._free.is_set():
                    self._held.wait()
                    connection.close()  # the other side keeps none for long
                    self._free.wait()
                    self._held.wait()
                self._ask(connection, chance)
                self._ended.wait(self._pause)
        except threading.BrokenBarrierError:
            """It has ended."""
        finally:
            connection.close()

    def _ask(self, connection: http.client.HTTPConnection, chance: random.Random) -> None:
        with self._lock:
            shift = self.shift
            if shift and self.broken is None:
                self.broken = time.monotonic()
        rows = [
            [None if each is None else each + shift for each in chance.choice(self._rows)]
            for _ in range(self._together)
        ]
        try:
            body = json.dumps({"instances": rows}).encode()
            connection.request("POST", self._path, body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            content, digest = answer.read(), answer.headers.get("affiant-model", "")
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            self.failed.append(f"{type(error).__name__}: {error}")
            return
        if answer.status != 200:
            self.failed.append(f"{answer.status} {content[:300]!r}")
            return
        with self._lock:
            self.answered[digest] += len(rows)
            self.last[digest] = time.monotonic()
            last, count = self._row
            self._row = (digest, count + 1 if last == digest else 1)
