"""LitServe with its batching on: it collects concurrent requests and predicts them together."""

import os
import sys
from typing import Any

import litserve
import numpy as np
import xgboost


class Peer(litserve.LitAPI):
    """One XGBoost model, batched."""

    def setup(self, device: str) -> None:
        """Load the booster in the worker."""
        self.booster = xgboost.Booster({"nthread": 1})
        self.booster.load_model(os.environ["BENCH_MODEL"])
        self.booster.set_param({"nthread": 1})

    def decode_request(self, request: dict[str, Any]) -> Any:
        """One row of one request."""
        return np.asarray(request["instances"][0], dtype=np.float32)

    def batch(self, inputs: list[Any]) -> Any:
        """Rows of several requests."""
        return np.stack(inputs)

    def predict(self, x: Any) -> Any:
        """Probabilities of the whole batch; a single row comes as it is when batching found no other."""
        return self.booster.inplace_predict(x if x.ndim == 2 else x[None])

    def unbatch(self, output: Any) -> list[Any]:
        """One answer a request."""
        return list(output)

    def encode_response(self, output: Any) -> dict[str, list[float]]:
        """The form of V1."""
        return {"predictions": [float(output)]}


if __name__ == "__main__":
    server = litserve.LitServer(
        Peer(
            max_batch_size=int(os.environ.get("BENCH_BATCH", "64")),
            batch_timeout=float(os.environ.get("BENCH_WAIT", "0.005")),
        ),
        accelerator="cpu",
        workers_per_device=1,
        timeout=60,
        fast_queue=os.environ.get("BENCH_FAST_QUEUE", "0") == "1",
    )
    server.run(
        host="127.0.0.1",
        port=int(sys.argv[1]),
        num_api_servers=1,
        generate_client_file=False,
        log_level="warning",
    )
