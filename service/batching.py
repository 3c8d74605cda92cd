"""Micro-batching: what arrived in one turn of the event loop is predicted together, with no added wait."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from .errors import PredictionFailed
from .rows import Rows

Answers = NDArray[np.float32]


class Batches(Protocol):
    """Numbers the batches of an epoch, through all models, and is told of each."""

    def number(self, rows: int) -> int:
        """The next batch id."""
        ...


class Predicted(NamedTuple):
    """One request's part of a batch: answers [rows] or [rows, outputs], and the batch's id, its rows, and
    the place of this request's first row in it.
    """

    answers: Answers
    batch: int
    size: int
    position: int


class _Waiting(NamedTuple):
    packed: bytes
    height: int
    future: asyncio.Future[Predicted]


class Batcher:
    """Predicts for one loaded model.

    The first request of a turn asks the loop to call `_flush` after everything that is ready now; whatever
    else arrives until then is in the same batch. While a batch runs on a thread the model is busy (it MUST
    NOT be called from two threads), and what arrives meanwhile is the next batch.
    """

    def __init__(
        self,
        predict: Callable[[Answers], Answers],
        width: int,
        *,
        max_rows: int,
        thread_rows: int,
        executor: Executor,
        batches: Batches,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._predict: Final = predict
        self._width: Final = width
        self._max_rows: Final = max_rows
        self._thread_rows: Final = thread_rows
        self._executor: Final = executor
        self._batches: Final = batches
        self._loop: Final = loop
        self._waiting: deque[_Waiting] = deque()
        self._planned = False
        """A flush is on its way, or the model is busy on a thread and flushes when it is done."""

    @property
    def waiting(self) -> int:
        """Requests that wait for their batch."""
        return len(self._waiting)

    def submit(self, rows: Rows) -> asyncio.Future[Predicted]:
        """Predict with whatever else is there. The future raises PredictionFailed when the model does."""
        future: asyncio.Future[Predicted] = self._loop.create_future()
        self._waiting.append(_Waiting(rows.packed, rows.height, future))
        if not self._planned:
            self._planned = True
            self._loop.call_soon(self._flush)
        return future

    def _flush(self) -> None:
        batch, size = self._take()
        try:
            rows = _join(batch, self._width)
            if size >= self._thread_rows:
                task = self._loop.run_in_executor(self._executor, self._predict, rows)
                task.add_done_callback(lambda done: self._finish_thread(done, batch, size))
                return
            self._resolve(batch, size, self._predict(rows))
        # Whatever a runtime raises, or gives that is no answer, becomes one failure that the client is told without
        # its inside; and who comes next MUST be asked for, or the model answers nobody any more.
        except Exception as error:  # noqa: BLE001
            self._fail(batch, error)
        self._next()

    def _next(self) -> None:
        if self._waiting:
            self._loop.call_soon(self._flush)
        else:
            self._planned = False

    def _finish_thread(self, done: asyncio.Future[Answers], batch: list[_Waiting], size: int) -> None:
        try:
            self._resolve(batch, size, done.result())
        except asyncio.CancelledError:
            self._fail(batch, RuntimeError("the gateway is stopping"))
        except Exception as error:  # noqa: BLE001 — as in `_flush`
            self._fail(batch, error)
        self._next()

    def _take(self) -> tuple[list[_Waiting], int]:
        """As many whole requests as max_rows has room for, and at least one."""
        waiting = self._waiting
        first = waiting.popleft()
        batch, size = [first], first.height
        while waiting and size + waiting[0].height <= self._max_rows:
            item = waiting.popleft()
            batch.append(item)
            size += item.height
        return batch, size

    def _resolve(self, batch: list[_Waiting], size: int, answers: Answers) -> None:
        number, position = self._batches.number(size), 0
        finite = bool(np.isfinite(answers).all())
        for item in batch:
            own = answers[position : position + item.height]
            if not item.future.done():
                if finite or np.isfinite(own).all():
                    item.future.set_result(Predicted(own, number, size, position))
                else:
                    item.future.set_exception(PredictionFailed("the model's answer is not a finite number"))
            position += item.height

    def _fail(self, batch: list[_Waiting], error: BaseException) -> None:
        for item in batch:
            if not item.future.done():
                failure = PredictionFailed("the model failed; the gateway's log says why")
                failure.__cause__ = error
                item.future.set_exception(failure)


def _join(batch: list[_Waiting], width: int) -> Answers:
    packed = batch[0].packed if len(batch) == 1 else b"".join([item.packed for item in batch])
    return np.frombuffer(packed, np.float32).reshape(-1, width)
