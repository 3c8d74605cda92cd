"""What a document changes of another, as a person reads it."""

from __future__ import annotations

from registry.approvals.changes import Change, changes


def test_a_leaf_that_differs_is_named_by_its_keys() -> None:
    """Changed, added, removed; what is the same is left out."""
    before = {"a": {"b": 1, "c": None}, "gone": True, "same": [1, 2]}
    after = {"a": {"b": 2, "c": None}, "new": {}, "same": [1, 2]}
    assert changes(before, after) == (
        Change("a.b", "1", "2"), Change("gone", "true", None), Change("new", None, "{}"),
    )  # fmt: skip


def test_items_of_a_list_are_told_apart_by_their_name() -> None:
    """In another order they are the same; without a name, or with one twice, the list is one value."""
    age, sex = {"column": "age", "edges": [26]}, {"column": "sex", "edges": []}
    assert changes({"x": [age, sex]}, {"x": [sex, age]}) == ()
    assert changes({"x": [age, sex]}, {"x": [age | {"edges": [30]}, sex]}) == (
        Change("x[age].edges", "[26]", "[30]"),
    )
    assert [each.key for each in changes({"x": [age, age]}, {"x": [age]})] == [
        "x",
        "x[age].column",
        "x[age].edges",
    ]
