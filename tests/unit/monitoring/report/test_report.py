"""What people see is what was counted: nothing is lost in the few parts of a plot."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.proof.errors import FormatError
from monitoring.judging import judged_by
from monitoring.judging.evidence import Where, judge_panes, written
from monitoring.judging.judging import Judging, Taken
from monitoring.read import Profile
from monitoring.report import Kept, kept_of, page, shares_of
from registry.reference import category_column, number_column
from registry.signature import Feature
from tests.unit.monitoring.conftest import CREDIT, SIGNATURE

FLOATS = st.floats(width=32, allow_nan=True, allow_infinity=True)


@given(st.lists(FLOATS, min_size=1, max_size=200), st.lists(FLOATS, max_size=200))
def test_both_distributions_add_up_to_one(training: list[float], live: list[float]) -> None:
    """Whatever the numbers are, each row is in one part; and no plot is wider than a screen."""
    column = number_column("x", np.array(training, np.float32))
    shares = shares_of(column, column.count(np.array(live, np.float32)))
    assert len(shares.labels) == len(shares.reference) == len(shares.window) <= 32 + 6
    assert shares.reference.sum() == pytest.approx(1)
    assert shares.window.sum() == pytest.approx(1 if live else 0)


def test_a_number_with_few_values_has_a_part_for_each() -> None:
    """Counts of children are no continuum."""
    column = number_column("children", np.array([0, 0, 0, 1, 1, 2] * 100, np.float32))
    shares = shares_of(column, column.count(np.array([2, 2, 3], np.float32)))
    assert shares.labels[-1] == "above the reference"
    assert shares.window[-1] == pytest.approx(1 / 3)
    assert {"0", "1", "2"} <= set(shares.labels)


def test_one_far_value_does_not_make_the_rest_a_line() -> None:
    """The scale is that of all but the ends."""
    random = np.random.default_rng(1)
    column = number_column("income", np.append(random.normal(size=5000), 1e9).astype(np.float32))
    shares = shares_of(column, column.count(np.zeros(1, np.float32)))
    assert (shares.reference > 0.01).sum() > 15


def test_categories_have_their_names_the_largest_first() -> None:
    """Those beyond the screen's width are others; what was never seen is said."""
    feature = Feature(name="home", type="category", categories=tuple(f"c{each}" for each in range(40)))
    codes = np.concatenate([np.full(200 - 4 * each, each) for each in range(40)]).astype(np.float32)
    column = category_column("home", codes, 40)
    shares = shares_of(column, column.count(np.array([0, 39, 77], np.float32)), feature)
    assert shares.labels[:2] == ("c0", "c1")
    assert shares.labels[-2:] == ("others", "unseen category")
    assert shares.window[[0, -2, -1]] == pytest.approx([1 / 3] * 3)


@pytest.fixture
def judging(profile: Profile, stream: Callable[..., Any]) -> tuple[Judging, list[tuple[int, int]]]:
    """Five calm panes and ten that drift."""
    one = stream()
    panes = [one.pane(number, 0.0 if number < 5 else 1.0) for number in range(15)]
    return judge_panes(
        profile,
        judged_by(None, "credit"),
        [Taken(0, pane.number, pane.time, pane.tallies[CREDIT]) for pane in panes],
    )


def made(judging: tuple[Judging, list[tuple[int, int]]], **changed: Any) -> str:
    """The page."""
    evidence = written(CREDIT, *judging, Where("ab" * 16, 250, {}))
    features = {each.name: each for each in SIGNATURE.features}
    shares = {
        column.name: shares_of(column, counts, features.get(column.name))
        for column, counts in judging[0].counts()
    }
    told: dict[str, Any] = {
        "name": "credit",
        "span": "then",
        "kept": Kept(evidence, "drift.html", "Made now"),
    } | changed
    return page(evidence, shares, threshold=judging[0].threshold, **told)


def test_the_page_has_every_column_most_drifted_first(judging: Any) -> None:
    """With its verdict, and where in the log it comes from."""
    text = made(judging)
    places = [text.index(f'id="{name}"') for name in ("age", "score:bad", "home")]
    assert places == sorted(places)
    assert text.count('<span class="pill bad">page</span>') == 4
    assert "<td class=number>3750</td>" in text


def test_no_text_of_a_table_is_markup(judging: Any) -> None:
    """Names are anybody's."""
    assert "<script>alert" not in made(
        judging, name="<script>alert(1)</script>", span="<script>alert(1)</script>"
    )


def test_a_page_keeps_what_it_is_made_again_of(judging: Any) -> None:
    """Where the records are, whose policy, and when; no figure: those are counted again."""
    evidence = written(CREDIT, *judging, Where("ab" * 16, 250, {"0": {"11" * 16: 7}}))
    kept = Kept(evidence, "a page's <name>.html", "Made now", 12)
    found = kept_of(made(judging, kept=kept))
    assert (found.file, found.made, found.event) == (kept.file, kept.made, kept.event)
    assert found.evidence == evidence.model_copy(update={"columns": (), "rows": 0, "window_rows": 0})
    assert found.command == kept.command
    assert kept.command == "affiant drift report credit --event 12 --out 'a page'\"'\"'s <name>.html'"
    assert (
        Kept(evidence, "a.html", "").command == "affiant drift report credit --again a.html --out again.html"
    )


@pytest.mark.parametrize("text", ["", "{}", "[]", "nothing", '{"evidence":{},"event":1,"file":"","made":""}'])
def test_what_no_report_has_written_is_refused(text: str) -> None:
    """A page that kept nothing, too, and one with two of them."""
    place = f'<pre class="kept">{text}</pre>'
    for page_ in (place, place * 2, text):
        with pytest.raises(FormatError):
            kept_of(page_)
