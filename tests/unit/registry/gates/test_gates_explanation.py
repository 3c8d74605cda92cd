"""Explanation of models that give values, or many classes: what the contributions add up to, and when they do not."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import registry.gates.explanation as gate
from registry.convert import publish_sklearn
from registry.gates import Datasets
from registry.gates.base import Outcome
from registry.infer import Wanted
from registry.package import Package
from registry.policy.gates import Explanation
from registry.publish import publish
from registry.table import Table, table_of
from tests.components.packages import number_package, number_table


@cache
def table(most: float) -> Table:
    """Numbers, and a target that depends on them, all above 0 and at most `most`."""
    random = np.random.default_rng(0)
    values = random.normal(size=(300, 3)).astype(np.float32)
    target = 1 / (1 + np.exp(-values[:, 0] - 0.5 * values[:, 1]))
    columns = {"a": values[:, 0], "b": values[:, 1], "c": values[:, 2], "y": most * target}
    return table_of(pd.DataFrame(columns), "values")


def regression(objective: str, most: float) -> Package:
    """An XGBoost model of them."""
    import xgboost

    rows = table(most)
    data = xgboost.DMatrix(rows.frame[["a", "b", "c"]], rows.frame["y"])
    booster = xgboost.train({"objective": objective, "max_depth": 4, "nthread": 1}, data, 30)
    return publish(bytes(booster.save_raw("ubj")), rows, Wanted("values", "y")).package


def scaled(estimator: Any, *columns: str) -> Any:
    """With a scaler before it: so each column is an input of its own."""
    return make_pipeline(make_column_transformer((StandardScaler(), list(columns))), estimator)


def judged(package: Package, rows: Table, **limits: Any) -> Outcome:
    """What the gate says."""
    return gate.judge(package, Datasets(holdout=rows), Explanation(rows=40, **limits))


@pytest.mark.parametrize(
    ("objective", "most", "to"),
    [
        ("reg:squarederror", 1e5, "the value"),
        ("reg:squarederror", 1e-5, "the value"),
        ("count:poisson", 50, "the value's logarithm"),
        ("reg:logistic", 0.9, "the value's log-odds"),
    ],
)
def test_contributions_of_a_regression_add_up(objective: str, most: float, to: str) -> None:
    """To the value, in whatever unit, or to what the model adds up before it answers."""
    found = judged(regression(objective, most), table(most))
    assert found.failures == ()
    assert (found.figures["method"], found.figures["adds_up_to"]) == ("exact", to)


def test_contributions_of_many_classes_add_up_to_each_margin() -> None:
    """XGBoost's, exact; a linear ONNX model's, sampled."""
    found = judged(number_package("three", classes=3), number_table(classes=3))
    assert (found.failures, found.figures["method"]) == ((), "exact")
    frame = number_table(classes=3).frame[["a", "b", "y"]]
    linear = scaled(LogisticRegression(), "a", "b").fit(frame[["a", "b"]], frame["y"].astype(str))
    made = publish_sklearn(linear, frame.astype({"y": str}), target="y", name="linear").package
    found = judged(made, table_of(frame, "numbers"))
    assert (found.failures, found.figures["method"]) == ((), "permutation")


def test_a_linear_regression_is_explained_by_sampling() -> None:
    """It has no exact contributions here."""
    frame = table(1.0).frame
    linear = scaled(LinearRegression(), "a", "b", "c").fit(frame[["a", "b", "c"]], frame["y"])
    found = judged(publish_sklearn(linear, frame, target="y", name="line").package, table(1.0))
    assert (found.failures, found.figures["method"]) == ((), "permutation")


@pytest.mark.parametrize("task", ["regression", "multiclass"])
@pytest.mark.parametrize("most", [1e5, 1e-5])
def test_contributions_that_do_not_add_up_fail(
    task: str, most: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thousandth too much for one feature, in parts of the answer: in whatever unit."""
    package, rows = (
        (regression("reg:squarederror", most), table(most))
        if task == "regression"
        else (number_package("three", classes=3), number_table(classes=3))
    )
    explain = gate._explain

    def wrong(*arguments: Any) -> Any:
        method, parts = explain(*arguments)
        parts[:, 0, 0] += 0.001 * (most if task == "regression" else 1)
        return method, parts

    monkeypatch.setattr(gate, "_explain", wrong)
    (said,) = judged(package, rows).failures
    assert said.startswith("sums differ from the ")
