"""The threads of a process that all go on, or end together."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

import structlog

from .errors import AuditError


class Together:
    """A process whose thread has died looks well, and does half of its work: no supervisor would know.

        with Together(stop) as threads:
            threads.start("rollouts", mover.run)
            controller.run(stop)

    MUST: a thread that raises, or returns before it is told to, is logged with its traceback at once and sets `stop`,
    so that the main loop returns; leaving the block waits for all, and raises AuditError, which no supervisor takes for
    wrong settings. An error of the main loop ends the threads, too, and is raised as it is.
    """

    def __init__(self, stop: threading.Event, patience: float | None = None) -> None:
        """`stop`: what the main loop, and every thread, looks at. `patience`: seconds that each thread is waited for at
        the end, None: as long as it takes; one that hangs is no reason to be killed before the rest is done.
        """
        self._stop: Final = stop
        self._patience: Final = patience
        self._threads: Final[list[threading.Thread]] = []
        self._died: tuple[str, BaseException | None] | None = None

    def start(self, name: str, run: Callable[[threading.Event], None]) -> None:
        """`run`, until `stop` is set, in a thread of that name."""
        thread = threading.Thread(target=self._run, args=(name, run), name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    @property
    def trouble(self) -> str:
        """Which thread is gone; empty while none is."""
        return "" if self._died is None else f"the thread {self._died[0]!r} has ended unasked"

    def ended(self, name: str) -> bool:
        """Whether no thread of that name runs: behind the block one may hang that was waited for long enough."""
        return not any(thread.is_alive() for thread in self._threads if thread.name == name)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(self._patience)
        if kind is None and self._died is not None:
            name, cause = self._died
            why = "it returned" if cause is None else type(cause).__name__
            raise AuditError(f"the thread {name!r} has ended unasked ({why}); the log says why") from cause

    def _run(self, name: str, run: Callable[[threading.Event], None]) -> None:
        cause: BaseException | None = None
        try:
            run(self._stop)
        except BaseException as error:  # noqa: BLE001 - whatever it is: the process ends of it
            cause = error
        if cause is None and self._stop.is_set():
            return
        if self._died is None:
            self._died = (name, cause)
        structlog.get_logger("affiant").error(
            "a thread has ended unasked: the process ends", thread=name, exc_info=cause or False
        )
        self._stop.set()
