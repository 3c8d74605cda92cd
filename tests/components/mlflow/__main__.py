"""Makes MLflow's environment ahead of the tests, so that no test waits for it: python -m tests.components.mlflow."""

from __future__ import annotations

from tests.components.mlflow import environment

if __name__ == "__main__":
    environment()
