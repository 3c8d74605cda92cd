"""Makes Spark's environment ahead of the tests, so that no test waits for it: python -m tests.components.spark."""

from __future__ import annotations

from tests.components.spark import spark_environment

spark_environment()
