"""Damaged model files: a package error or a model that answers, and never the end of the process."""

from __future__ import annotations

import contextlib
from functools import cache

from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.tree import DecisionTreeClassifier

from registry.errors import PackageError
from registry.golden import Golden
from registry.manifest import ModelType
from registry.package import Package
from registry.runtimes import ask_golden, open_runner
from registry.signature import Signature
from tests.components.packages import credit_onnx_published, credit_package, number_package

FLIPS = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 7)), min_size=1, max_size=5)


@cache
def tree_package() -> Package:
    """A decision tree in ONNX, one input a column."""
    return credit_onnx_published(DecisionTreeClassifier(max_depth=3, random_state=0)).package


def serve(data: bytes, model_type: ModelType, signature: Signature, golden: Golden) -> None:
    """Load and predict, as a gateway would with a package that somebody forged."""
    with contextlib.suppress(PackageError):
        runner = open_runner(data, model_type, signature)
        ask_golden(runner, golden)
        if model_type != "onnx":
            runner.explain(golden.rows[:2])


def flipped(data: bytes, flips: list[tuple[float, int]]) -> bytes:
    """`data` with some bits flipped."""
    damaged = bytearray(data)
    for place, bit in flips:
        damaged[int(place * len(damaged))] ^= 1 << bit
    return bytes(damaged)


@settings(max_examples=400, deadline=None)
@given(FLIPS, st.sampled_from(["numbers", "credit", "credit-json"]))
def test_a_damaged_xgboost_model_never_ends_the_process(flips: list[tuple[float, int]], which: str) -> None:
    """XGBoost itself reads beyond its arrays for many of these."""
    package = {
        "numbers": number_package,
        "credit": credit_package,
        "credit-json": lambda: credit_package(form="json"),
    }[which]()
    serve(flipped(package.model, flips), package.model_type, package.signature, package.golden)


@settings(max_examples=200, deadline=None)
@given(FLIPS)
def test_a_damaged_onnx_model_gives_package_errors_only(flips: list[tuple[float, int]]) -> None:
    """Whatever ONNX Runtime raises, while it loads or while it runs, comes out as one of ours."""
    package = tree_package()
    serve(flipped(package.model, flips), package.model_type, package.signature, package.golden)
