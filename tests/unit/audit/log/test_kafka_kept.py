"""An admin client that is kept is closed when its owner goes, on whichever thread that is noticed."""

from __future__ import annotations

import threading
from typing import Any

from audit.log.kafka import _Kept


class Client:
    """Has a thread of its own, as kafka-python's has, and waits for its end when it is closed."""

    def __init__(self) -> None:
        self.closed = threading.Event()
        self.garbage: list[Any] = []
        self.collect = threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self) -> None:
        self.collect.wait()
        self.garbage.clear()

    def close(self) -> None:
        self.collect.set()
        self.thread.join()
        self.closed.set()


def test_a_client_is_closed_also_where_its_own_thread_collects_the_garbage() -> None:
    """Nobody can wait for their own end."""
    client = Client()
    kept = _Kept(lambda: client)
    with kept.use() as used:
        assert used is client
    client.garbage.append(kept)
    del kept, used
    client.collect.set()
    assert client.closed.wait(30)


def test_a_client_is_closed_with_its_owner() -> None:
    """At once, on the thread that the program has of itself."""
    client = Client()
    kept = _Kept(lambda: client)
    with kept.use():
        assert not client.closed.is_set()
    del kept
    assert client.closed.is_set()
