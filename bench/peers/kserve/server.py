"""KServe's Python server with an XGBoost model: V1 and V2 come from the server itself.

KServe's own xgbserver is not published as a package; `Peer` predicts as it does, through a DMatrix
(kserve/kserve, python/xgbserver/xgbserver/model.py). `Tuned` is a second model in the same server that
predicts in place, which is faster for one row: what a user could make of it with some work.
The model's path is in BENCH_MODEL; the port and the server's other settings are its own options.
"""

from __future__ import annotations

import argparse
import os
from typing import Any

import kserve
import xgboost
from kserve.utils.utils import get_predict_input, get_predict_response


class Peer(kserve.Model):
    """One booster with one thread."""

    def load(self) -> bool:
        """Load the booster once."""
        self.booster = xgboost.Booster({"nthread": 1})
        self.booster.load_model(os.environ["BENCH_MODEL"])
        self.booster.set_param({"nthread": 1})
        self.ready = True
        return self.ready

    def predict(self, payload: Any, headers: Any = None, response_headers: Any = None) -> Any:
        """Answer V1 with V1 and V2 with V2."""
        rows = xgboost.DMatrix(get_predict_input(payload), nthread=1)
        return get_predict_response(payload, self.booster.predict(rows), self.name)


class Tuned(Peer):
    """The same without the DMatrix."""

    def predict(self, payload: Any, headers: Any = None, response_headers: Any = None) -> Any:
        """Answer V1 with V1 and V2 with V2."""
        return get_predict_response(
            payload, self.booster.inplace_predict(get_predict_input(payload)), self.name
        )


if __name__ == "__main__":
    options = argparse.ArgumentParser(parents=[kserve.model_server.parser]).parse_args()
    models = [Peer(options.model_name), Tuned(f"{options.model_name}-tuned")]
    for model in models:
        model.load()
    kserve.ModelServer().start(models)
