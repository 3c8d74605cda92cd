r"""Environments of Airflow and Kubeflow Pipelines, each its own, for the examples that are written for them.

    python -m tests.components.pipelines     # make both

To renew one, in this folder:

    uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
        --no-annotate --no-header airflow.in -o airflow.txt
"""

from __future__ import annotations

from pathlib import Path

from tests.components import environments

NAMES = ("airflow", "kfp")


def python_of(name: str) -> Path:
    """The interpreter of `airflow` or `kfp`. Raises ComponentError."""
    return environments.environment(name, Path(__file__).parent / f"{name}.txt") / "bin" / "python"
