"""The page of a run of the gates in a real browser: readable on every screen, light, dark and on paper."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from registry.gates import Datasets, run_gates
from registry.gates.report import page
from registry.policy import load_policy
from registry.table import table_of
from tests.browser.faults import faults
from tests.components.chromium import Chromium
from tests.components.packages import TARGET, credit_onnx_published, credit_package, credit_table

pytestmark = pytest.mark.browser

# What is of the evidence bundle's report alone: its title, its number of charts with their legend, and their height.
_ITS_OWN = re.compile(
    r"its title is 'Gates: .*|\d+ charts, not 5|no legend|chart .*: (\d+) × 22 px", re.DOTALL
)
_NARROWEST = 150
"""Of a scale, CSS px."""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    with Chromium(tmp_path_factory.mktemp("chromium")) as started:
        yield started


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example's policy on a linear model, compared with another: some gates fail, and there are plots."""
    from sklearn.linear_model import LogisticRegression

    policy = load_policy(Path(__file__).resolve().parents[2] / "examples/credit/policy.yaml")
    package = credit_onnx_published(LogisticRegression(max_iter=500)).package
    # Its own table with a row less is another table, by its digest: enough for a page to look at.
    holdout = table_of(credit_table().frame.head(999), "holdout")
    datasets = Datasets(holdout=holdout, target=TARGET, live=credit_package(), deprecated={})
    made = run_gates(package, datasets, policy, "credit", now=datetime(2026, 1, 2, tzinfo=UTC))
    path = tmp_path_factory.mktemp("page") / "gates.html"
    path.write_text(page(made, package.name), encoding="utf-8")
    return path


def wrong(
    browser: Chromium, report: Path, width: int, *, dark: bool = False, media: str = "screen"
) -> list[str]:
    """What is wrong with it, shown so."""
    found = []
    for fault in faults(browser, report, width=width, dark=dark, media=media):
        known = _ITS_OWN.fullmatch(fault)
        if known is None or (known[1] is not None and int(known[1]) < _NARROWEST):
            found.append(fault)
    return found


@pytest.mark.parametrize("width", [1280, 600, 390], ids=["desk", "tablet", "phone"])
def test_it_is_readable_on_every_screen(browser: Chromium, report: Path, width: int) -> None:
    """Light and dark; nothing is asked of anybody."""
    assert wrong(browser, report, width) == []
    assert wrong(browser, report, width, dark=True) == []


def test_it_prints(browser: Chromium, report: Path) -> None:
    """Black on white, for a dark screen's reader too."""
    assert wrong(browser, report, 718, dark=True, media="print") == []


def test_a_scale_that_is_too_narrow_is_found(browser: Chromium, report: Path, tmp_path: Path) -> None:
    """As it once was between a phone and a desk."""
    spoilt = tmp_path / "spoilt.html"
    spoilt.write_text(report.read_text().replace("max-width:760px", "max-width:1px"))
    assert any("22 px" in fault for fault in wrong(browser, spoilt, 600))
