"""The report of an evidence bundle in a real browser: from a disk, with no network, as its reader has it."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.evidence import Evidence, evidence
from tests.browser.faults import faults
from tests.components.chromium import Chromium

pytestmark = pytest.mark.browser

DESK, TABLET, PHONE, PAPER = 1280, 600, 390, 718
"""CSS px; the last is A4 between usual margins."""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    with Chromium(tmp_path_factory.mktemp("chromium")) as started:
        yield started


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Evidence]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield evidence(tmp_path_factory.mktemp("evidence") / "log")


@pytest.fixture(scope="module")
def report(made: Evidence) -> Path:
    return made.report("--range", f"0:0-{made.last}")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [DESK, TABLET, PHONE], ids=["desk", "tablet", "phone"])
def test_nothing_is_wrong_with_it(browser: Chromium, report: Path, width: int, dark: bool) -> None:
    """Nothing is asked of anybody, all is drawn, in its place and readable, on whatever screen, light and dark."""
    assert faults(browser, report, width=width, dark=dark) == []


def test_a_single_record_is_read_as_well(browser: Chromium, made: Evidence) -> None:
    """What was asked and answered is open to the eye; of one record nothing is drawn."""
    page = made.report("--record", made.record)
    assert faults(browser, page, width=DESK, charts=0) == []
    assert faults(browser, page, width=PHONE, dark=True, charts=0) == []
    browser.open(page)
    assert "instances" in browser.evaluate("return document.body.innerText")


def test_it_prints_black_on_white(browser: Chromium, report: Path, tmp_path: Path) -> None:
    """Also for a reader whose screen is dark; tables fit the paper."""
    assert faults(browser, report, width=PAPER, dark=True, media="print") == []
    grey = spoilt(
        report, tmp_path, ("@media screen and (prefers-color-scheme", "@media (prefers-color-scheme")
    )
    assert any("contrast" in fault for fault in faults(browser, grey, width=PAPER, dark=True, media="print"))


def test_it_needs_no_script(browser: Chromium, report: Path) -> None:
    """It has none, and without any it shows the same; what was asked and answered unfolds at a click."""
    assert faults(browser, report, width=DESK, scripts=False) == []
    browser.open(report)
    assert browser.evaluate("return document.scripts.length") == 0
    assert "instances" not in browser.evaluate("return document.body.innerText")
    browser.click("details.exchange summary")
    assert "instances" in browser.evaluate("return document.body.innerText")


def test_what_others_wrote_does_nothing(browser: Chromium, report: Path) -> None:
    """Request ids that are markup are read as they are."""
    browser.show(DESK)
    browser.open(report)
    assert browser.evaluate("return document.title").startswith("Evidence: ")
    shown = browser.evaluate("return document.body.innerText")
    assert "<script>document.title='owned'</script>" in shown
    assert "<img src=//evil.test>" in shown


# ---------------------------------------------------------------- the browser and the checks are not blind

POLICY = (
    """<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">"""
)


def spoilt(report: Path, folder: Path, *changes: tuple[str, str]) -> Path:
    """The report with texts in place of others, each of which it has."""
    text = report.read_text()
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    path = folder / "spoilt.html"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("old", "new", "width", "dark", "said"),
    [
        ("<main>", "<main><img src=x.png alt=x>", DESK, False, "the console says: "),
        ("<main>", "<main><script>1</script>", DESK, False, "the console says: "),
        ("<title>Evidence: ", "<title>", DESK, False, "its title is"),
        ("<h2>Packages</h2>", "<h4>Packages</h4>", DESK, False, "skips a level"),
        ("main{max-width", "main{min-width:600px;max-width", PHONE, False, "600 px wide in a window of"),
        ("prefers-color-scheme:dark", "prefers-color-scheme:light", DESK, True, "wants dark"),
        ("--soft:#5b6675", "--soft:#9aa5b1", DESK, False, "text with a contrast of"),
        ("--soft:#a7b2bf", "--soft:#5b6675", DESK, True, "text with a contrast of"),
        ("--good:#2f6db5", "--good:#cfe0f2", DESK, False, "a mark with a contrast of"),
        ("svg text{font-size:12px", "svg text{font-size:6px", DESK, False, "text of 6.0 px"),
        ("repeat(3,1fr)", "repeat(12,1fr)", DESK, False, "text torn into"),
        ("svg.columns{", "svg.columns{display:none;", DESK, False, "0 × 0 px"),
        ("rect.good,", "rect{height:0}rect.good,", DESK, False, "nothing is drawn"),
        ("svg .spare{display:none}", "", PHONE, False, "lie on each other"),
        ("svg.rows{padding-right:130px", "svg.rows{padding-right:0", PHONE, False, "leaves its box"),
        ("position:sticky", "position:static", PHONE, False, "nothing says which row"),
        (".scroll{overflow-x:auto}", ".scroll{overflow-x:hidden}", PHONE, False, "is never seen"),
    ],
)  # fmt: skip
def test_a_page_that_is_spoilt_is_found(
    browser: Chromium, report: Path, tmp_path: Path, old: str, new: str, width: int, dark: bool, said: str
) -> None:
    """Each check sees what it is there for."""
    found = faults(browser, spoilt(report, tmp_path, (old, new)), width=width, dark=dark)
    assert any(said in fault for fault in found), found


def test_the_network_is_refused_and_what_was_tried_is_seen(
    browser: Chromium, report: Path, tmp_path: Path
) -> None:
    """Loopback too. With its policy the page would not even have tried."""
    with socket.create_server(("127.0.0.1", 0)) as nearby:
        address = f"http://127.0.0.1:{nearby.getsockname()[1]}/x.png"
        wanting = ("<main>", f'<main><img src="{address}" alt=x><img src="http://evil.test/y.png" alt=y>')
        open_to_all = spoilt(report, tmp_path, wanting, (POLICY, ""))
        found = faults(browser, open_to_all, width=DESK)
        assert f"it asks for {address}" in found
        assert "it asks for http://evil.test/y.png" in found
        browser.open(open_to_all)
        assert [each.failed for each in browser.requests()] == [False, True, True]
        browser.open(spoilt(report, tmp_path, wanting))
        assert all("Content Security Policy" in message for message in browser.messages())
        assert [each.address for each in browser.requests() if not each.failed] == [open_to_all.as_uri()]
        nearby.setblocking(False)
        with pytest.raises(BlockingIOError):
            nearby.accept()


def test_scripts_are_off_when_they_are_said_to_be(browser: Chromium, report: Path, tmp_path: Path) -> None:
    """One that the page has does not run, and does otherwise."""
    page = spoilt(report, tmp_path, ("<main>", "<main><script>document.title='ran'</script>"), (POLICY, ""))
    titles = []
    for scripts in (False, True):
        browser.show(DESK, scripts=scripts)
        browser.open(page)
        titles.append(browser.evaluate("return document.title"))
    assert titles == ["Evidence: range 0:0-91", "ran"]
