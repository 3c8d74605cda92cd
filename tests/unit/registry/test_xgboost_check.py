"""XGBoost models are looked at before XGBoost reads them: what it writes passes, what crashes it does not."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xgboost

from registry.errors import ModelRefused
from registry.runtimes import ubjson
from registry.runtimes.xgboost_check import check_model
from tests.components.packages import (
    as_categories,
    credit_booster,
    credit_table,
    number_package,
    number_table,
)

NUMBERS = ["a", "b", "c"]
BOOSTERS: dict[str, dict[str, Any]] = {
    "plain": {},
    "pruned": {"gamma": 5.0, "max_depth": 8},
    "leaf-wise": {"grow_policy": "lossguide", "max_leaves": 12, "tree_method": "hist"},
    "exact": {"tree_method": "exact"},
    "dart": {"booster": "dart", "rate_drop": 0.5},
    "linear": {"booster": "gblinear"},
    "forest": {"num_parallel_tree": 4, "subsample": 0.5},
    "poisson": {"objective": "count:poisson"},
    "classes": {"objective": "multi:softprob", "num_class": 2},
    "constrained": {"monotone_constraints": "(1,0,-1)", "interaction_constraints": "[[0,1],[2]]"},
}


def trained(**settings: Any) -> xgboost.Booster:
    """A booster over the number table."""
    table = number_table()
    data = xgboost.DMatrix(table.frame[NUMBERS], table.frame["y"])
    return xgboost.train({"objective": "binary:logistic", "nthread": 1, **settings}, data, 6)


@pytest.mark.parametrize("kind", BOOSTERS)
@pytest.mark.parametrize("form", ["ubj", "json"])
def test_whatever_xgboost_writes_passes(kind: str, form: str) -> None:
    """Every booster, growth policy and file form."""
    checked = check_model(bytes(trained(**BOOSTERS[kind]).save_raw(form)), f"xgboost-{form}")  # type: ignore[arg-type]
    assert checked.features == 3
    assert checked.names == tuple(NUMBERS)


@pytest.mark.parametrize("form", ["ubj", "json"])
def test_kept_categories_are_read_as_xgboost_reads_them(form: str) -> None:
    """The texts, in the order of their codes."""
    checked = check_model(bytes(credit_booster().save_raw(form)), f"xgboost-{form}")  # type: ignore[arg-type]
    frame = as_categories(credit_table().frame)
    for texts, name in zip(checked.categories, frame, strict=True):
        expected = frame[name].cat.categories if frame[name].dtype == "category" else ()
        assert texts == tuple(expected)


def test_numeric_categories_are_read() -> None:
    """Categories that are whole numbers, and one-hot splits."""
    frame = pd.DataFrame({"k": pd.Categorical([3, 7, 11, 3] * 50), "v": np.arange(200.0)})
    data = xgboost.DMatrix(frame, np.arange(200) % 2, enable_categorical=True)
    for onehot in (1, 100):
        booster = xgboost.train({"nthread": 1, "max_cat_to_onehot": onehot}, data, 4)
        checked = check_model(bytes(booster.save_raw("ubj")), "xgboost-ubj")
        assert checked.categories[0] == ("3", "7", "11")


def test_ubjson_and_json_hold_the_same_value() -> None:
    """The reader against XGBoost's other writer."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: plain(item) for key, item in value.items()}
        if isinstance(value, np.ndarray | list):
            return [plain(item) for item in (value.tolist() if isinstance(value, np.ndarray) else value)]
        return np.float32(value) if isinstance(value, float) else value

    booster = credit_booster()
    one = plain(ubjson.loads(bytes(booster.save_raw("ubj"))))
    other = plain(json.loads(bytes(booster.save_raw("json"))))
    assert one == other


def first_tree(model: Any) -> Any:
    """Tree 0 of a model."""
    return model["learner"]["gradient_booster"]["model"]["trees"][0]


def put(key: str, place: int, value: object) -> Callable[[Any], None]:
    """Change one number of tree 0."""

    def change(model: Any) -> None:
        first_tree(model)[key][place] = value

    return change


def cut(key: str) -> Callable[[Any], None]:
    """Drop the last number of an array of tree 0."""

    def change(model: Any) -> None:
        first_tree(model)[key].pop()

    return change


ATTACKS: dict[str, Callable[[Any], None]] = {
    "a child beyond the tree": put("left_children", 0, 1 << 20),
    "a negative child": put("right_children", 0, -7),
    "a child that is the root": put("left_children", 0, 0),
    "a cycle": put("left_children", 1, 1),
    "two parents": put("right_children", 0, 1),
    "a feature beyond the row": put("split_indices", 0, 99),
    "a negative feature": put("split_indices", 0, -1),
    "a kind of split that is none": put("split_type", 0, 3),
    "a segment beyond the categories": put("categories_segments", 0, 1 << 30),
    "a size beyond the categories": put("categories_sizes", 0, 1 << 30),
    "a negative size": put("categories_sizes", 0, -1),
    "a category that needs gigabytes": put("categories", 0, (1 << 31) - 2),
    "a categorical split that has none": put("categories_nodes", 0, 1),
    "a number that is text": put("left_children", 0, "1"),
    "a number that is a fraction": put("split_indices", 0, 0.5),
    "a number beyond 64 bits": put("parents", 0, 1 << 70),
    "a short array of children": cut("left_children"),
    "a short array of weights": cut("base_weights"),
    "a short array of conditions": cut("split_conditions"),
    "more nodes than there are": lambda model: first_tree(model)["tree_param"].update(num_nodes="4000000000"),
    "a leaf of many values": lambda model: first_tree(model)["tree_param"].update(size_leaf_vector="9"),
    "a tree of another group": lambda model: model["learner"]["gradient_booster"]["model"][
        "tree_info"
    ].__setitem__(0, 5),
    "trees that are not there": lambda model: model["learner"]["gradient_booster"]["model"]["trees"].pop(),
    "rounds beyond the trees": lambda model: model["learner"]["gradient_booster"]["model"][
        "iteration_indptr"
    ].append(99),
    "kept categories beyond their bytes": lambda model: model["learner"]["gradient_booster"]["model"]["cats"][
        "enc"
    ][0]["offsets"].__setitem__(1, 1 << 30),
    "features without number": lambda model: model["learner"]["learner_model_param"].update(
        num_feature="99999999999"
    ),
    "a name too many": lambda model: model["learner"]["feature_names"].append("x"),
    "a tree at another one's place": lambda model: first_tree(model).update(id=1),
    "no learner": lambda model: model.pop("learner"),
    "a learner that is a list": lambda model: model.update(learner=[]),
    "a tree that is none": lambda model: model["learner"]["gradient_booster"]["model"]["trees"].__setitem__(
        0, 7
    ),
    "a booster that is none": lambda model: model["learner"]["gradient_booster"].update(name="gbdt"),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_model_that_would_be_read_out_of_bounds_is_refused(attack: str) -> None:
    """One number of a good model changed; the reason is said."""
    model = json.loads(bytes(credit_booster().save_raw("json")))
    check_model(json.dumps(model).encode(), "xgboost-json")
    ATTACKS[attack](model)
    with pytest.raises(ModelRefused):
        check_model(json.dumps(model).encode(), "xgboost-json")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[" * 100,
        b"{L\x7f\xff\xff\xff\xff\xff\xff\xff",
        b"[#L\x00\x00\x00\xff\xff\xff\xff\xff",
        b"[$l#L\x00\x00\x00\xff\xff\xff\xff\xff",
        b"[$Z#i\x05",
        b"{i\x01a{i\x01b}}",
        b"{i\x01aTi\x01aF}",
        b"{i\x01aT}x",
        b"{i\xffaT}",
        b"{i\x01\xffT}",
        b"N",
    ],
)
def test_ubjson_that_is_none_is_refused_without_allocating_what_it_announces(data: bytes) -> None:
    """Lengths are compared with the bytes that are left before anything is made."""
    with pytest.raises(ModelRefused, match="UBJSON"):
        ubjson.loads(data)


def test_a_model_nested_without_end_is_refused() -> None:
    """Both readers have a bottom."""
    with pytest.raises(ModelRefused):
        check_model(b'{"learner":' * 100_000, "xgboost-json")
    with pytest.raises(ModelRefused):
        check_model(b"{i\x01a" * 100_000, "xgboost-ubj")


def test_the_models_own_categories_must_be_the_signatures() -> None:
    """A signature whose codes mean something else would give wrong answers without a sign."""
    from registry.runtimes import open_runner
    from tests.components.packages import credit_package

    package = credit_package()
    feature = package.signature.features[0]
    swapped = feature.model_copy(update={"categories": tuple(reversed(feature.categories))})
    signature = package.signature.model_copy(update={"features": (swapped, *package.signature.features[1:])})
    with pytest.raises(ModelRefused, match="categories are not the model's"):
        open_runner(package.model, "xgboost-ubj", signature)
    assert number_package().signature.features[0].categories == ()
