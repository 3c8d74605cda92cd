"""The page of a run: every figure there is, nothing from elsewhere, and no text that becomes markup."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import pytest

from registry.gates.base import GateReport, GateResult
from registry.gates.report import page, summary
from registry.gates.report.plots import Mark, scales

BAD = "<script>alert(1)</script>\"'&"


def result(
    name: str, figures: dict[str, Any], limits: dict[str, Any] | None = None, reason: str = ""
) -> GateResult:
    return GateResult(
        name=name,
        verdict="failed" if reason else "passed",
        reason=reason,
        figures=figures,
        limits=limits or {},
        versions={"numpy": "2"},
    )


GROUP = {"count": 40.0, "rate": 0.75, "true_positive_rate": 0.9, "false_positive_rate": None, "judged": True}
RESULTS = (
    result("documentation", {"characters": {"purpose": 40, BAD: 0}}, {"required": [BAD]}, f"{BAD} is missing"),
    result("data_contract", {"rows": 300, "columns": {BAD: {"missing": 0.5, "unknown": 0.0}, "b": {"missing": 0.0}},
                             "suite": {"name": BAD, "held": 0, "expectations": 1, "results": [
                                 {"held": False, "type": "expect_x", "column": BAD, "said": "3 of 9 unexpected"}]}}),
    result(
        "privacy",
        {
            "columns": 2, "texts": 3, "rows": [2], "recognizers": ["EmailRecognizer"], "ner": None,
            "found": {BAD: {"by_name": None, "allowed": False,
                            "entities": {"URL": {"cells": 1.0, "rows": 2.0, "score": 0.5}}}},
        },
    ),
    result(
        "quality",
        {"rows": 300, "auc": {"value": 0.73, "low": 0.66, "high": 0.79, "live": 0.92},
         "rmse": {"value": 12.0, "low": 11.0, "high": 13.0}},
        {"confidence": 0.95, "metrics": {"auc": {"minimum": 0.7, "worse_than_live_by": 0.03}, "rmse": {"maximum": 20}}},
    ),
    result(
        "fairness",
        {BAD: {"groups": {BAD: GROUP, "b": {**GROUP, "rate": 0.2}, "c": {**GROUP, "count": 2.0, "judged": False}},
               "demographic_parity_difference": 0.55, "demographic_parity_ratio": 0.27,
               "demographic_parity_interval": {"low": 0.3, "high": 0.7, "confidence": 0.95},
               "equalized_odds_difference": None}},
        {"favourable": "negative", "demographic_parity_ratio": 0.8},
    ),
    result("robustness", {"rows": 5, "predictions": 50, "decisions_changed_by_missing": {BAD: 0.2}}),
    result("latency", {"p50_milliseconds": 0.03, "p99_milliseconds": 0.6, "calls": 500}, {"p99_milliseconds": 20}),
    result(
        "drift",
        {"rows": 300, "columns": {BAD: {"ks_lower": 0.4, "ks_upper": 0.5, "chance": 0.1}},
         "traffic": {"rows": 400, "columns": {BAD: {"ks_lower": 0.02, "ks_upper": 0.03, "chance": 0.1}},
                     "began": 1_790_000_000_000, "ended": 1_790_000_001_000, "topic": "5e", "unread": {BAD: 3},
                     "ranges": [{"partition": 2, "first": 5, "last": 404}], "packages": {f"sha256:{'d' * 64}": 400},
                     "sha256": "e" * 64, "counts_sha256": "f" * 64}},
        {"ks": 0.05, "ignore": []},
    ),
    result("explanation", {}, reason="could not run: x"),
    result("somebodys_own", {"score": 0.5, "list": [1, 2], "flag": True}),
)  # fmt: skip


class Tags(HTMLParser):
    """Every tag with its attributes, and whether each was closed."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in {"meta", "br"}:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def made() -> str:
    """The page of all that is above."""
    report = GateReport(
        package=f"sha256:{'a' * 64}", service="credit", policy=f"sha256:{'b' * 64}", live=None,
        data={"holdout": f"sha256:{'c' * 64}"}, made="2026-01-02T03:04:05.678+00:00", results=RESULTS,
    )  # fmt: skip
    return page(report, BAD)


def test_no_text_becomes_markup(made: str) -> None:
    """Names of columns and groups are a stranger's; the page is well formed with them in it."""
    tags = Tags()
    tags.feed(made)
    assert tags.open == []
    names = {tag for tag, _ in tags.seen}
    assert not names & {"script", "link", "img", "iframe", "object", "form", "base"}
    assert not [key for _, attributes in tags.seen for key in attributes if key.startswith("on")]
    assert made.count("&lt;script&gt;alert(1)") >= 8


def test_the_page_asks_nobody_for_anything(made: str) -> None:
    """No address but the names of XML; links lead within the page."""
    assert "default-src 'none'" in made
    assert set(re.findall(r"https?://[^\"' ]+", made)) <= {"http://www.w3.org/2000/svg"}
    assert not re.search(r"url\(|@import|src=", made)
    links, ids = set(re.findall(r'href="#([^"]+)"', made)), set(re.findall(r'id="([^"]+)"', made))
    assert links == ids == {each.name for each in RESULTS}


def test_intervals_groups_and_limits_are_drawn_and_said(made: str) -> None:
    """For those who see the plot, and for those who read."""
    assert "0.7300 [0.6600, 0.7900] · at least 0.7 · live 0.9200" in made
    assert (
        '<rect class="bad" x="66.00%" y="8.0" width="13.00%" height="6"' in made
    )  # its lower end is below the limit
    assert made.count('height="6" rx="3"') == 2  # rmse
    assert "75.0% of 40 · TPR 90.0% · FPR –" in made
    assert "low 0.3, high 0.7, confidence 0.95" in made
    assert "<td class=key>equalized odds difference</td><td class=value>–</td>" in made
    assert made.count('class="bad" x="0" y="5" width="20.00%"') == 1  # below four fifths of the best
    assert made.count('class="other" x="0"') == 1  # too few
    assert "names of people are found by no pattern" in made
    assert "3 of 9 unexpected" in made


def test_light_and_dark(made: str) -> None:
    """The style of the house has both."""
    assert "prefers-color-scheme:dark" in made


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0, 2.0])
def test_a_mark_stays_on_its_scale(value: float) -> None:
    """Whatever was measured."""
    places = [
        float(each) for each in re.findall(r'(?:width|cx|x\d)="([\d.]+)%"', scales([Mark("x", value, "")]))
    ]
    assert places
    assert all(0 <= each <= 100 for each in places)


def test_a_line_for_each_gate() -> None:
    """For the table of the command; one that could not run has none."""
    told = {each.name: summary(each) for each in RESULTS}
    assert told["documentation"] == "1 of 2 texts"
    assert told["quality"] == "auc 0.7300 [0.6600, 0.7900], rmse 12.0000 [11.0000, 13.0000] on 300 rows"
    assert told["data_contract"] == "300 rows, 2 columns; 0 of 1 expectations"
    assert told["fairness"] == (
        f"{BAD}: difference 0.550 [0.300, 0.700], ratio 0.270, 1 of 3 groups not judged: c (2 rows)"
    )
    older = {"a": {"demographic_parity_difference": 0.1, "demographic_parity_ratio": "nan"}}
    assert summary(result("fairness", older)) == "a: difference 0.100, ratio nan"
    assert told["latency"] == "p50 0.03 ms, p99 0.6 ms"
    assert told["explanation"] == ""
    assert told["somebodys_own"] == "score 0.5000, flag True"


def test_recent_traffic_is_told_with_its_ranges(made: str) -> None:
    """Beside the hold-out: offsets, log, digests, and what could not be read."""
    for shown in (
        "Hold-out: 300 rows",
        "Recent traffic: 400 rows",
        "2:5-404",
        "e" * 64,
        "f" * 64,
        "2026-09-21",
    ):
        assert shown in made, shown
    (drift,) = (each for each in RESULTS if each.name == "drift")
    assert summary(drift).endswith("KS 0.020, on 400 rows of recent traffic")
