"""Plain BentoML: one `@bentoml.api` method, as its tutorial has it. The model's path is in BENCH_MODEL."""

from __future__ import annotations

import os

import bentoml
import numpy as np
import xgboost


@bentoml.service(workers=1, traffic={"timeout": 60})
class Peer:
    """One XGBoost model behind BentoML's own stack."""

    def __init__(self) -> None:
        self.booster = xgboost.Booster({"nthread": 1})
        self.booster.load_model(os.environ["BENCH_MODEL"])
        self.booster.set_param({"nthread": 1})

    @bentoml.api
    def predict(self, instances: list[list[float]]) -> list[float]:
        """One probability a row."""
        answers = self.booster.inplace_predict(np.asarray(instances, dtype=np.float32))
        return [float(value) for value in answers]
