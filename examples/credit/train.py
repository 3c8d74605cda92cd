"""Train two models on the German credit data and publish both as packages.

    python examples/credit/train.py [--store DIRECTORY] [--seed N]

`credit`: XGBoost with native categories. `credit-onnx`: a scikit-learn pipeline, exported to ONNX and
compared with itself on every row. Both predict the probability that a loan goes bad.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from registry.convert import publish_sklearn
from registry.infer import Wanted
from registry.publish import Published, publish
from registry.stores import LayoutStore
from registry.table import Table, read_table

if TYPE_CHECKING:
    import pandas as pd

HERE: Final = Path(__file__).resolve().parent
DATA: Final = HERE / "german_credit.csv"
TARGET: Final = "creditability"
POSITIVE: Final = "bad"
THRESHOLD: Final = 0.5

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Trained:
    """A published model and the service that it is meant for."""

    service: str
    published: Published

    @property
    def digest(self) -> str:
        """The package's name."""
        return self.published.package.digest


def features(table: Table) -> pd.DataFrame:
    """The columns that a model may see."""
    return table.frame.drop(columns=[TARGET])


def train_xgboost(table: Table, seed: int, say: Say) -> Trained:
    """Boosted trees on the categories as they are: no one-hot columns, no order that they do not have."""
    import xgboost

    frame = features(table)
    for name in frame.select_dtypes(exclude="number"):
        frame[name] = frame[name].astype("category")
    classifier = xgboost.XGBClassifier(
        n_estimators=120,
        max_depth=4,
        learning_rate=0.08,
        subsample=0.8,
        colsample_bytree=0.8,
        tree_method="hist",
        enable_categorical=True,
        n_jobs=1,
        random_state=seed,
    )
    say("training XGBoost")
    classifier.fit(frame, (table.frame[TARGET] == POSITIVE).astype(int))
    model = bytes(classifier.get_booster().save_raw("ubj"))
    published = publish(
        model,
        table,
        Wanted("credit", TARGET, POSITIVE, THRESHOLD),
        file="credit.ubj",
        progress=say,
        directory=HERE,
    )
    return Trained("credit", published)


def train_sklearn(table: Table, seed: int, say: Say) -> Trained:
    """A logistic regression on scaled numbers and one-hot categories, exported to ONNX."""
    from sklearn.compose import make_column_transformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    numbers = list(features(table).select_dtypes(include="number"))
    texts = [name for name in features(table) if name not in numbers]
    # The table's integers are 64 bits wide; the export computes in float32: train on what it will see.
    frame = table.frame.astype(dict.fromkeys(numbers, "float32"))
    pipeline = make_pipeline(
        make_column_transformer(
            (StandardScaler(), numbers),
            (OneHotEncoder(handle_unknown="ignore", sparse_output=False), texts),
        ),
        LogisticRegression(C=0.5, max_iter=1000, random_state=seed),
    )
    say("training scikit-learn")
    pipeline.fit(frame.drop(columns=[TARGET]), frame[TARGET])
    published = publish_sklearn(
        pipeline,
        frame,
        target=TARGET,
        name="credit-onnx",
        positive=POSITIVE,
        threshold=THRESHOLD,
        max_difference=1e-4,
        progress=say,
        directory=HERE,
    )
    return Trained("credit-onnx", published)


def train(seed: int = 7, say: Say = print) -> list[Trained]:
    """Both models, ready to be pushed."""
    return [
        train_xgboost(read_table(DATA), seed, say),
        train_sklearn(read_table(DATA), seed, say),
    ]


def main() -> None:
    """Train, publish, and say what goes into [[plan]]."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--store", type=Path, default=Path("affiant-data/store"), help="an OCI layout directory"
    )
    parser.add_argument("--seed", type=int, default=7, help="of both trainings")
    options = parser.parse_args()
    store = LayoutStore(options.store)
    for trained in train(options.seed, lambda text: print(f"  {text}")):
        store.push(trained.published.package)
        print(f'[[plan]]\nservice = "{trained.service}"\ndigest = "{trained.digest}"')
        for warning in trained.published.warnings:
            print(f"# note: {warning}")


if __name__ == "__main__":
    main()
