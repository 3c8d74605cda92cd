"""A Great Expectations suite beside the package's own schema: real GX, on the credit data."""

from __future__ import annotations

import json
import socket
from typing import Any

import pytest

from registry.errors import RegistryError
from registry.gates import Datasets
from registry.gates.base import Outcome, Suite
from registry.gates.data_contract import judge
from registry.policy.gates import DataContract
from tests.components.packages import credit_package, credit_table
from tests.components.ports import HOST

DIGEST = f"sha256:{'d' * 64}"
HOLDS = {"type": "expect_column_values_to_be_between",
         "kwargs": {"column": "age_in_years", "min_value": 18, "max_value": 100}}  # fmt: skip
OLD = {"expectation_type": "expect_table_column_count_to_equal", "kwargs": {"value": 21}}
FAILS = {"type": "expect_column_values_to_be_in_set", "kwargs": {"column": "housing", "value_set": ["own"]}}
ABSENT = {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "income"}}
COUNT = {"type": "expect_table_row_count_to_be_between", "kwargs": {"max_value": 10}}


def found(*expectations: Any, wanted: str | None = None, **changes: Any) -> Outcome:
    """What the gate says of the credit data."""
    content = {"name": "credit", "expectations": list(expectations), **changes}
    datasets = Datasets(holdout=credit_table(), suite=Suite(content, DIGEST))
    return judge(credit_package(), datasets, DataContract(suite=wanted))


@pytest.fixture(scope="module")
def outcome() -> Outcome:
    """One evaluation of all of them; a name that is looked up fails it."""
    with pytest.MonkeyPatch.context() as patch:
        asked: list[object] = []
        look_up = socket.getaddrinfo

        def heard(host: Any, *arguments: Any, **options: Any) -> Any:
            if host != HOST:  # a component of another test may connect meanwhile; an address is no name
                asked.append(host)
            return look_up(HOST, *arguments, **options)

        patch.setattr(socket, "getaddrinfo", heard)
        made = found(HOLDS, OLD, FAILS, ABSENT, COUNT, wanted=DIGEST)
        assert asked == []
    return made


def test_each_expectation_counts_and_says_how_much_is_wrong(outcome: Outcome) -> None:
    """A column that is absent is one that does not hold; suites of before GX 1 are read."""
    assert outcome.failures == (
        "suite 'credit': expect_column_values_to_be_in_set of 'housing' does not hold: 287 of 1,000 unexpected",
        "suite 'credit': expect_column_values_to_not_be_null of 'income' does not hold: it could not be evaluated",
        "suite 'credit': expect_table_row_count_to_be_between does not hold: 1000 observed",
    )
    suite: Any = outcome.figures["suite"]
    assert (suite["held"], suite["expectations"], suite["digest"]) == (2, 5, DIGEST)
    assert outcome.versions.keys() == {"great-expectations"}


def test_no_cell_is_told(outcome: Outcome) -> None:
    """GX's own results hold samples of what was unexpected."""
    assert "for free" not in json.dumps([outcome.failures, outcome.figures["suite"]])


def test_a_suite_that_holds_passes() -> None:
    """With the schema's own figures beside it."""
    outcome = found(HOLDS, expectation_suite_name="old")
    assert outcome.failures == ()
    assert {"columns", "suite", "rows"} <= outcome.figures.keys()


@pytest.mark.parametrize(
    ("expectations", "said"),
    [
        ([], "has 0 expectations"),
        (
            [{"type": "expect_nonsense", "kwargs": {}}],
            "0 of 1 expectations can be evaluated; not expect_nonsense",
        ),
        ([{"kwargs": {}}], "expectation 1 has no type"),
        ([HOLDS, "x"], "expectation 2 has no type"),
        ([{**HOLDS, "kwargs": {**HOLDS["kwargs"], "row_condition": "@x()"}}], "it would be run as code"),
        (
            [HOLDS, {**HOLDS, "kwargs": {**HOLDS["kwargs"], "bogus": 1}}],
            "cannot be evaluated: 1 validation error",
        ),
    ],
)
def test_what_is_no_suite_fails(expectations: list[Any], said: str) -> None:
    """Never passed because nothing was evaluated; a row condition is a program."""
    with pytest.raises(RegistryError, match=said):
        found(*expectations)


def test_the_policy_names_the_suite_by_its_digest() -> None:
    """None, or another one, cannot be judged."""
    other = f"sha256:{'e' * 64}"
    with pytest.raises(RegistryError, match=f"asks for the suite {other}, and not for {DIGEST}"):
        found(HOLDS, wanted=other)
    with pytest.raises(RegistryError, match="and none was given"):
        judge(credit_package(), Datasets(holdout=credit_table()), DataContract(suite=other))
