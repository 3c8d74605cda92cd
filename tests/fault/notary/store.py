"""A store whose calls are counted, fail and are died in; and one in memory below it."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from typing import Final, TypeVar

from audit.errors import ObjectChanged, ObjectsUnavailable
from audit.objects.base import Objects, Stored

T = TypeVar("T")

LOST, PERSISTED = "fails and is lost", "fails although it persisted"
KILLED_BEFORE, KILLED_AFTER = "killed before", "killed after"
FAULTS: Final = (LOST, PERSISTED, KILLED_BEFORE, KILLED_AFTER)


class Killed(BaseException):
    """The process ends here: nothing that follows may run."""


class MemoryObjects:
    """The contract of `Objects`, without a disk."""

    def __init__(self) -> None:
        self.content: dict[str, bytes] = {}
        self._lock = threading.Lock()

    def get(self, name: str) -> Stored | None:
        content = self.content.get(name)
        return None if content is None else Stored(content, _version(content))

    def create(self, name: str, content: bytes) -> bool:
        with self._lock:
            if name in self.content:
                return False
            self.content[name] = content
            return True

    def swap(self, name: str, content: bytes, version: str | None) -> str:
        with self._lock:
            found = self.get(name)
            if (found.version if found else None) != version:
                raise ObjectChanged(name)
            self.content[name] = content
            return _version(content)

    def list(self, prefix: str) -> Iterator[str]:
        yield from sorted(name for name in self.content if name.startswith(prefix))


def _version(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class FaultyObjects:
    """Another store, with a fault at one of its calls.

    `calls`: what was asked, in order. `swapped`: every content that a swapped object ever had, whoever was told.
    `between`: called before each call, with its number.
    """

    def __init__(self, objects: Objects, faults: dict[int, str] | None = None) -> None:
        self.objects = objects
        self.faults = faults or {}
        self.calls: list[str] = []
        self.swapped: list[tuple[str, bytes]] = []
        self.hit: list[str] = []
        self.between: Callable[[int], None] = lambda _: None
        self._dead = False

    def get(self, name: str) -> Stored | None:
        return self._do(f"get {name}", lambda: self.objects.get(name))

    def create(self, name: str, content: bytes) -> bool:
        return self._do(f"create {name}", lambda: self.objects.create(name, content))

    def swap(self, name: str, content: bytes, version: str | None) -> str:
        def swap() -> str:
            new = self.objects.swap(name, content, version)
            self.swapped.append((name, content))
            return new

        return self._do(f"swap {name}", swap)

    def list(self, prefix: str) -> Iterator[str]:
        yield from self._do(f"list {prefix}", lambda: list(self.objects.list(prefix)))

    def _do(self, call: str, do: Callable[[], T]) -> T:
        if self._dead:
            raise Killed
        number = len(self.calls)
        self.calls.append(call)
        self.between(number)
        fault = self.faults.get(number)
        if fault is None:
            return do()
        self.hit.append(f"{call} {fault}")
        if fault in (PERSISTED, KILLED_AFTER):
            do()
        if fault in (KILLED_BEFORE, KILLED_AFTER):
            self._dead = True
            raise Killed
        raise ObjectsUnavailable(f"{call}: injected")
