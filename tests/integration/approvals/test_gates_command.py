"""affiant gate run, list, show: what is judged, what is written, and who is believed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from registry.policy import GATES as NAMES
from registry.policy import load_policy
from registry.statement import GATES
from tests.components.approvals import POLICY, Done, House, affiant, swapped
from tests.components.packages import credit_package, credit_table
from tests.components.webhook import Receiver

DOCUMENTS = "\n".join(
    f"{key}: What people wrote of it, long enough."
    for key in ("purpose", "bias_notes", "privacy_flags", "data_sheet")
)


def run(house: House, *more: object, documents: str = f"{DOCUMENTS}\nowners: [Ada]") -> Done:
    """`affiant gate run --json` for the service credit, under the policy in force unless `more` says otherwise."""
    house.file("documents.yaml").write_text(documents)
    return affiant(
        "gate", "run", house.digest, "--service", "credit", "--documents", house.file("documents.yaml"), "--json",
        *more, *house.config,
    )  # fmt: skip


def show(house: House, *more: object) -> Done:
    """`affiant gate show`."""
    return affiant("gate", "show", house.digest, *more, *house.config)


def test_results_that_are_signed_are_those_that_admission_looks_at(house: House) -> None:
    """With them, two people admit the package; the report names what was looked at."""
    done = run(house, "--key", house.key("pipeline"))
    assert (done.code, done.json["passed"], done.json["signed"]) == (0, True, True), done
    report = done.json["report"]
    assert report["policy"] == load_policy(house.file("policy.yaml")).digest
    assert report["data"].keys() == {"documents"}
    assert house.sign("approve", "dan", "legal").code == 0
    assert house.sign("approve", "bob", "compliance").json["admitted"] is True
    found = show(house, "--json").json["results"]
    assert [(each["offset"], each["speaker"], each["counts"]) for each in found] == [
        (done.json["offset"], "pipeline", True)
    ]
    assert found[0]["predicate"]["made"] == report["made"]


def test_without_a_key_nothing_is_written_and_the_output_says_so(house: House) -> None:
    """For people's own looks."""
    before = house.board().end
    assert run(house).json["signed"] is False
    done = affiant(
        "gate",
        "run",
        house.digest,
        "--service",
        "cards",
        "--documents",
        house.file("documents.yaml"),
        *house.config,
    )
    assert done.code == 0
    assert "nothing was written to the governance log: --key signs results into it" in done.out
    assert "all gates passed" in done.out
    assert house.board().end == before


def test_a_failure_ends_with_1_and_one_line_of_json_and_is_signed_too(house: House) -> None:
    """What failed is known to everybody who would sign; the newest results count."""
    assert run(house, "--key", house.key("pipeline")).code == 0
    done = run(house, "--key", house.key("pipeline"), documents="purpose: none\n")
    assert (done.code, done.json["passed"], done.json["signed"]) == (1, False, True)
    alert = json.loads(done.err)
    assert (alert["event"], alert["level"], alert["gates"]) == ("gates failed", "error", ["documentation"])
    assert (alert["package"], alert["service"]) == (house.digest, "credit")
    assert [each["counts"] for each in show(house, "--json").json["results"]] == [False, True]
    assert "documentation" in house.sign("approve", "dan", "legal").json["reasons"][0]


def test_a_hold_out_that_breaks_the_data_contract_halts_and_alerts(tmp_path: Path) -> None:
    """Exit code 1, a line of JSON, the webhook, and nobody signs for it; the same rows unbroken pass."""
    gates = (
        ("size: {megabytes: 50}", "data_contract: {}"),
        ("[documentation]", "[documentation, data_contract]"),
    )
    policy = swapped(POLICY, *gates)
    with Receiver() as hook:
        (tmp_path / "hook.txt").write_text(hook.url)
        house = House.build(tmp_path, [credit_package()], policy=policy)
        settings = house.file("affiant.toml")
        settings.write_text(settings.read_text() + 'webhook_url_file = "hook.txt"\n')
        rows = credit_table().frame.head(100)
        rows.assign(housing=rows["housing"].where(rows.index >= 25, "a caravan")).to_csv(
            tmp_path / "broken.csv"
        )
        rows.to_csv(tmp_path / "whole.csv")
        words = ("--key", house.key("pipeline"), "--holdout")
        done = run(house, *words, tmp_path / "broken.csv")
        refused = house.sign("approve", "dan", "legal")
        again = run(house, *words, tmp_path / "whole.csv")
    assert (done.code, done.json["passed"], done.json["signed"]) == (1, False, True)
    failed = [each for each in done.json["report"]["results"] if each["verdict"] == "failed"]
    assert [(each["name"], each["reason"]) for each in failed] == [
        ("data_contract", "'housing': 25.00% unknown categories; 0.00% are allowed")
    ]
    alert = json.loads(done.err)
    assert (alert["event"], alert["level"]) == ("gates failed", "error")
    assert (alert["package"], alert["gates"]) == (house.digest, ["data_contract"])
    first, second = (post.body for post in hook.posts)
    assert first["text"] == "credit did not pass its gates for credit: data_contract"
    assert "25.00% unknown categories" in json.dumps(first["blocks"])
    assert (refused.code, refused.json["signed"]) == (1, False)
    assert "gates that did not pass, or did not run: data_contract" in refused.json["reasons"][0]
    assert (again.code, again.json["passed"], again.err) == (0, True, "")
    assert second["text"].startswith("credit waits for signatures")


@pytest.mark.parametrize("person", ["ann", "eve"])
def test_a_key_without_the_role_is_refused_before_a_gate_runs(house: House, person: str) -> None:
    """Ann has other roles, Eve none; nothing is written."""
    before = house.board().end
    done = run(house, "--key", house.key(person))
    assert (done.code, done.out) == (1, "")
    assert "has not the role gates: nobody would count what it signs; no gate was run" in done.err
    assert house.board().end == before


def test_a_key_that_others_can_read_is_refused(house: House) -> None:
    """As for every key of ours."""
    house.key("pipeline").chmod(0o644)
    done = run(house, "--key", house.key("pipeline"))
    assert done.code == 2
    assert "can be read by others" in done.err


def test_another_policy_than_the_one_in_force_is_said(house: House) -> None:
    """Its results stand in the log, and do not count."""
    other = house.file("other.yaml")
    other.write_text(POLICY.replace("megabytes: 50", "megabytes: 60"))
    done = run(house, "--policy", other, "--key", house.key("pipeline"))
    assert (done.code, done.json["signed"]) == (0, True)
    assert "and not this one: results under another do not count" in done.err
    assert [each["counts"] for each in show(house, "--json").json["results"]] == [False]


def test_others_words_are_shown_as_what_they_are_and_steer_no_terminal(house: House) -> None:
    """Whoever can write to the log can say anything in it."""
    bad = "\x1b[2J\x1b]0;owned\x07 passed"
    results = [{"name": bad, "verdict": bad, "reason": bad}, "none", {"name": 7}]
    policy = load_policy(house.file("policy.yaml")).digest
    house.say("ann", GATES, {"service": "credit", "policy": policy, "results": results, "made": bad})
    house.say("eve", GATES, {"service": "credit", "policy": policy, "results": []})
    house.say("ann", GATES, {"service": [bad], "policy": bad, "results": bad})
    done = show(house)
    assert done.code == 0
    assert "this key has not the role gates" in done.out
    assert "these count" not in done.out
    assert not {"\x1b", "\x07"} & set(done.out)
    assert [each["may"] for each in show(house, "--json").json["results"]] == [False, False]


def test_show_of_a_package_without_results_ends_with_1(house: House) -> None:
    """It says how to make some; results of another service are not this one's."""
    assert "there are no gate results" in show(house).out
    house.gates()
    assert (show(house).code, show(house, "--service", "cards").code) == (0, 1)
    assert "these count" in show(house, "--service", "credit").out


def test_the_report_is_one_page(house: House) -> None:
    """Beside the results."""
    out = house.file("gates.html")
    assert run(house, "--out", out).json["html"] == str(out)
    page = out.read_text()
    assert house.digest in page
    assert page.count("<section") == len(("all", "documentation", "size", "not shown"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--service", "loans"], "no service 'loans'; it has"),
        (["--policy", "{directory}/absent.yaml"], "cannot read"),
        (["--out", "{directory}/absent/page.html"], "there is no directory"),
        (["--documents", "{directory}/list.yaml"], "a mapping is wanted"),
        (["--documents", "{directory}/broken.json"], "cannot be read"),
        (["--holdout", "{directory}/list.yaml"], "a table is .csv or .parquet"),
    ],
)
def test_wrong_usage_says_what_and_where(house: House, words: list[str], said: str) -> None:
    """Exit code 2, nothing measured."""
    house.file("list.yaml").write_text("- purpose\n")
    house.file("broken.json").write_text("{")
    done = run(house, *(word.format(directory=house.directory) for word in words))
    assert done.code == 2
    assert said in " ".join(done.err.replace("│", " ").split())


def test_a_digest_that_the_store_does_not_have_ends_with_1(house: House) -> None:
    """As for the other commands."""
    missing = house.copy(house.directory / "again")
    missing.digest = f"sha256:{'ab' * 32}"
    assert run(missing).code == 1


def test_a_store_and_a_policy_are_enough(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For a pipeline that has no settings file."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AFFIANT_CONFIG", raising=False)
    words = ["--store", house.directory / "data" / "store", "--policy", house.file("policy.yaml")]
    done = affiant("gate", "run", house.digest, "--service", "credit", *words, "--json")
    assert done.code == 1
    assert [each["verdict"] for each in done.json["report"]["results"]] == ["failed", "passed"]
    assert "no documents were given" in done.json["report"]["results"][0]["reason"]


def test_the_list_has_every_gate_with_what_it_needs() -> None:
    """And with --json each limit with its description."""
    told = affiant("gate", "list", "--json").json
    assert [each["name"] for each in told] == list(NAMES)
    assert all(limit["description"] for each in told for limit in each["limits"].values())
    assert "the hold-out with its target" in affiant("gate", "list").out


def test_what_is_live_is_compared_with_whether_or_not_it_is_named(house: House) -> None:
    """Left out, `--live` is what the governance log says; before a first deployment there is none."""
    compared = house.file("compared.yaml")
    compared.write_text(
        POLICY.replace("size: {megabytes: 50}", "quality: {metrics: {auc: {worse_than_live_by: 0.01}}}")
    )
    assert run(house, "--policy", compared).json["report"]["live"] is None
    house.gates()
    for person, role in (("dan", "legal"), ("bob", "compliance")):
        assert house.sign("approve", person, role).code == 0
    words = ["deploy", "credit", house.digest, "--reason", "because", "--key", house.key("dan"), "--yes"]
    house.ok(*words, *house.config)
    assert run(house, "--policy", compared).json["report"]["live"] == house.digest
    assert run(house).json["report"]["live"] is None  # its policy compares nothing
    named = ["--policy", compared, "--key", house.key("pipeline"), "--live"]
    done = run(house, *named, "sha256:" + "00" * 32)
    assert (done.code, done.out) == (1, "")
    assert f"and {house.digest} is live for credit: such results do not count; no gate was run" in done.err
    assert run(house, *named, house.digest[:20]).json["report"]["live"] == house.digest
