"""Our figures beside Evidently's on well-behaved data, where both should say the same."""

from __future__ import annotations

import socket
import warnings
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from monitoring.detect.ks import bounds, p_value
from monitoring.detect.lines import Lines
from monitoring.detect.psi import Unions
from registry.reference import Column, category_column, number_column

pytestmark = pytest.mark.slow  # importing it takes most of the time

Measure = Callable[[str, np.ndarray, np.ndarray], float]


def refuse(*_: object, **__: object) -> None:
    raise AssertionError("Evidently went to the network")


@pytest.fixture(scope="module")
def evidently() -> Iterator[Measure]:
    """(method, reference, window) → what Evidently's report says; nothing is sent and nothing looked up."""
    patch = pytest.MonkeyPatch()
    patch.setenv("DO_NOT_TRACK", "1")
    for name in ("connect", "connect_ex", "sendto"):
        patch.setattr(socket.socket, name, refuse)
    patch.setattr(socket, "getaddrinfo", refuse)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its own imports are deprecated ones
        import pandas as pd
        from evidently import DataDefinition, Dataset, Report
        from evidently.metrics import ValueDrift

    def measured(method: str, reference: np.ndarray, window: np.ndarray) -> float:
        number = reference.dtype.kind == "f"
        definition = DataDefinition(**{"numerical_columns" if number else "categorical_columns": ["x"]})
        tables = [
            Dataset.from_pandas(pd.DataFrame({"x": each}), data_definition=definition)
            for each in (window, reference)
        ]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = Report([ValueDrift(column="x", method=method)]).run(*tables)
        return float(found.dict()["metrics"][0]["value"])

    yield measured
    patch.undo()


def psi(column: Column, window: np.ndarray) -> float:
    return float(Unions(Lines([column])).index(column.count(window)).psi[0])


@pytest.mark.parametrize("shift", [0.0, 0.25, 0.5, 1.0])
def test_psi_of_a_shifted_normal_is_about_the_same(evidently: Measure, shift: float) -> None:
    """Ten unions of equal mass here, equal widths there: within a tenth and 0.02 of each other."""
    random = np.random.default_rng(1)
    reference, window = random.standard_normal(20_000), random.standard_normal(20_000) + shift
    theirs = evidently("psi", reference, window)
    ours = psi(number_column("x", reference.astype(np.float32)), window.astype(np.float32))
    assert ours == pytest.approx(theirs, rel=0.15, abs=0.02)


def test_psi_of_categories_is_the_same(evidently: Measure) -> None:
    """A bin a category in both; ours adds half a row to each."""
    random = np.random.default_rng(2)
    reference = random.choice(4, 20_000, p=[0.4, 0.3, 0.2, 0.1])
    window = random.choice(4, 5_000, p=[0.25, 0.25, 0.25, 0.25])
    column = category_column("x", reference.astype(np.float32), 4)
    theirs = evidently(
        "psi", np.array(list("abcd"))[reference].astype(object), np.array(list("abcd"))[window].astype(object)
    )
    assert psi(column, window.astype(np.float32)) == pytest.approx(theirs, rel=0.005)


@pytest.mark.parametrize("shift", [0.0, 0.02, 0.04])
def test_the_p_value_of_ks_is_about_the_same(evidently: Measure, shift: float) -> None:
    """Theirs is scipy's over all values, ours the lower bound's over a thousand bins."""
    random = np.random.default_rng(3)
    reference, window = random.standard_normal(20_000), random.standard_normal(5_000) + shift
    theirs = evidently("ks", reference, window)
    column = number_column("x", reference.astype(np.float32))
    found = bounds(Lines([column]), column.count(window.astype(np.float32)))
    lower, upper = (p_value(float(each[0]), 5_000, 20_000) for each in (found.upper, found.lower))
    assert lower * 0.97 <= theirs <= upper * 1.03 + 0.01
