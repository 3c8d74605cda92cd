"""Packages of the example's credit model, for benches that need real ones."""

from __future__ import annotations

import json
import sys
from functools import cache

from harness.ours import ROOT

if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from registry.infer import Wanted
from registry.package import Package
from registry.publish import publish
from registry.table import read_table, table_of

CREDIT = ROOT / "examples" / "credit"
TARGET, POSITIVE = "creditability", "bad"


@cache
def package_of(seed: int, name: str = "credit", rows: int | None = None) -> Package:
    """An XGBoost model of the German credit data, published."""
    import xgboost

    table = read_table(CREDIT / "german_credit.csv")
    frame = table.frame if rows is None else table.frame.iloc[:rows]
    features = frame.drop(columns=[TARGET])
    features = features.astype(dict.fromkeys(features.select_dtypes(exclude="number"), "category"))
    data = xgboost.DMatrix(features, (frame[TARGET] == POSITIVE).astype(int), enable_categorical=True)
    settings = {"objective": "binary:logistic", "max_depth": 4, "nthread": 1, "seed": seed, "subsample": 0.8}
    model = bytes(xgboost.train(settings, data, 100).save_raw("ubj"))
    own = table if rows is None else table_of(frame, "training rows")
    return publish(model, own, Wanted(name, TARGET, POSITIVE, 0.5), file="credit.ubj").package


def body_of_credit() -> bytes:
    """A request for one row, in V1."""
    frame = read_table(CREDIT / "german_credit.csv").frame.drop(columns=[TARGET]).head(1)
    return json.dumps({"instances": json.loads(frame.to_json(orient="records"))}).encode()
