"""Real model packages for tests, trained here in well under a second: German credit data, or plain numbers.

    package = credit_package()                      # XGBoost with native categories
    package = credit_onnx_package(estimator)        # scikit-learn through ONNX, one input a column

Each is made once a process; packages are immutable.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from registry.convert import publish_sklearn
from registry.infer import Wanted
from registry.publish import Published, publish
from registry.table import Table, read_table, table_of

if TYPE_CHECKING:
    import pandas as pd

    from registry.package import Package

CREDIT_CSV: Final = Path(__file__).parents[2] / "examples" / "credit" / "german_credit.csv"
TARGET: Final = "creditability"
MADE: Final = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@cache
def credit_table() -> Table:
    """The German credit data."""
    return read_table(CREDIT_CSV)


def as_categories(frame: pd.DataFrame) -> pd.DataFrame:
    """The features with text columns as pandas categories, as XGBoost wants them."""
    features = frame.drop(columns=[TARGET])
    return features.astype({name: "category" for name in features if features[name].dtype == object})


@cache
def credit_booster() -> Any:
    """An XGBoost classifier of bad credit, 40 trees, one thread."""
    import xgboost

    frame = credit_table().frame
    labels = (frame[TARGET] == "bad").astype(int)
    data = xgboost.DMatrix(as_categories(frame), labels, enable_categorical=True)
    settings = {"objective": "binary:logistic", "max_depth": 4, "nthread": 1, "seed": 0}
    return xgboost.train(settings, data, 40)


@cache
def credit_published(name: str = "credit", form: str = "ubj") -> Published:
    """The XGBoost model as a package; `form` is ubj or json."""
    return publish(
        bytes(credit_booster().save_raw(form)),
        credit_table(),
        Wanted(name, TARGET, "bad"),
        file=f"credit.{form}",
        now=lambda: MADE,
    )


def credit_package(name: str = "credit", form: str = "ubj") -> Package:
    """See `credit_published`."""
    return credit_published(name, form).package


def credit_pipeline(estimator: Any) -> Any:
    """A fitted scikit-learn pipeline: one-hot categories, scaled numbers, `estimator`."""
    from sklearn.compose import make_column_transformer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    frame = credit_table().frame
    features = frame.drop(columns=[TARGET])
    text = [name for name in features if features[name].dtype == object]
    numbers = [name for name in features if name not in text]
    columns = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), text), (StandardScaler(), numbers)
    )
    return make_pipeline(columns, estimator).fit(features, frame[TARGET])


def credit_onnx_published(estimator: Any, **options: Any) -> Published:
    """The pipeline with `estimator` as an ONNX package."""
    pipeline = credit_pipeline(estimator)
    wanted = {"target": TARGET, "name": "credit-onnx", "positive": "bad", "unknown": "missing", **options}
    return publish_sklearn(pipeline, credit_table().frame, now=lambda: MADE, **wanted)


@cache
def number_table(rows: int = 400, classes: int = 2) -> Table:
    """Three numeric features `a`, `b`, `c` (some of `c` missing) and a target `y` of whole numbers."""
    import pandas as pd

    random = np.random.default_rng(7)
    values = random.normal(size=(rows, 3)).astype(np.float32)
    target = np.digitize(values[:, 0] + 0.5 * values[:, 1], np.linspace(-1, 1, classes + 1)[1:-1])
    values[::9, 2] = np.nan
    return table_of(
        pd.DataFrame({"a": values[:, 0], "b": values[:, 1], "c": values[:, 2], "y": target}), "numbers"
    )


@cache
def number_package(name: str = "numbers", classes: int = 2) -> Package:
    """A small XGBoost package over `number_table`: binary, or with more classes."""
    import xgboost

    table = number_table(classes=classes)
    data = xgboost.DMatrix(table.frame[["a", "b", "c"]], table.frame["y"])
    settings: dict[str, object] = {"objective": "binary:logistic", "max_depth": 3, "nthread": 1}
    if classes > 2:
        settings |= {"objective": "multi:softprob", "num_class": classes}
    booster = xgboost.train(settings, data, 8)
    return publish(bytes(booster.save_raw("ubj")), table, Wanted(name, "y"), now=lambda: MADE).package
