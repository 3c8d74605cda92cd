"""Cards: what is missing is said to be missing, and what people wrote never becomes markup."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from typing import Any

import pytest
import yaml
from markdown_it import MarkdownIt

from audit.errors import ConfigError
from registry.cards.cards import render
from registry.cards.documents import parse_documents, risk_gaps
from registry.cards.facts import Facts, deployments_of
from registry.cards.fields import DATA_SHEET, PEOPLE, RISKS, schema, template
from registry.cards.render import MISSING, plain
from registry.deployment import Deployed, Deployment, Event, Placed
from registry.gates.base import Datasets
from registry.gates.documentation import judge
from registry.lineage import DataSet
from registry.package import Package
from registry.policy.gates import Documentation
from tests.components.lineage import package_of
from tests.components.packages import credit_package, number_package

HOSTILE = (
    "<script>alert(1)</script> <img src=x onerror=y> [a](http://b) ![c](d) **e** _f_ `g` # h\n# i\n- j\n| k | l |\n"
    "---\n> m &lt; &#60; <!-- n --> http://o.example www.p.example ~~q~~ $r$ \\ \x1b[31m \u202e s"
)


def card(package: Package | None = None, **changed: Any) -> dict[str, str]:
    """The cards of a package of which nobody has said anything."""
    facts: dict[str, Any] = {
        "governed": True, "policy": None, "services": (), "deployments": (), "deprecated": {}, "documents": None,
    } | changed  # fmt: skip
    made = render(Facts(package or credit_package(), **facts), now=1_700_000_000.0, publisher=None)
    return {name: content.decode() for name, content in made.items()}


def documents(text: str) -> Any:
    """With this text in every field."""
    content: dict[str, Any] = dict.fromkeys(PEOPLE, text) | {"own": text, "owners": [text, text]}
    content |= {"data_sheet": dict.fromkeys(DATA_SHEET, text), "risk_assessment": dict.fromkeys(RISKS, text)}
    return parse_documents(json.dumps(content).encode())


def services(text: str) -> tuple[dict[str, Any], ...]:
    """Gate results, approvals and reasons in which this text stands wherever somebody can write one."""
    rates = {"count": 9.0, "rate": 0.5, "true_positive_rate": 0.1, "false_positive_rate": 0.2}
    fairness = {
        text: {
            "groups": {text: {**rates, "judged": True}},
            "demographic_parity_difference": 0.1, "demographic_parity_ratio": 0.9, "disparate_impact": 0.9,
            "equalized_odds_difference": 0.1,
        }
    }  # fmt: skip
    quality = {"rows": 300, "auc": {"value": 0.8, "low": 0.7, "high": 0.9}}
    base = {"verdict": "passed", "reason": text, "versions": {text: text}}
    results = [
        {"name": "quality", "figures": quality, "limits": {"metrics": {}, "confidence": 0.95}, **base},
        {"name": "fairness", "figures": fairness, "limits": {"minimum_group": 3}, **base},
        {"name": text, "figures": {text: text}, "limits": {}, **base},
        {"name": "size", "figures": [text], "limits": text},
    ]
    slot = {
        "slot": "live", "admitted": False, "break_glass": False, "expires": 1e12, "wanted": {"legal": 1},
        "missing": {}, "approved_by": [["legal", text]], "reasons": [text],
    }  # fmt: skip
    said = {
        "offset": 3,
        "kind": "approval",
        "by": text,
        "role": "legal",
        "at": float("nan"),
        "break_glass": False,
        "rationale": text,
    }
    gates = {"offset": 2, "person": text, "logged": 1.7e9, "data": {"documents": text}, "results": results}
    return ({"service": "credit", "gates": gates, "slots": [slot], "history": [said]},)


class Tags(HTMLParser):
    """Every tag and attribute of a page, and whether they close."""

    VOID = frozenset({"meta", "br", "rect", "line", "circle"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.attributes: set[str] = set()
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def tokens(text: str) -> list[str]:
    """The kinds of everything that a Markdown reader finds."""
    found = []
    for token in MarkdownIt("commonmark").enable("table").enable("strikethrough").parse(text):
        found += [token.type, *(child.type for child in token.children or ())]
    return found


def test_what_nobody_filled_in_is_said_to_be_missing() -> None:
    """Each field by its name, in both forms; nothing is guessed."""
    made = card()
    for name, count in (
        ("model-card", len(PEOPLE)),
        ("data-sheet", len(DATA_SHEET)),
        ("risk-assessment", len(RISKS)),
    ):
        assert made[f"{name}.md"].count(MISSING) == count
        assert made[f"{name}.html"].count(MISSING) == count
    assert "No documents were given" in made["model-card.md"]
    assert "never deployed" in made["model-card.md"]
    assert "no root" in card(governed=False)["model-card.html"]
    assert "Not known: " in made["model-card.md"]


def test_one_field_that_is_filled_in_is_shown_and_the_others_stay_missing() -> None:
    """Empty texts and empty lists are nothing."""
    raw = b"purpose: To decide.\nowners: ['', '  ']\nlimits:\ndata_sheet: {licence: CC BY 4.0}\n"
    made = card(documents=parse_documents(raw))
    assert made["model-card.md"].count(MISSING) == len(PEOPLE) - 1
    assert "- To decide." in made["model-card.md"]
    assert made["data-sheet.md"].count(MISSING) == len(DATA_SHEET) - 1


def test_the_model_card_names_its_data_and_what_is_deprecated() -> None:
    """Each set with its version and digest, the training table, and by either name of the bytes why not to use it."""
    raw, seen = "md5:" + "0" * 32, "ab" * 32
    data = (DataSet("raw.csv", raw, "dvc", True, seen), DataSet("more.csv", "md5:" + "1" * 32, "dvc", False))
    package = package_of("n", data)
    table = package.lineage["training_table"]["sha256"]
    rows = {
        "raw.csv": f"| raw.csv | {raw} | sha256:{seen} | yes |",
        "more.csv": f"| more.csv | md5:{'1' * 32} | not known | no: DVC's word alone |",
        "numbers": f"| numbers | sha256:{table} | sha256:{table} | yes |",
    }
    for gone in ({}, {raw: "withdrawn"}, {f"sha256:{seen}": "withdrawn"}):
        made = card(package, deprecated=gone)
        section = made["model-card.md"].partition("\n## Data\n")[2].partition("\n## ")[0]
        for name, row in rows.items():
            assert f"{row} {'YES: withdrawn' if gone and name == 'raw.csv' else 'no'} |" in section
        assert f"| sha256 | {table} |" in section
        page = made["model-card.html"].partition("<h2>Data</h2>")[2].partition("</section>")[0]
        assert page.count("YES: withdrawn") == len(gone)
        assert all(each in page for each in (raw, seen, table))
    assert "yes | not known |" in card(package, governed=False)["model-card.md"]
    bare = card(package_of("n", (), training_table=json.dumps(None)))
    assert all("Nobody said what it was made of" in bare[f"model-card.{form}"] for form in ("md", "html"))


@pytest.mark.parametrize("name", ["model-card", "data-sheet", "risk-assessment"])
def test_what_people_wrote_never_becomes_markup(name: str) -> None:
    """The same elements as with harmless texts, in HTML and for a Markdown reader."""
    table = f"sha256:{credit_package().lineage['training_table']['sha256']}"
    made, harmless = (
        card(
            documents=documents(text), services=services(text), deprecated={table: text, "sha256:0": text},
            deployments=(
                {"service": "credit", "slot": "live", "share": 1.0, "from": 0.0, "until": None}
                | {"by": text, "reason": text},
            ),
        )
        for text in (HOSTILE, "harmless")
    )  # fmt: skip
    page, plain_page = Tags(made[f"{name}.html"]), Tags(harmless[f"{name}.html"])
    assert not page.open
    assert (page.seen, page.attributes) == (plain_page.seen, plain_page.attributes)
    assert tokens(made[f"{name}.md"]) == tokens(harmless[f"{name}.md"])
    assert "\x1b" not in made[f"{name}.md"]


def test_a_text_reads_in_markdown_as_it_was_written() -> None:
    """Escaped, it comes out again as one line."""
    rendered = MarkdownIt("commonmark").enable("table").parse(str(plain(HOSTILE)))
    inline = rendered[1].children or []
    assert {each.type for each in inline} == {"text"} | {
        each.type for each in inline if each.type == "text_special"
    }
    assert "<script>alert(1)</script>" in "".join(each.content for each in inline)


def test_performance_and_fairness_are_shown_with_intervals_and_groups() -> None:
    """Of the gates that count, as plots in HTML and tables in Markdown."""
    made = card(services=services("women"))
    assert "| auc | 0.8 | 0.7 to 0.9 | – |" in made["model-card.md"]
    assert "| women | women | 9 | 0.5 | 0.1 | 0.2 | yes |" in made["model-card.md"]
    for name in ("quality", "fairness"):  # the gates' own plots
        assert (
            "<svg"
            in made["model-card.html"].partition(f'<section id="{name}">')[2].partition("</section>")[0]
        )
    assert made["data-sheet.html"].count("<svg") == 20  # a plot for each feature
    assert "script" not in Tags(made["data-sheet.html"]).seen


def test_cards_of_any_package_are_made() -> None:
    """More than two classes, numbers alone, missing values."""
    made = card(number_package("three", classes=3))
    assert "| classes | 0, 1, 2 |" in made["model-card.md"]
    assert made["model-card.html"].count("<svg") == 3


def test_a_card_says_whose_environment_and_commit_it_shows() -> None:
    """The publishing machine's libraries are not the training's, of old packages neither; and no commit is a guess."""
    profile = {"rows": 7, "duplicates": 1, "columns": [
        {"name": "income", "type": "number", "missing": 2, "distinct": 5}, HOSTILE,
    ]}  # fmt: skip
    data = [
        {**DataSet("raw.csv", "md5:" + "0" * 32, "dvc", False).told(), "profile": profile},
        {"profile": [1]},
    ]
    old = {"python": "3.11.9", "libraries": {"xgboost": "3.1"}}
    for environment, git, says in (
        (old, {"commit": "c0ffee", "dirty": False}, "| git commit | c0ffee |"),
        ({**old, "of": "publisher"}, {"commit": "c0ffee", "dirty": True, "source": "work tree"},
         "c0ffee, and files differed from it (of the work tree in which the model or its table lay)"),
    ):  # fmt: skip
        origin = json.dumps({**number_package().lineage["origin"], "data": data})
        package = package_of("n", (), environment=json.dumps(environment), git=json.dumps(git), origin=origin)
        made = card(package)
        assert "| published with: python | 3.11.9 |" in made["model-card.md"]
        assert "environment:" not in made["model-card.md"]
        assert says in made["model-card.md"]
        assert "7 rows, 1 of them twice" in made["data-sheet.md"]
        assert "| income | number | 2 | 5 |" in made["data-sheet.md"]
        assert made["data-sheet.html"].count("income") == 1


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"risk_assessment: {harm: x}", "risk_assessment.harm: unknown field; did you mean 'harms'?"),
        (b"data_sheet: {licens: x}", "data_sheet.licens: unknown field; did you mean 'licence'?"),
        (b"purpose: {a: 1}", "purpose: text, or a list of texts, is wanted"),
        (b"a: &x [1]\nb: *x", "aliases are not read"),
        (b"- 1", "a mapping is wanted"),
        (b"a: [", "not YAML"),
        (b"\xff", "not YAML"),
        (b"a: !!python/object/apply:os.system [ls]", "not YAML"),
    ],
)
def test_documents_that_are_none_are_refused(raw: bytes, why: str) -> None:
    """With the file and the field."""
    with pytest.raises(ConfigError, match=r"documents\.yaml") as refused:
        parse_documents(raw)
    assert why in str(refused.value)


def test_the_template_is_empty_and_the_schema_knows_its_fields() -> None:
    """Nothing in it is filled in; each field of it is in the schema."""
    found = parse_documents(template().encode())
    assert not any((*found.texts().values(), *found.data_sheet().values(), *found.risks().values()))
    assert set(yaml.safe_load(template())) == set(schema()["properties"])
    assert set(schema()["$defs"]["RiskAssessment"]["properties"]) == set(RISKS)


def test_a_risk_assessment_has_gaps_until_every_field_is_filled_in() -> None:
    """Each by its name; a name and a date may be short."""
    whole: dict[str, Any] = {name: "x" if field.short else "x" * 20 for name, field in RISKS.items()}
    assert risk_gaps(whole, 20) == []
    assert risk_gaps(yaml.safe_load(json.dumps(whole | {"date": "?"}).replace('"?"', "2026-01-31")), 20) == []
    assert risk_gaps(None, 20) == ["risk_assessment is missing"]
    assert risk_gaps("looked at it, all is well", 20) == ["risk_assessment is not a mapping of its fields"]
    for name, field in RISKS.items():
        assert risk_gaps({**whole, name: " "}, 20) == [f"risk_assessment.{name} is missing"]
        short = risk_gaps({**whole, name: ["x", "y"]}, 20)
        assert short == ([] if field.short else [f"risk_assessment.{name} has 2 characters; 20 are needed"])
        assert risk_gaps({**whole, name: {"a": "b"}}, 20) == [f"risk_assessment.{name} is missing"]


def test_a_policy_can_require_the_risk_assessment() -> None:
    """The gate `documentation` fails for each field that is not filled in, and passes when all are."""
    limits = Documentation(required=("purpose", "risk_assessment"))
    written: dict[str, Any] = {"purpose": "x" * 20, "risk_assessment": dict.fromkeys(RISKS, "y" * 20)}
    assert judge(credit_package(), Datasets(documents=written), limits).failures == ()
    written["risk_assessment"]["harms"] = None
    found = judge(credit_package(), Datasets(documents=written), limits)
    assert found.failures == ("risk_assessment.harms is missing",)
    found = judge(credit_package(), Datasets(documents={"purpose": "x" * 20}), limits)
    assert found.failures == ("risk_assessment is missing",)


def test_the_live_history_tells_each_stretch_of_one_place() -> None:
    """From when until when, in which slot and share; events that leave it where it is begin no new one."""
    own, other = "sha256:" + "ab" * 32, "sha256:" + "cd" * 32
    plans = [
        [Placed(digest=other, weight=0.9), Placed(digest=own, slot="canary", weight=0.1)],
        [Placed(digest=own)],
        [Placed(digest=own)],  # a pause
        [Placed(digest=other)],
        [Placed(digest=other), Placed(digest=own, slot="shadow")],
    ]
    events = tuple(
        Event(
            offset, offset * 1000,
            Deployment(service="credit", action="deploy", plan=plan, reason="r", actor="a", at=0), "dan", "deploy",
            "changes nothing" if offset == 9 else None,
        )
        for offset, plan in (*enumerate(plans), (9, [Placed(digest=other)]))
    )  # fmt: skip
    found = deployments_of([Deployed("credit", events, events[-2])], own)
    assert [(each["slot"], each["share"], each["from"], each["until"]) for each in found] == [
        ("canary", 0.1, 0.0, 1.0), ("live", 1.0, 1.0, 3.0), ("shadow", 1.0, 4.0, None),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "odd", [None, 3, [], {}, [[1]], {"a": {}}, "x", float("nan"), 10**400, True, "\ud800"]
)
def test_whatever_a_signer_of_gate_results_wrote_is_shown(odd: Any) -> None:
    """Any JSON, wherever it stands: a page, and no failure."""
    (told,) = services("harmless")
    results = [{"name": odd, "verdict": odd, "reason": odd, "figures": odd}]
    results += [
        {"name": name, "verdict": "passed", "reason": "", "limits": {"metrics": odd, "confidence": odd}, "versions": {},
         "figures": {"rows": odd, "auc": odd, "sex": {"groups": odd}, "age": {"groups": {"x": {"rate": odd}}}}}
        for name in ("quality", "fairness")
    ]  # fmt: skip
    history = [told["history"][0] | {"rationale": odd, "role": odd, "at": odd}]
    for data in (odd, {"documents": odd}):
        gates = told["gates"] | {"results": results, "data": data}
        made = card(services=({**told, "gates": gates, "history": history},), documents=documents("x"))
        assert not Tags(made["model-card.html"]).open
