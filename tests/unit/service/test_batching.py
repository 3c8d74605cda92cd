"""What arrives in one turn of the loop is predicted together, and everybody gets their own rows back."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from service.batching import Batcher
from service.errors import PredictionFailed
from service.metrics import Metrics
from service.rows import Rows


def rows(*values: float) -> Rows:
    """Rows of one column."""
    return Rows(np.array(values, "<f4").tobytes(), len(values), 0)


class Model:
    """Doubles; remembers the batches that it saw."""

    def __init__(self) -> None:
        self.seen: list[list[float]] = []
        self.threads: list[int] = []
        self.gate = threading.Event()
        self.gate.set()

    def predict(self, given: Any) -> Any:
        self.seen.append(given[:, 0].tolist())
        self.threads.append(threading.get_ident())
        assert self.gate.wait(10)
        if (given == 13).any():
            raise RuntimeError("unlucky")
        with np.errstate(divide="ignore"):
            return np.where(given[:, 0] == 0, np.nan, given[:, 0] * 2).astype(np.float32)


def batcher(model: Model, **options: Any) -> Batcher:
    """A batcher in the running loop."""
    return Batcher(
        model.predict, 1, executor=ThreadPoolExecutor(1), batches=Metrics(), loop=asyncio.get_running_loop(),
        **{"max_rows": 4, "thread_rows": 100, **options},
    )  # fmt: skip


async def test_requests_of_one_turn_are_one_batch() -> None:
    """Each gets its own rows, and knows where in the batch they stood."""
    model = Model()
    own = batcher(model)
    first, second = await asyncio.gather(own.submit(rows(1, 2)), own.submit(rows(3)))
    assert model.seen == [[1, 2, 3]]
    assert (first.answers.tolist(), first.batch, first.size, first.position) == ([2, 4], 1, 3, 0)
    assert (second.answers.tolist(), second.batch, second.size, second.position) == ([6], 1, 3, 2)
    assert (await own.submit(rows(5))).batch == 2


async def test_a_request_is_never_split() -> None:
    """Batches are filled up to max_rows; a larger request is a batch alone."""
    model = Model()
    own = batcher(model)
    await asyncio.gather(*[own.submit(rows(*[1] * count)) for count in (3, 2, 2, 9, 1)])
    assert [len(batch) for batch in model.seen] == [3, 4, 9, 1]


async def test_a_failing_batch_fails_its_requests_alone() -> None:
    """The failure says nothing of the model's inside; the next batch is answered."""
    model = Model()
    own = batcher(model)
    failed = own.submit(rows(13))
    with pytest.raises(PredictionFailed) as caught:
        await failed
    assert "unlucky" not in str(caught.value)
    assert isinstance(caught.value.__cause__, RuntimeError)
    assert (await own.submit(rows(1))).answers.tolist() == [2]


@pytest.mark.parametrize("thread_rows", [100, 1], ids=["on the loop", "on a thread"])
@pytest.mark.parametrize("given", [None, np.float32(1)], ids=["nothing", "one number"])
async def test_what_is_no_answer_fails_its_requests_alone(given: Any, thread_rows: int) -> None:
    """A runtime may give anything; the requests behind it are answered."""
    model = Model()
    own = batcher(model, thread_rows=thread_rows)
    predict, own._predict = own._predict, lambda _: given  # type: ignore[misc]
    with pytest.raises(PredictionFailed):
        await asyncio.wait_for(own.submit(rows(1)), 10)
    own._predict = predict  # type: ignore[misc]
    assert (await asyncio.wait_for(own.submit(rows(1)), 10)).answers.tolist() == [2]


async def test_an_answer_that_is_no_number_fails_its_request_alone() -> None:
    """JSON has no NaN, and nobody can act on one."""
    own = batcher(Model())
    bad, good = own.submit(rows(0)), own.submit(rows(4))
    assert (await good).answers.tolist() == [8]
    with pytest.raises(PredictionFailed):
        await bad


async def test_a_large_batch_runs_on_a_thread_and_the_model_is_never_asked_twice_at_once() -> None:
    """What arrives meanwhile waits for it, and is the next batch."""
    model = Model()
    own = batcher(model, thread_rows=3)
    model.gate.clear()
    large = own.submit(rows(1, 2, 3))
    while not model.seen:
        await asyncio.sleep(0)
    small = [own.submit(rows(4)), own.submit(rows(5))]
    for _ in range(5):
        await asyncio.sleep(0)
    assert len(model.seen) == 1
    assert own.waiting == 2
    model.gate.set()
    assert (await large).answers.tolist() == [2, 4, 6]
    assert [(await one).answers.tolist() for one in small] == [[8], [10]]
    assert model.seen[1:] == [[4, 5]]
    assert model.threads[0] != threading.get_ident() == model.threads[1]


async def test_a_request_that_is_given_up_harms_no_other() -> None:
    """A cancelled future is left alone."""
    own = batcher(Model())
    gone, kept = own.submit(rows(1)), own.submit(rows(2))
    gone.cancel()
    assert (await kept).answers.tolist() == [4]
