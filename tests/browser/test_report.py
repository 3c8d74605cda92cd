"""The report of an evidence bundle in a real browser: from a disk, with no network, as its reader has it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.evidence import evidence
from tests.browser.faults import faults
from tests.components.chromium import Chromium

pytestmark = pytest.mark.browser

DESK, PHONE = 1280, 390


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    with Chromium(tmp_path_factory.mktemp("chromium")) as started:
        yield started


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        return evidence(tmp_path_factory.mktemp("evidence") / "bundle")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [DESK, PHONE], ids=["desk", "phone"])
def test_nothing_is_wrong_with_it(browser: Chromium, report: Path, width: int, dark: bool) -> None:
    """Nothing is asked of anybody, all is drawn, in its place and readable, on a desk and a phone, light and dark."""
    assert faults(browser, report, width=width, dark=dark) == []
