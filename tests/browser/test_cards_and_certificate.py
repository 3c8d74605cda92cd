"""The pages of cards and of a certificate in a real browser: readable on every screen, light, dark and on paper."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.faults import faults
from tests.components.approvals import House
from tests.components.chromium import Chromium
from tests.components.packages import credit_package

pytestmark = pytest.mark.browser

# What is of the evidence bundle's report alone: its title, its number of charts and their legend.
_ITS_OWN = re.compile(r"its title is '.*|\d+ charts, not 5|no legend", re.DOTALL)
PAGES = ("model-card", "data-sheet", "risk-assessment", "certificate")


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    with Chromium(tmp_path_factory.mktemp("chromium")) as started:
        yield started


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a package that two people have approved; with a name and a reason that are long, and no words."""
    directory = tmp_path_factory.mktemp("house")
    house = House.build(directory, [credit_package()])
    house.gates()
    long = "0123456789abcdef" * 12
    for person, role in (("dan", "legal"), ("bob", "compliance")):
        assert house.sign("approve", person, role, rationale=f"read, and kept under {long}").code == 0
    words = ["deploy", "credit", house.digest, "--reason", long, "--key", house.key("dan"), "--yes"]
    house.ok(*words, *house.config)
    house.ok("card", "render", house.digest, "--out", directory / "pages", *house.config)
    out = directory / "credit.zip"
    house.ok("certificate", house.digest, "--service", "credit", "--out", out, *house.config)
    with zipfile.ZipFile(out) as opened:
        (name,) = (each for each in opened.namelist() if each.endswith(".html"))
        (directory / "pages" / "certificate.html").write_bytes(opened.read(name))
    return directory / "pages"


def wrong(
    browser: Chromium, page: Path, width: int, *, dark: bool = False, media: str = "screen"
) -> list[str]:
    """What is wrong with it, shown so: on the console, asked of others, too wide, too pale."""
    found = faults(browser, page, width=width, dark=dark, media=media)
    return [each for each in found if not _ITS_OWN.fullmatch(each)]


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("width", [1280, 390], ids=["desk", "phone"])
def test_it_is_readable_on_every_screen(browser: Chromium, pages: Path, name: str, width: int) -> None:
    """Light and dark; nothing is asked of anybody."""
    page = pages / f"{name}.html"
    assert wrong(browser, page, width) == []
    assert wrong(browser, page, width, dark=True) == []
    assert credit_package().digest in browser.evaluate("return document.body.innerText")


@pytest.mark.parametrize("name", PAGES)
def test_it_prints(browser: Chromium, pages: Path, name: str) -> None:
    """Black on white, for a dark screen's reader too."""
    assert wrong(browser, pages / f"{name}.html", 718, dark=True, media="print") == []


def test_a_page_that_asks_for_something_or_is_too_wide_is_found(
    browser: Chromium, pages: Path, tmp_path: Path
) -> None:
    """Else the tests above would show nothing."""
    spoilt = tmp_path / "spoilt.html"
    text = (pages / "certificate.html").read_text()
    spoilt.write_text(text.replace("</main>", '<img src="http://127.0.0.1:1/x.png" width="2000"></main>'))
    found = " ".join(wrong(browser, spoilt, 390))
    assert "it asks for http://127.0.0.1:1/x.png" in found
    assert len(wrong(browser, spoilt, 390)) > 1
