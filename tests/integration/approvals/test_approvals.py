"""approve, reject, revoke, status: what people sign, on real files."""

from __future__ import annotations

import getpass
import json
import time
from pathlib import Path
from typing import Any

import pytest

from audit.log import configured_governance_log
from registry.admission import Verdict
from registry.approvals.board import first_root_of
from registry.approvals.status import status_of
from registry.graph.board import Boards
from registry.graph.index import Index
from registry.package import Package
from registry.policy import parse_policy
from registry.statement import APPROVAL
from tests.components.approvals import Done, House, affiant

OTHER = "sha256:" + "ab" * 32


def slot(done: Done, name: str = "live") -> dict[str, Any]:
    """One slot of `affiant status`."""
    found = done.json["services"][0]["slots"]
    return next(each for each in found if each["slot"] == name)  # type: ignore[no-any-return]


def signed(house: House) -> int:
    """How long the governance log is."""
    return house.board().end


def test_two_people_admit_a_package(judged: House) -> None:
    """What is missing is told until nothing is; then it is admitted, and status says by whom."""
    assert judged.status().code == 1
    first = judged.sign("approve", "dan", "legal")
    assert (first.code, first.json["missing"], first.json["admitted"]) == (0, {"compliance": 1}, False)
    assert judged.status("--slot", "canary").code == 0
    second = judged.sign("approve", "bob", "compliance")
    assert (second.code, second.json["admitted"]) == (0, True), second
    done = judged.status()
    assert done.code == 0
    assert slot(done)["approved_by"] == [["compliance", "bob"], ["legal", "dan"]]
    assert done.json["services"][0]["gates"] == {"documentation": "passed", "size": "passed"}
    assert done.json["services"][0]["publisher"] == getpass.getuser()


@pytest.mark.parametrize(
    ("person", "role", "changed", "why"),
    [
        ("cyd", "legal", {}, "has not the role legal: cyd has policy"),
        ("eve", "legal", {}, "has not the role legal: the root does not know it"),
        ("ann", "officer", {}, "an approval of credit is not asked of officer, but of compliance, legal"),
        ("dan", "legal", {"digest": OTHER}, "the store does not have the package"),
        ("dan", "legal", {"service": "loans"}, "the policy has no service 'loans'; it has cards, credit"),
    ],
)
def test_what_would_not_count_is_refused(
    judged: House, person: str, role: str, changed: dict[str, str], why: str
) -> None:
    """With its reason, exit code 1, and nothing in the log."""
    before = signed(judged)
    done = judged.sign("approve", person, role, **changed)
    assert (done.code, signed(judged)) == (1, before)
    assert why in " ".join(done.json["reasons"])
    assert f"refused: {done.json['reasons'][0]}" in done.err


def test_nobody_signs_twice(judged: House) -> None:
    """Neither in the same role nor in another; renewing, before it ends, is said so."""
    assert judged.sign("approve", "ann", "legal").code == 0
    for role in ("legal", "compliance"):
        done = judged.sign("approve", "ann", role)
        assert (done.code, "nobody signs twice" in done.err) == (1, True)
    assert judged.sign("approve", "ann", "compliance", "--renew").code == 1
    before = slot(judged.status(), "canary")["expires"]
    done = judged.sign("approve", "ann", "legal", "--renew")
    assert (done.code, "signed already" in done.out) == (0, False)
    assert slot(judged.status(), "canary")["expires"] > before
    assert slot(judged.status())["missing"] == {"compliance": 1}


def test_nobody_approves_what_the_gates_have_not_judged(house: House) -> None:
    """No results; those of another key, or under another policy; those that failed: refused, each with its reason."""
    assert "no gate results" in house.sign("approve", "dan", "legal").err
    house.gates("dan")
    house.gates(policy=OTHER)
    assert "no gate results" in house.sign("approve", "dan", "legal").err
    house.gates(
        results=[{"name": "documentation", "verdict": "failed"}, {"name": "size", "verdict": "passed"}]
    )
    assert "did not pass, or did not run: documentation" in house.sign("approve", "dan", "legal").err
    # Canary asks for the one gate that legal's word for it needs.
    house.gates(results=[{"name": "documentation", "verdict": "passed"}])
    assert house.sign("approve", "bob", "compliance").code == 1
    done = house.sign("approve", "dan", "legal")
    assert (done.code, "an approval for live, too, once these gates pass: size" in done.err) == (0, True)


def test_the_publisher_does_not_approve(tmp_path: Path, package: Package) -> None:
    """Whoever published it, by its lineage; in an emergency no more than else."""
    house = House.build(tmp_path, [package], people={"dan": getpass.getuser()})
    house.gates()
    done = house.sign("approve", "dan", "legal")
    assert (done.code, f"{getpass.getuser()} published the package" in done.err) == (1, True)
    assert house.sign("approve", "ann", "legal").code == 0
    done = house.sign("approve", "dan", "officer", "--break-glass")
    assert (done.code, "not in an emergency either" in done.err) == (1, True)
    assert house.sign("approve", "bob", "officer", "--break-glass").code == 0
    assert "BREAK-GLASS" not in affiant("status", house.digest, *house.config).out


def test_another_policy_than_the_one_that_was_read_is_refused(judged: House) -> None:
    """A script says which policy it means."""
    done = judged.sign("approve", "dan", "legal", "--policy", OTHER)
    assert (done.code, "the policy in force is sha256:" in done.err) == (1, True)
    policy = judged.board().policy
    assert policy is not None
    assert judged.sign("approve", "dan", "legal", "--policy", policy.digest).code == 0


def test_a_rationale_is_wanted(judged: House) -> None:
    """A text, or a file; not nothing, and not the name of a file that is not there."""
    before = signed(judged)
    for text, why in (
        (" ", "is empty"),
        ("why.md", "there is no file why.md"),
        ("x" * 70_000, "over 65536 bytes"),
    ):
        done = judged.sign("approve", "dan", "legal", rationale=text)
        assert (done.code, why in done.err) == (2, True), done
    assert signed(judged) == before
    file = judged.file("why.md")
    file.write_text("# Looked at\n\nthe data sheet; \x1b[31mand more\n")
    assert judged.sign("approve", "dan", "legal", rationale=str(file)).code == 0
    (said,) = judged.board().about(judged.digest, {APPROVAL})
    assert said.predicate["rationale"] == file.read_text().strip()


def test_nothing_is_signed_without_a_yes(judged: House) -> None:
    """There is no terminal to ask on; what would be signed was shown, and nothing in it steers the terminal."""
    file = judged.file("why.md")
    file.write_text("first\x1b[31m\nsecond\n")
    before = signed(judged)
    done = affiant(
        "approve", judged.digest, "-s", "credit", "-r", "legal", "--rationale", file, "--key", judged.key("dan"),
        *judged.config,
    )  # fmt: skip
    assert (done.code, signed(judged)) == (2, before)
    assert "`--yes` signs without asking" in done.err
    for text in (judged.digest, "documentation  passed", "dan, with the key", "first�", "second"):
        assert text in done.out
    assert "\x1b" not in done.out


def test_what_was_seen_stands_in_the_approval(judged: House) -> None:
    """Service, role, policy, time, reason, and the hash of the gate results."""
    judged.sign("approve", "dan", "legal")
    board = judged.board()
    (said,) = board.about(judged.digest, {APPROVAL})
    assert board.policy is not None
    assert {name: said.predicate[name] for name in ("service", "role", "rationale", "break_glass", "policy")} == {
        "service": "credit", "role": "legal", "rationale": "looked at it", "break_glass": False,
        "policy": board.policy.digest,
    }  # fmt: skip
    assert said.predicate["gates"].startswith("sha256:")
    assert abs(said.predicate["at"] * 1000 - said.logged) < 60_000


def test_a_rejection_holds_until_the_same_person_approves(judged: House) -> None:
    """Whatever others sign."""
    assert judged.sign("reject", "ann", "legal", rationale="no data sheet").code == 0
    judged.sign("approve", "dan", "legal")
    done = judged.sign("approve", "bob", "compliance")
    assert (done.code, done.json["admitted"]) == (0, False)
    assert "rejected by ann (legal): no data sheet" in slot(judged.status())["reasons"]
    assert judged.sign("reject", "cyd", "legal").code == 1
    # Nor does who revokes take back another's word.
    assert judged.sign("revoke", "dan").code == 0
    judged.gates()
    judged.sign("approve", "dan", "legal")
    done = judged.sign("approve", "bob", "compliance")
    assert (done.code, done.json["admitted"]) == (0, False)
    assert "rejected by ann (legal): no data sheet" in done.json["reasons"]
    assert judged.sign("approve", "ann", "legal").json["admitted"]


def test_a_revocation_voids_gates_and_approvals(judged: House) -> None:
    """Whoever may sign may revoke, whatever has become of the store; then all is wanted again."""
    judged.sign("approve", "dan", "legal")
    judged.sign("approve", "bob", "compliance")
    assert judged.sign("revoke", "cyd").code == 1
    assert judged.sign("revoke", "eve").code == 1
    assert judged.status().code == 0
    assert judged.sign("revoke", "dan", rationale="biased by age").code == 0
    done = judged.status()
    assert slot(done)["reasons"][0] == "revoked: biased by age"
    assert slot(done)["missing"] == {"legal": 1, "compliance": 1}
    assert "no gate results" in judged.sign("approve", "dan", "legal").err
    judged.gates()
    judged.sign("approve", "dan", "legal")
    assert judged.sign("approve", "bob", "compliance").json["admitted"]
    assert judged.sign("revoke", "bob", digest=OTHER).code == 0


def test_break_glass_goes_without_gates_and_is_loud(house: House) -> None:
    """Its own signers, none of them twice; who is still missing is said; status shows it, and when it ends."""
    assert house.sign("approve", "dan", "legal", "--break-glass").code == 1
    done = house.sign("approve", "ann", "officer", "--break-glass")
    assert (done.code, done.json["admitted"], done.json["break_glass_missing"]) == (0, False, {"officer": 1})
    assert "nobody signs twice" in house.sign("approve", "ann", "officer", "--break-glass").err
    assert house.sign("approve", "bob", "officer", "--break-glass").json["admitted"]
    done = house.status()
    assert (done.code, slot(done)["break_glass"]) == (0, True)
    assert "BREAK-GLASS" in affiant("status", house.digest, *house.config).out
    assert "BREAK-GLASS" in affiant("status", *house.config).out


def test_status_without_a_digest_lists_what_waits(judged: House) -> None:
    """Every service of the policy, and each digest that something was said of."""
    done = affiant("status", *judged.config)
    assert done.code == 0
    assert judged.digest in done.out
    assert "cards" in done.out
    told = affiant("status", "--json", *judged.config).json
    assert [(each["service"], each["digest"]) for each in told["digests"]] == [("credit", judged.digest)]
    assert affiant("status", "--service", "loans", *judged.config).code == 2


def test_a_digest_in_its_short_form_is_the_stores(judged: House) -> None:
    """As much of it as is unique, as elsewhere."""
    done = judged.sign("approve", "dan", "legal", digest=judged.digest[:20])
    assert (done.code, done.json["digest"]) == (0, judged.digest)
    assert judged.sign("approve", "bob", "compliance", digest="sha256:00ff00ff").code == 1


def test_settings_without_a_root_believe_nobody(house: House) -> None:
    """And say what to do; so does a root that nobody has signed."""
    settings = house.file("affiant.toml")
    text = settings.read_text()
    settings.write_text(text.replace('root = "root.json"', ""))
    done = house.status()
    assert (done.code, "affiant roles init" in done.err) == (2, True)
    envelope = json.loads(house.file("root.json").read_text())
    house.file("root.json").write_text(json.dumps(envelope | {"signatures": envelope["signatures"][:1]}))
    settings.write_text(text)
    done = house.status()
    assert (done.code, "is signed by 1 of the 2 people" in done.err) == (1, True)


def test_admission_has_the_last_word(judged: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rule that the questions asked before do not know: what it would not count is not signed."""
    refused = Verdict(False, ("a rule of tomorrow",), {"legal": 1})
    monkeypatch.setattr("registry.approvals.board.evaluate", lambda *_, **__: refused)
    before = signed(judged)
    done = judged.sign("approve", "dan", "legal")
    assert (done.code, signed(judged)) == (1, before)
    assert "admission would not count it" in done.err


def test_status_out_of_the_index_is_what_the_whole_log_says(judged: House, tmp_path: Path) -> None:
    """Of each package, under the policy in force and one that is proposed; read on, and made again when damaged."""
    log, first = configured_governance_log(judged.loaded, create=False), first_root_of(judged.loaded)
    proposed = judged.file("policy.yaml").read_text().replace("valid_days: 10", "valid_days: 11")
    judged.file("next.yaml").write_text(proposed)

    def same() -> None:
        with Index(tmp_path / "index") as index:
            boards = Boards(index, log, first)
            for digest in (judged.digest, OTHER):
                some, whole = boards.about(digest), judged.board()
                for policy in (None, parse_policy(proposed.encode()).digest):
                    told = [
                        None
                        if each is None
                        else status_of(each, "credit", digest, now=time.time(), publisher="zoe")
                        for each in (some.under(policy), whole.under(policy))
                    ]
                    assert told[0] == told[1]
                assert (some.end, some.policy) == (whole.end, whole.policy)
                assert some.live_at("credit", some.end) == whole.live_at("credit", whole.end)

    same()
    for person, role in (("dan", "legal"), ("bob", "compliance")):
        assert judged.sign("approve", person, role).code == 0
    judged.gates(digest=OTHER)
    same()
    words = ["deploy", "credit", judged.digest, "--reason", "because", "--key", judged.key("dan"), "--yes"]
    judged.ok(*words, *judged.config)
    judged.ok(
        "policy", "propose", judged.file("next.yaml"), "--role", "legal", "--rationale", "longer", "--key",
        judged.key("ann"), "--yes", *judged.config,
    )  # fmt: skip
    assert judged.sign("revoke", "bob").code == 0
    same()
    (tmp_path / "index" / "lineage.sqlite").write_bytes(b"no index at all, and longer than a header" * 9)
    same()


def test_status_needs_no_place_for_an_index(judged: House, tmp_path: Path) -> None:
    """A file where its directory would be: the whole log is read instead."""
    (tmp_path / "cache").write_text("")
    done = judged.status()
    assert (done.code, done.json["services"][0]["gates"]) == (
        1,
        {"documentation": "passed", "size": "passed"},
    )


def test_what_is_about_one_package_reads_on_and_not_the_whole_log(
    judged: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Signing, looking and running gates: out of the index, which has read the log before."""
    assert judged.status().code == 1

    def whole(*_: object) -> None:
        raise AssertionError("the whole log was read")

    monkeypatch.setattr("registry.approvals.board.read_board", whole)
    assert judged.sign("approve", "dan", "legal").code == 0
    assert judged.sign("approve", "bob", "compliance").json["admitted"] is True
    assert judged.sign("reject", "bob", "compliance").code == 0
    assert judged.sign("revoke", "ann").code == 0
    assert len(judged.ok("gate", "show", judged.digest, "--json", *judged.config).json["results"]) == 1
    done = affiant(
        "gate",
        "run",
        judged.digest,
        "--service",
        "credit",
        "--key",
        judged.key("pipeline"),
        "--json",
        *judged.config,
    )
    assert (done.code, done.json["signed"]) == (1, True), done  # nothing was written about it
    assert done.json["report"]["seen"] == done.json["offset"]
