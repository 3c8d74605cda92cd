"""deploy, promote, rollback, pause, resume, history: what people sign and what would not count."""

from __future__ import annotations

from typing import Any

import pytest

from registry.deployment.state import deployed_of
from registry.stores import configured_store
from tests.components.approvals import Done, House, affiant


@pytest.fixture
def other(judged: House) -> str:
    """Two packages that may be live; the digest of the second."""
    (digest,) = [
        each.digest for each in configured_store(judged.loaded).list() if each.digest != judged.digest
    ]
    judged.gates(digest=digest)
    for each in (judged.digest, digest):
        for person, role in (("dan", "legal"), ("bob", "compliance")):
            assert judged.sign("approve", person, role, digest=each).code == 0
    return digest


def move(house: House, verb: str, *words: object, person: str = "dan") -> Done:
    """A command of deployments."""
    return affiant(
        verb, "credit", *words, "--reason", "because", "--key", house.key(person), "--yes", "--json",
        *house.config,
    )  # fmt: skip


def history(house: House) -> Any:
    """The service, as `affiant history` tells it."""
    return affiant("history", "credit", "--json", *house.config).json["services"][0]


def test_what_is_not_admitted_is_not_deployed(judged: House) -> None:
    """Nothing is signed, and it is said what is missing; nor by somebody without the role."""
    before = judged.board().end
    done = move(judged, "deploy", judged.digest)
    assert done.code == 1
    assert "1 more of legal must approve" in done.err
    done = move(judged, "deploy", judged.digest, person="bob")
    assert "has not the role deploy" in done.err
    assert judged.board().end == before
    assert affiant("history", *judged.config).out == "nothing was ever deployed; `affiant deploy` does\n"


def test_from_the_first_deployment_to_a_rollback(judged: House, other: str) -> None:
    """A canary no larger than the policy allows, promoted, and back again; each step has its line."""
    assert move(judged, "deploy", judged.digest[:15]).json["counts"]
    assert "the policy allows a canary 10.0%" in move(judged, "deploy", other, "--canary", "20%").err
    done = move(judged, "deploy", other, "--canary", "10%")
    assert [(each["slot"], each["weight"]) for each in done.json["plan"]] == [("live", 0.9), ("canary", 0.1)]
    assert history(judged)["rollout"] is None
    assert "the canary" not in affiant("history", "credit", *judged.config).out
    assert move(judged, "promote").json["plan"][0]["digest"] == other
    assert move(judged, "rollback").json["plan"][0]["digest"] == judged.digest
    assert move(judged, "rollback").code == 1
    told = history(judged)
    assert [each["action"] for each in told["events"]] == ["deploy", "deploy", "promote", "rollback"]
    assert all(each["void"] is None and each["person"] == "dan" for each in told["events"])
    shown = affiant("history", "credit", *judged.config).out
    assert f"{judged.digest[:19]} live 100%" in shown
    assert "the canary" not in shown
    for verb, may in (("approve", True), ("reject", False)):
        if not may:
            assert judged.sign(verb, "bob", "compliance").code == 0
        (placed,) = [each for line in listed(judged) for each in line["serves"]]
        assert (placed["digest"], placed["slot"], placed["admitted"]) == (judged.digest, "live", may)
        for words in (("list",), ("show", judged.digest)):
            done = affiant("lineage", *words, *judged.config)
            assert ("NOT ADMITTED" not in done.out, done.err) == (may, "")


def listed(house: House) -> Any:
    """The packages, as `affiant lineage list` tells them."""
    return affiant("lineage", "list", "--json", *house.config).json


def test_steps_are_signed_in_advance_and_held_to_the_policy(judged: House, other: str) -> None:
    """None larger than a canary may be, except the last one, which makes it live."""
    assert move(judged, "deploy", judged.digest).json["counts"]
    steps = ("--canary", "1%", "--then", "5%", "--then", "100%", "--step", "10m")
    too_many = move(judged, "deploy", other, "--canary", "1%", "--then", "50%", "--step", "10m")
    assert "the policy allows a canary 10.0%" in too_many.err
    assert move(judged, "deploy", other, *steps).json["counts"]
    board = judged.board()
    rollout = deployed_of(board.roots, board.said, "credit").rollout
    assert rollout is not None
    assert (rollout.digest, rollout.left, rollout.seconds) == (other, (0.05, 1.0), 600.0)
    told = history(judged)["rollout"]
    assert told == {"digest": other, "left": [0.05, 1.0], "due": rollout.moved + 600_000, "halted": None}
    shown = affiant("history", "credit", *judged.config).out
    assert "the canary moves on by itself: then 5%, 100%, not before" in " ".join(shown.split())
    assert move(judged, "pause").code == 0
    assert history(judged)["rollout"]["halted"] == "credit is paused: `affiant resume credit`"
    shown = affiant("history", "credit", *judged.config).out
    assert "the canary stands still (5%, 100% to come): credit is paused" in " ".join(shown.split())


def test_paused_only_a_rollback_moves(judged: House, other: str) -> None:
    """And resume ends it, once."""
    move(judged, "deploy", other)
    move(judged, "deploy", judged.digest)
    assert move(judged, "pause").code == 0
    assert move(judged, "pause").code == 1
    assert "is paused: `affiant resume credit` first" in move(judged, "deploy", other).err
    assert move(judged, "rollback").code == 0
    assert move(judged, "resume").code == 0
    assert history(judged)["paused"] is False
    assert move(judged, "deploy", judged.digest).code == 0


def test_data_that_is_deprecated_goes_into_nothing_new(judged: House, other: str) -> None:
    """Neither deployed, in any slot, nor promoted. What is live stays, and what was live before may come back."""
    assert move(judged, "deploy", judged.digest).json["counts"]
    assert move(judged, "deploy", other, "--canary", "10%").json["counts"]
    judged.data("deprecate")
    before = judged.board().end
    for words in (("promote",), ("deploy", other)):
        done = move(judged, *words)
        assert (done.code, done.json["signed"]) == (1, False)
        assert "which is deprecated: consent withdrawn" in done.json["reasons"][0]
        assert f"refused: {other} may not be live: it was made of" in done.err
    assert judged.board().end == before
    assert move(judged, "deploy", judged.digest).json["counts"]  # what is live, alone: the canary goes
    for slot, share in (("canary", "10%"), ("shadow", "100%")):
        done = move(judged, "deploy", other, f"--{slot}", share)
        assert (done.code, f"{other} may not be {slot}: it was made of" in done.err) == (1, True)
    judged.data("restore")
    assert move(judged, "deploy", other).json["counts"]
    judged.data("deprecate")
    assert move(judged, "rollback").json["plan"][0]["digest"] == judged.digest


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("deploy", "--canary", "0%"), 2, "not more than 0% and up to 100%"),
        (("deploy", "--canary", "ten"), 2, "is no share; write it as 10% or 0.1"),
        (("deploy", "--canary", "10%"), 1, "nothing is live for credit yet"),
        (("deploy", "--canary", "10%", "--then", "50%"), 2, "--then and --step go together"),
        (("deploy", "--canary", "10%", "--then", "5%", "--step", "1m"), 2, "must ascend"),
        (("deploy", "--canary", "10%", "--then", "50%", "--step", "soon"), 2, "is no time"),
        (("promote",), 1, "credit has no canaries to promote"),
        (("rollback",), 1, "credit was never deployed"),
        (("pause",), 1, "credit was never deployed"),
    ],
)
def test_a_change_that_makes_no_sense_says_why(house: House, words: Any, code: int, told: str) -> None:
    """In a line, before a key is used."""
    verb, *more = words
    done = move(house, verb, *([house.digest] if verb == "deploy" else []), *more)
    assert done.code == code
    assert told in " ".join(done.err.replace("│", " ").split())
