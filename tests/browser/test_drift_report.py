"""The drift report in a real browser: readable on every screen, light, dark and on paper; nothing asked of anybody."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.faults import faults
from tests.components.chromium import Chromium
from tests.components.drifted import drift_page

pytestmark = pytest.mark.browser

# What is of the evidence bundle's report alone: its title, its number of charts with their legend, and their height.
_ITS_OWN = re.compile(r"its title is 'Drift: .*|\d+ charts, not 5|no legend", re.DOTALL)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    """One for all."""
    with Chromium(tmp_path_factory.mktemp("chromium")) as started:
        yield started


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Credit applicants of whom one attribute has changed its unit."""
    path = tmp_path_factory.mktemp("page") / "drift.html"
    path.write_text(drift_page(), encoding="utf-8")
    return path


def wrong(
    browser: Chromium, report: Path, width: int, *, dark: bool = False, media: str = "screen"
) -> list[str]:
    """What is wrong with it, shown so."""
    found = faults(browser, report, width=width, dark=dark, media=media)
    return [fault for fault in found if not _ITS_OWN.fullmatch(fault)]


@pytest.mark.parametrize("width", [1280, 600, 390], ids=["desk", "tablet", "phone"])
def test_it_is_readable_on_every_screen(browser: Chromium, report: Path, width: int) -> None:
    """Light and dark; no error, and nothing is asked of anybody."""
    assert wrong(browser, report, width) == []
    assert wrong(browser, report, width, dark=True) == []


def test_it_prints(browser: Chromium, report: Path) -> None:
    """Black on white, for a dark screen's reader too."""
    assert wrong(browser, report, 718, dark=True, media="print") == []


def test_a_column_s_name_leads_to_its_plot(browser: Chromium, report: Path) -> None:
    """The most drifted one is the first of both."""
    browser.show(1280)
    browser.open(report)
    first = browser.evaluate("return document.querySelector('td a').textContent")
    assert first == "duration_in_month"
    assert browser.evaluate("return document.querySelector('section.column').id") == first
    browser.click("td a")
    assert browser.evaluate("return decodeURIComponent(location.hash)") == f"#{first}"


def test_what_is_asked_of_somebody_is_found(browser: Chromium, report: Path, tmp_path: Path) -> None:
    """A picture from elsewhere, as a page with a tracker would have."""
    spoilt = tmp_path / "spoilt.html"
    spoilt.write_text(
        report.read_text().replace("</main>", '<img src="http://127.0.0.1:9/x.png" alt=""></main>')
    )
    assert any("127.0.0.1:9" in fault for fault in wrong(browser, spoilt, 1280))
