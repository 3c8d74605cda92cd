"""What a gate MUST NOT pass for want of something to look at: rows seen in training, decisions not made."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from registry.convert import publish_sklearn
from registry.gates.report.summary import summary
from registry.table import read_table, table_of
from tests.components.packages import credit_table
from tests.unit.registry.gates.test_gates import AUC, one, split


def test_rows_that_the_model_has_seen_are_counted_whatever_their_order_and_form(tmp_path: Path) -> None:
    """The training table in another order and another format has another digest, and is the same rows."""
    _, holdout = split()
    limits = {**AUC, "seen_in_training": 0.1}
    assert "no training table was given" in one("quality", limits).reason
    half = holdout.frame.sample(frac=0.5, random_state=1)
    half.to_parquet(tmp_path / "half.parquet")
    training = read_table(tmp_path / "half.parquet")
    found = one("quality", limits, training=training)
    assert found.figures["seen_in_training"] == pytest.approx(0.5, abs=0.01)
    assert "50.0% of the hold-out's rows stand in the training table; 10.0% may" in found.reason
    assert "50.0% of them in the training table" in summary(found)
    whole = credit_table().frame
    rest = (
        whole.merge(holdout.frame, how="left", indicator=True)
        .query("_merge == 'left_only'")
        .drop(columns="_merge")
    )
    clean = one("quality", limits, training=table_of(rest, "training"))
    assert (clean.verdict, clean.figures["seen_in_training"]) == ("passed", 0.0)


def test_a_regression_is_not_held_to_decisions_that_it_does_not_make() -> None:
    """A limit that nothing is held to is not passed."""
    numbers = np.arange(200, dtype=np.float32)
    frame = pd.DataFrame({"a": numbers, "b": numbers[::-1], "y": 6 * numbers})
    scaled = make_column_transformer((StandardScaler(), ["a", "b"]))
    pipeline = make_pipeline(scaled, LinearRegression()).fit(frame[["a", "b"]], frame["y"])
    made = publish_sklearn(pipeline, frame, target="y", name="line")
    given = {"package": made.package, "holdout": table_of(frame, "line"), "target": "y"}
    held = one("robustness", {"decisions_changed": 0.1}, **given)
    assert "a regression decides nothing" in held.reason
    assert held.figures == {}
