"""Looking at an XGBoost model before XGBoost does.

XGBoost trusts its model files: a child's number beyond the tree, or a category's segment beyond its array, is
read past the end (seen: a flipped bit ends the process). So every number that XGBoost uses as an index is
checked here first. The layout is that of XGBoost's own `doc/model.schema`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from registry.errors import ModelRefused
from registry.manifest import ModelType

from . import ubjson

MAX_FEATURES: Final = 16_384
MAX_GROUPS: Final = 16_384
MAX_CATEGORY: Final = 1 << 24
"""XGBoost keeps a category as float32: whole numbers are exact up to here."""

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Checked:
    """What the model says; `categories` are the texts that it keeps for each feature, empty where none."""

    features: int
    names: tuple[str, ...]
    types: tuple[str, ...]
    categories: tuple[tuple[str, ...], ...]


def check_model(data: bytes, model_type: ModelType) -> Checked:
    """Read the file and check every index in it.

    Raises:
        ModelRefused: the first thing that is not as XGBoost writes it.
    """
    try:
        model = ubjson.loads(data) if model_type == "xgboost-ubj" else _json(data)
        learner = _object(model, "learner")
        parameters = _object(learner, "learner_model_param")
        features = _number(parameters, "num_feature", 1, MAX_FEATURES)
        groups = max(1, _number(parameters, "num_class", 0, MAX_GROUPS))
        if _number(parameters, "num_target", 1, MAX_GROUPS) != 1:
            raise ModelRefused("models with several targets are not served")
        names, types = (_texts(learner, key, features) for key in ("feature_names", "feature_types"))
        categories = _check_booster(_object(learner, "gradient_booster"), features, groups)
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
        raise ModelRefused(
            f"not an XGBoost model as XGBoost writes it ({type(error).__name__}: {error})"
        ) from error
    return Checked(features, names, types, categories)


def _json(data: bytes) -> Any:
    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        result = dict(items)
        if len(result) != len(items):
            raise ModelRefused("the model's JSON has a key twice")
        return result

    return json.loads(data, object_pairs_hook=pairs)


def _check_booster(booster: Mapping[str, Any], features: int, groups: int) -> tuple[tuple[str, ...], ...]:
    kind = booster["name"]
    if kind == "gblinear":
        if len(_floats(_object(booster, "model"), "weights")) != (features + 1) * groups:
            raise ModelRefused("the linear model does not have a weight for each feature")
        return ()
    if kind not in ("gbtree", "dart"):
        raise ModelRefused(f"the booster {kind!r} is not served")
    model = _object(_object(booster, "gbtree") if kind == "dart" else booster, "model")
    trees = model["trees"]
    count = _number(_object(model, "gbtree_model_param"), "num_trees", 0, 1 << 31)
    if not isinstance(trees, list) or len(trees) != count:
        raise ModelRefused(f"the model says {count} trees and does not have that many")
    _number(_object(model, "gbtree_model_param"), "num_parallel_tree", 0, 1 << 31)
    _within(_integers(model, "tree_info", count), 0, groups, "tree_info")
    bounds = _integers(model, "iteration_indptr")
    if not len(bounds) or bounds[0] != 0 or bounds[-1] != count or (np.diff(bounds) < 0).any():
        raise ModelRefused("iteration_indptr does not cover the trees")
    if kind == "dart" and len(_floats(booster, "weight_drop")) != count:
        raise ModelRefused("weight_drop does not have one weight a tree")
    for number, tree in enumerate(trees):
        try:
            # XGBoost puts a tree at the place that its id names: a place left empty is a null pointer.
            if type(tree["id"]) is not int or tree["id"] != number:
                raise ModelRefused(f"its id is {tree['id']!r}")
            _check_tree(tree, features)
        except ModelRefused as error:
            raise ModelRefused(f"tree {number}: {error}") from error
    return _check_categories(model.get("cats"), features)


def _check_tree(tree: Mapping[str, Any], features: int) -> None:
    parameters = _object(tree, "tree_param")
    nodes = _number(parameters, "num_nodes", 1, 1 << 31)
    if (
        _number(parameters, "size_leaf_vector", 0, 1) > 1
        or _number(parameters, "num_feature", 0, 1 << 31) != features
    ):
        raise ModelRefused("its leaves or its features are not the model's")
    _number(parameters, "num_deleted", 0, nodes)
    left, right, parents, split, kind = (
        _integers(tree, key, nodes)
        for key in ("left_children", "right_children", "parents", "split_indices", "split_type")
    )
    for key in ("base_weights", "loss_changes", "split_conditions", "sum_hessian"):
        if len(_floats(tree, key)) != nodes:
            raise ModelRefused(f"{key} does not have one number a node")
    _within(_integers(tree, "default_left", nodes), 0, 2, "default_left")
    _within(kind, 0, 2, "split_type")
    inner = np.flatnonzero(left != -1)
    if (right[left == -1] != -1).any():
        raise ModelRefused("a leaf has a right child")
    children = np.concatenate([left[inner], right[inner]])
    _within(children, 1, nodes, "a child")
    # No node is reached twice and the root is nobody's child: what is reached from the root is a tree.
    if len(np.unique(children)) != len(children) or (parents[children] != np.tile(inner, 2)).any():
        raise ModelRefused("its nodes do not form a tree")
    _within(split[inner], 0, features, "split_indices")
    _check_splits(tree, np.flatnonzero((left != -1) & (kind == 1)), nodes)


def _check_splits(tree: Mapping[str, Any], categorical: Array, nodes: int) -> None:
    """Each categorical split has a segment of its categories."""
    where = _integers(tree, "categories_nodes")
    starts, sizes = (_integers(tree, key, len(where)) for key in ("categories_segments", "categories_sizes"))
    categories = _integers(tree, "categories")
    _within(where, 0, nodes, "categories_nodes")
    _within(categories, 0, MAX_CATEGORY, "categories")
    _within(starts, 0, len(categories) + 1, "categories_segments")
    _within(sizes, 1, len(categories) + 1, "categories_sizes")
    if len(where) and ((starts + sizes > len(categories)).any() or (np.diff(where) <= 0).any()):
        raise ModelRefused("a split's categories are beyond their array, or its nodes out of order")
    if not np.isin(categorical, where).all():
        raise ModelRefused("a categorical split has no categories")


def _check_categories(cats: Any, features: int) -> tuple[tuple[str, ...], ...]:
    """The category texts that the model keeps (since XGBoost 3.1)."""
    if cats is None:
        return ()
    columns, bounds = cats["enc"], _integers(cats, "feature_segments")
    order = _integers(cats, "sorted_idx")
    if not isinstance(columns, list) or len(columns) not in (0, features):
        raise ModelRefused("the kept categories are not one list a feature")
    found = tuple(_category_texts(column) for column in columns)
    sizes = [len(texts) for texts in found]
    expected = np.concatenate([[0], np.cumsum(sizes)]) if columns else np.zeros(0, np.int64)
    if not np.array_equal(bounds, expected) or len(order) != sum(sizes):
        raise ModelRefused("the kept categories' bounds are not theirs")
    for texts, start in zip(found, expected[:-1], strict=True) if columns else ():
        if not np.array_equal(np.sort(order[start : start + len(texts)]), np.arange(len(texts))):
            raise ModelRefused("the kept categories' order is not one")
    return found


def _category_texts(column: Mapping[str, Any]) -> tuple[str, ...]:
    """Texts as bytes with offsets, or numbers."""
    if "offsets" not in column:
        values = column["values"]
        return tuple(str(value) for value in (values.tolist() if isinstance(values, np.ndarray) else values))
    offsets, values = _integers(column, "offsets"), _integers(column, "values")
    if not len(offsets):
        if len(values):
            raise ModelRefused("kept categories have bytes without bounds")
        return ()
    if offsets[0] != 0 or offsets[-1] != len(values) or (np.diff(offsets) < 0).any():
        raise ModelRefused("a kept category is beyond its array")
    whole = (values & 0xFF).astype(np.uint8).tobytes()
    return tuple(whole[a:b].decode() for a, b in pairwise(offsets))


def _object(parent: Any, key: str) -> Mapping[str, Any]:
    value = parent[key]
    if not isinstance(value, dict):
        raise ModelRefused(f"{key} is not an object")
    return value


def _number(parent: Mapping[str, Any], key: str, low: int, high: int) -> int:
    """A parameter: XGBoost writes them as texts of digits."""
    text = parent.get(key, "1")
    if not isinstance(text, str) or not text.isascii() or not text.isdigit() or not low <= int(text) <= high:
        raise ModelRefused(f"{key} is {text!r}, not a number from {low} to {high}")
    return int(text)


def _texts(parent: Mapping[str, Any], key: str, features: int) -> tuple[str, ...]:
    values = list(parent.get(key, ()))
    if len(values) not in (0, features) or not all(isinstance(value, str) for value in values):
        raise ModelRefused(f"{key} is not one text a feature")
    return tuple(values)


def _integers(parent: Mapping[str, Any], key: str, count: int | None = None) -> Array:
    array = np.asarray(parent[key])
    if array.size == 0:
        array = np.zeros(0, np.int64)
    if array.ndim != 1 or array.dtype.kind not in "iu" or (count is not None and len(array) != count):
        raise ModelRefused(f"{key} is not {'a list' if count is None else f'{count}'} of whole numbers")
    return array.astype(np.int64)


def _floats(parent: Mapping[str, Any], key: str) -> Array:
    array = np.asarray(parent[key])
    if array.ndim != 1 or array.dtype.kind not in "iuf":
        raise ModelRefused(f"{key} is not a list of numbers")
    return array


def _within(values: Array, low: int, high: int, what: str) -> None:
    if ((values < low) | (values >= high)).any():
        raise ModelRefused(f"{what} is outside {low} … {high - 1}")
