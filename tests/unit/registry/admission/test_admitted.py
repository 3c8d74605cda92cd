"""What the gateway asks and remembers: the plan without what may not answer, and a log that may not be changed."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from audit.config import load
from audit.errors import ConfigError
from audit.governance import Governance
from audit.log.base import Log
from audit.log.frames import encode_frame, frames
from audit.show import walk
from registry.approvals.root import KeyModel
from registry.errors import NotAdmitted
from registry.ledger import Ledger, ledger
from registry.lineage.deprecation import encode_deprecation
from registry.policy import parse_policy
from registry.statement import REJECTION, REVOCATION, append
from service.admitted import Admission, configured_admission
from service.models import ShareOnly
from service.settings import PlanSettings

TEXT = """
format: 1
change: {roles: {policy: 1}}
services:
  credit:
    gates: {documentation: {}}
    approvals: {roles: {legal: 1, compliance: 1}, valid_days: 10}
    canary: {gates: [documentation], roles: {legal: 1}}
"""
GOOD, OTHER, WEAK = (f"sha256:{each * 32}" for each in ("ab", "cd", "ef"))


def plan(digest: str) -> tuple[PlanSettings, ...]:
    """One live package."""
    return (PlanSettings(service="credit", digest=digest),)


@pytest.fixture
def gateway(approved: Any, tmp_path: Path) -> Callable[[], Admission]:
    """A gateway, started as often as it is called."""
    root = tmp_path / "root.json"
    root.write_bytes(approved.first.envelope.encode())
    return lambda timer=time.monotonic: Admission(
        tmp_path / "admission" / "0.json",
        root,
        approved.log,
        lambda _: approved.lineage,
        lambda: approved.clock,
        timer=timer,
    )


def test_only_what_is_approved_answers_and_revocation_takes_it_off(approved: Any, gateway: Any) -> None:
    """An unapproved digest leaves the one before it in place; without one, the service goes."""
    assert gateway().admit(plan(OTHER)).entries == ()
    admitted = gateway().admit(plan(GOOD))
    assert admitted == (plan(GOOD), ())
    gateway().served(admitted.entries)
    entries, refused = gateway().admit(plan(OTHER))
    assert entries == plan(GOOD)
    assert OTHER in refused[0]
    approved.approve("bob", "compliance", type_=REVOCATION)
    assert gateway().admit(plan(GOOD)).entries == ()


def test_a_newer_policy_that_cannot_be_read_lets_nothing_new_in(approved: Any, gateway: Any) -> None:
    """What serves goes on, through a restart, and is taken off by a revocation; it is told while nothing else is."""
    approved.gates(subject=OTHER)
    approved.approve("dan", "legal", OTHER)
    approved.approve("bob", "compliance", OTHER)
    running = gateway()
    running.served(running.admit(plan(GOOD)).entries)
    assert gateway().admit(plan(OTHER)) == (plan(OTHER), ())
    approved.set_unread()
    for one in (running, gateway()):
        entries, (told,) = one.admit(plan(GOOD))
        assert entries == plan(GOOD)
        assert told.startswith("version 2 of the policy (sha256:")
        assert "stricter" in told
        entries, refused = one.admit(plan(OTHER))
        assert (entries, len(refused)) == (plan(GOOD), 2)
    approved.set_policy(version=3)
    assert gateway().admit(plan(OTHER)) == (plan(OTHER), ())
    approved.set_unread(version=4)
    approved.approve("bob", "compliance", type_=REVOCATION)
    assert gateway().admit(plan(GOOD)).entries == ()


@pytest.mark.parametrize("cut", [True, False])
def test_a_log_without_its_revocation_is_refused(
    approved: Any, gateway: Any, tmp_path: Path, cut: bool
) -> None:
    """Put back as it was, or with something else in its place."""
    shutil.copytree(tmp_path / "log", tmp_path / "kept")
    approved.approve("bob", "compliance", type_=REVOCATION)
    gateway().admit(plan(GOOD))
    shutil.rmtree(tmp_path / "log")
    shutil.copytree(tmp_path / "kept", tmp_path / "log")
    if not cut:
        approved.gates()
    with pytest.raises(NotAdmitted, match="read before"):
        gateway().admit(plan(GOOD))


def kept_before(log: Log) -> str:
    """The hash that gateways remembered once: of lengths and values."""
    reader, found = log.reader(), sha256()
    for entry in walk(reader, 0, 0, reader.bounds(0)[1]):
        value = entry.value or b""
        found.update(len(value).to_bytes(8, "big") + value)
    reader.close()
    return found.hexdigest()


def set_back(directory: Path, seconds: int) -> None:
    """Write the log of a directory anew, with the last entry's time changed and no value."""
    (segment,) = directory.rglob("*.log")
    entries = [entry for entry, _ in frames(segment.read_bytes(), 0, segment.stat().st_size)]
    last = entries[-1]
    entries[-1] = last._replace(timestamp=last.timestamp - seconds * 1000)
    segment.write_bytes(
        b"".join(encode_frame(each.offset, each.timestamp, each.key or b"", each.value) for each in entries)
    )


def test_an_entry_whose_time_is_set_back_is_not_the_one_that_was_read(
    approved: Any, gateway: Any, tmp_path: Path
) -> None:
    """Nothing signed covers the log's time; what was read once is held to it."""
    assert gateway().admit(plan(GOOD)) == (plan(GOOD), ())
    set_back(tmp_path / "log", 7200)
    with pytest.raises(NotAdmitted, match="read before"):
        gateway().admit(plan(GOOD))


def test_a_memory_of_before_is_read_once_and_kept_anew(approved: Any, gateway: Any, tmp_path: Path) -> None:
    """Its hash is of the values alone: they are held to it, and from then on the times are, too."""
    memory = tmp_path / "admission" / "0.json"
    gateway().admit(plan(GOOD))
    content = json.loads(memory.read_text())
    assert content["hash"].startswith("2:")
    older = json.dumps(content | {"hash": kept_before(approved.log)})
    memory.write_text(json.dumps(content | {"hash": "00" * 32}))
    with pytest.raises(NotAdmitted, match="read before"):
        gateway().admit(plan(GOOD))
    memory.write_text(older)
    approved.gates()
    lasting = gateway()
    for _ in range(2):
        assert lasting.admit(plan(GOOD)) == (plan(GOOD), ())
    assert json.loads(memory.read_text())["hash"].startswith("2:")
    memory.write_text(older)
    assert lasting.admit(plan(GOOD)) == (plan(GOOD), ())
    set_back(tmp_path / "log", 7200)
    with pytest.raises(NotAdmitted, match="read before"):
        gateway().admit(plan(GOOD))


def test_a_clock_set_back_does_not_revive_an_expired_approval(approved: Any, gateway: Any) -> None:
    """The time that was reached is remembered through restarts: what the gateway saw pass, and what the log has."""
    signed, passed = approved.clock, 0.0
    running = gateway(lambda: passed)
    for days in range(12):
        approved.clock, passed = signed + days * 86_400, days * 86_400.0
        admitted = running.admit(plan(GOOD))
    assert admitted.entries == ()
    approved.clock = signed + 60
    for restarted in (running, gateway()):
        assert restarted.admit(plan(GOOD)).entries == ()


def test_a_standstill_is_made_up_for_faster_than_time_passes(approved: Any, gateway: Any) -> None:
    """A gateway that was away for days, and a log in which nobody said anything."""
    signed = approved.clock
    gateway().admit(plan(GOOD))
    approved.clock, passed = signed + 11 * 86_400, 0.0
    running = gateway(lambda: passed)
    running.admit(plan(GOOD))
    passed = 1.2 * 86_400
    approved.clock += passed
    assert running.admit(plan(GOOD)).entries == ()
    approved.clock = signed + 60
    assert gateway().admit(plan(GOOD)).entries == ()


def test_what_the_log_says_of_the_time_is_remembered_at_once(approved: Any, gateway: Any) -> None:
    """Others have written there meanwhile."""
    signed = approved.clock
    approved.clock = signed + 11 * 86_400
    approved.gates(subject=OTHER)
    assert gateway().admit(plan(GOOD)).entries == ()
    approved.clock = signed + 60
    with capture_logs() as told:
        assert gateway().admit(plan(GOOD)).entries == ()
    assert [(line["log_level"], line["seconds"]) for line in told] == [("warning", 11 * 86_400 - 60)]


def test_a_clock_that_is_ahead_for_an_hour_ends_nothing_for_good(
    approved: Any, gateway: Any, tmp_path: Path
) -> None:
    """A restored machine, or a bad time server: once the clock is right again, so is what is admitted."""
    signed, passed = approved.clock, 0.0
    running = gateway(lambda: passed)
    assert running.admit(plan(GOOD)).entries == plan(GOOD)
    for ahead in range(0, 3600, 30):
        approved.clock, passed = signed + 5 * 365 * 86_400 + ahead, float(ahead)
        assert running.admit(plan(GOOD)).entries == ()
    approved.clock, passed = signed + 3600, 3600.0
    for restarted in (running, gateway()):
        assert restarted.admit(plan(GOOD)) == (plan(GOOD), ())
    reached = json.loads((tmp_path / "admission" / "0.json").read_text())["clock"]
    assert signed < reached < signed + 86_400


def test_settings_cannot_bring_another_root_or_end_governance(
    approved: Any, gateway: Any, tmp_path: Path
) -> None:
    """Whoever can write affiant.toml and the root file."""
    gateway().admit(plan(GOOD))
    config = tmp_path / "affiant.toml"
    config.write_text("[data]\ndirectory = '.'\n")
    with pytest.raises(ConfigError, match="was governed"):
        configured_admission(load(config), 0, lambda _: None)
    other = approved.root(
        keys=approved.content().keys | {},
        roles=approved.content().roles | {"x": approved.content().roles["legal"]},
    )
    (tmp_path / "root.json").write_bytes(other.envelope.encode())
    with pytest.raises(NotAdmitted, match="another first root"):
        gateway().admit(plan(GOOD))
    (tmp_path / "admission" / "0.json").write_text(json.dumps({"root": 7, "strange": 1}))
    with pytest.raises(NotAdmitted, match="damaged"):
        gateway().admit(plan(GOOD))


def test_what_the_log_deploys_answers_and_the_settings_do_not(approved: Any, gateway: Any) -> None:
    """For the services that it deploys; and only what is admitted."""
    approved.deploy("dan", OTHER)
    entries, refused = gateway().admit(plan(GOOD))
    assert entries == ()
    assert OTHER in refused[0]
    approved.deploy("dan", GOOD)
    elsewhere = PlanSettings(service="elsewhere", digest=OTHER)
    entries, refused = gateway().admit((*plan(OTHER), elsewhere))
    assert entries == plan(GOOD)
    assert "no rules for live of elsewhere" in refused[0]


def test_a_canary_has_no_more_than_the_policy_allows(approved: Any, gateway: Any) -> None:
    """Its share goes to what is live."""
    approved.gates(subject=OTHER)
    approved.approve("dan", "legal", OTHER)
    for share, allowed in ((0.1, True), (0.11, False)):
        approved.deploy(
            plan=[
                {"digest": GOOD, "slot": "live", "weight": 1 - share},
                {"digest": OTHER, "slot": "canary", "weight": share},
            ]
        )
        entries, refused = gateway().admit(())
        assert [each.slot for each in entries] == ["live", "canary"][: 1 + allowed]
        assert allowed or "11.0% of the requests, and the policy allows a canary 10.0%" in refused[0]


def test_a_canary_that_may_not_be_live_has_its_share_and_no_more(approved: Any, gateway: Any) -> None:
    """The policy bounds the share; asked for by its digest, it would answer whatever is sent."""
    may_be_canaries(approved, OTHER)
    approved.deploy(plan=shares(0.9, (OTHER, 0.1)))
    running = gateway()
    live, canary = running.admit(()).entries
    assert (type(live), type(canary)) == (PlanSettings, ShareOnly)
    approved.approve("bob", "compliance", OTHER)
    assert [type(each) for each in running.admit(()).entries] == [PlanSettings, PlanSettings]


def may_be_canaries(world: Any, *digests: str) -> None:
    """Gates, and the one signature that a canary needs."""
    for digest in digests:
        world.gates(subject=digest)
        world.approve("dan", "legal", digest)


def shares(live: float, *canaries: tuple[str, float]) -> list[dict[str, Any]]:
    """A plan of the log."""
    return [
        {"digest": GOOD, "slot": "live", "weight": live},
        *({"digest": digest, "slot": "canary", "weight": share} for digest, share in canaries),
    ]


def test_what_is_refused_leaves_a_canary_no_more_than_it_may_have(approved: Any, gateway: Any) -> None:
    """Its share is that of what then answers, not of what was wanted: 2 beside 10 is 83%."""
    may_be_canaries(approved, OTHER)
    approved.deploy(plan=shares(0.02, (OTHER, 0.1), (WEAK, 0.88)))
    entries, refused = gateway().admit(())
    assert [(each.digest, each.slot) for each in entries] == [(GOOD, "live")]
    assert f"{WEAK} may not be canary" in refused[0]
    assert f"{OTHER} would answer 83.3% of the requests, and the policy allows a canary 10.0%" in refused[1]


def test_many_small_canaries_have_no_more_than_one(approved: Any, gateway: Any) -> None:
    """Those that are last in the plan go, until the others have no more together than the policy allows."""
    canaries = [f"sha256:{number:064x}" for number in range(9)]
    may_be_canaries(approved, *canaries)
    approved.deploy(plan=shares(0.1, *((each, 0.1) for each in canaries)))
    entries, refused = gateway().admit(())
    assert [each.slot for each in entries] == ["live"]
    assert "would answer 90.0% of the requests together, and the policy allows a canary 10.0%" in refused[0]
    approved.deploy(plan=shares(0.85, *((each, 0.05) for each in canaries[:3])))
    entries, refused = gateway().admit(())
    assert [each.digest for each in entries] == [GOOD, canaries[0]]
    assert [canaries[2] in refused[0], canaries[1] in refused[1]] == [True, True]


def test_what_takes_the_place_of_live_takes_its_weight(approved: Any, gateway: Any) -> None:
    """Else a canary would have more beside it than it may."""
    may_be_canaries(approved, OTHER)
    running = gateway()
    running.admit(plan(GOOD))
    running.served(plan(GOOD))
    may_be_canaries(approved, WEAK)
    approved.approve("bob", "compliance", WEAK)
    wanted = (
        PlanSettings(service="credit", digest=WEAK, weight=90_000),
        PlanSettings(service="credit", digest=OTHER, slot="canary", weight=10_000),
    )
    assert running.admit(wanted) == ((wanted[0], ShareOnly(**wanted[1].model_dump())), ())
    found = running.fallback("credit", frozenset({WEAK}))
    assert found == PlanSettings(service="credit", digest=GOOD, weight=90_000)


def test_what_a_rollback_has_left_is_not_fallen_back_to(approved: Any, gateway: Any) -> None:
    """People went back from it: when what they went back to may not answer, nothing does, until somebody deploys it."""
    may_be_canaries(approved, OTHER)
    approved.approve("bob", "compliance", OTHER)
    running = gateway()
    for digest, action in ((GOOD, "deploy"), (OTHER, "deploy"), (GOOD, "rollback")):
        approved.deploy("dan", digest, action)
        running.served(running.admit(()).entries)
    assert running.fallback("credit", frozenset({GOOD})) is None
    approved.approve("bob", "compliance", type_=REVOCATION)
    for each in (running, gateway()):
        entries, refused = each.admit(())
        assert entries == ()
        assert f"{OTHER} may not be live: a rollback has left it" in refused[1]
    approved.deploy("dan", OTHER)
    assert running.admit(()) == gateway().admit(()) == (plan(OTHER), ())


def test_reading_on_sees_what_reading_anew_sees(approved: Any, gateway: Any) -> None:
    """One process that goes on, beside one that is started each time."""
    lasting = gateway()
    for step in (
        lambda: approved.deploy("dan", GOOD),
        lambda: approved.approve("bob", "compliance", type_=REVOCATION),
        lambda: approved.approve("bob", "compliance"),
        lambda: approved.approve("dan", "legal"),
        approved.gates,
    ):
        step()
        approved.clock += 1
        assert lasting.admit(()) == gateway().admit(())


def test_reading_on_takes_the_word_of_a_key_that_came_later(approved: Any, gateway: Any) -> None:
    """What did not hold when it was read holds when the root has its key: a rejection stands. An approval was nobody's
    word then, and is not theirs now.
    """
    approved.approve("bob", "compliance", type_=REVOCATION)
    approved.gates()
    approved.approve("bob", "compliance")
    approved.approve("eve", "legal")
    approved.approve("eve", "legal", OTHER, REJECTION)
    may_be_canaries(approved, OTHER)
    approved.approve("bob", "compliance", OTHER)
    lasting = gateway()
    assert lasting.admit(plan(GOOD)).entries == ()
    assert lasting.admit(plan(OTHER)).entries == plan(OTHER)
    eve, content = approved.keys["eve"], approved.content()
    keys = content.keys | {eve.id: KeyModel(public=eve.public_key.hex(), person="eve")}
    legal = content.roles["legal"].model_copy(update={"keys": [*content.roles["legal"].keys, eve.id]})
    roles = content.roles | {"legal": legal}
    approved.change_root(approved.root(version=2, previous=approved.first.digest, keys=keys, roles=roles))
    assert lasting.admit(plan(OTHER)) == gateway().admit(plan(OTHER))
    assert "rejected by eve (legal)" in lasting.admit(plan(OTHER)).refused[0]
    assert "its key has not the role legal, or had it not then" in lasting.admit(plan(GOOD)).refused[0]
    approved.approve("eve", "legal")
    assert lasting.admit(plan(GOOD)) == gateway().admit(plan(GOOD)) == (plan(GOOD), ())


def test_nothing_new_is_deployed_that_was_made_of_deprecated_data(approved: Any, gateway: Any) -> None:
    """What serves, and what did, goes on; and a deprecation that is taken back is none."""
    version = "sha256:" + "12" * 32
    approved.lineage["training_table"] = {"sha256": version.removeprefix("sha256:"), "file": "train.csv"}
    approved.gates(subject=OTHER)
    for who, role in (("dan", "legal"), ("bob", "compliance")):
        approved.approve(who, role, OTHER)

    def deprecate(deprecated: bool) -> None:
        body = encode_deprecation(version, "no consent", "cyd", approved.clock, deprecated=deprecated)
        append(Governance(approved.log, approved.keys["cyd"]), [body])

    running = gateway()
    assert running.admit(plan(GOOD)).refused == ()
    running.served(plan(GOOD))
    deprecate(True)
    assert running.admit(plan(GOOD)) == (plan(GOOD), ())
    entries, refused = running.admit(plan(OTHER))
    assert entries == plan(GOOD)
    assert "which is deprecated: no consent" in refused[0]
    assert gateway().admit(plan(GOOD)) == (plan(GOOD), ())
    approved.clock += 1
    deprecate(False)
    assert running.admit(plan(OTHER)) == (plan(OTHER), ())


def test_what_is_said_of_data_is_checked_before_a_load_waits(
    approved: Any, gateway: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At a start, and when it is said: not with the first package that is judged."""
    first = gateway()
    first.admit(plan(GOOD))
    first.served(plan(GOOD))
    body = encode_deprecation("sha256:" + "12" * 32, "no consent", "cyd", approved.clock, deprecated=True)
    checked: set[int] = set()
    said_in = ledger.said_in

    def noted(entries: Any, keys: Any = ()) -> Any:
        some = list(entries)
        checked.update(each.offset for each in some)
        return said_in(some, keys)

    monkeypatch.setattr(ledger, "said_in", noted)
    reader = approved.log.reader()
    offset = reader.bounds(0)[1]
    reader.close()
    append(Governance(approved.log, approved.keys["cyd"]), [body])
    for running in (first, gateway()):
        checked.clear()
        assert running.admit(plan(GOOD)) == (plan(GOOD), ())
        assert offset in checked


def test_an_event_of_a_key_that_came_later_does_not_come_back(approved: Any, gateway: Any) -> None:
    """Sent again when its key may deploy, it is as old as it was: for who reads on as for who reads anew."""
    first = approved.deploy("eve", GOOD)
    lasting = gateway()
    lasting.admit(())
    eve, content = approved.keys["eve"], approved.content()
    keys = content.keys | {eve.id: KeyModel(public=eve.public_key.hex(), person="eve")}
    deploy = content.roles["deploy"].model_copy(update={"keys": [*content.roles["deploy"].keys, eve.id]})
    roles = content.roles | {"deploy": deploy}
    approved.change_root(approved.root(version=2, previous=approved.first.digest, keys=keys, roles=roles))
    approved.replay(first, first + 1)
    assert lasting.admit(()) == gateway().admit(()) == ((), ())
    approved.deploy("eve", GOOD)
    assert lasting.admit(()) == gateway().admit(()) == (plan(GOOD), ())


def test_a_memory_that_is_taken_away_is_noticed(approved: Any, gateway: Any, tmp_path: Path) -> None:
    """A running gateway does not begin anew."""
    running = gateway()
    running.admit(plan(GOOD))
    (tmp_path / "admission" / "0.json").unlink()
    with pytest.raises(NotAdmitted, match="memory"):
        running.admit(plan(GOOD))


@pytest.fixture
def worker(approved: Any, tmp_path: Path) -> Callable[..., Admission]:
    """A worker of that number, with that root and those trees."""
    root = tmp_path / "root.json"
    root.write_bytes(approved.first.envelope.encode())
    return lambda number, root=root, trees=None: Admission(
        tmp_path / "admission" / f"{number}.json", root, approved.log, lambda _: approved.lineage,
        lambda: approved.clock, trees,
    )  # fmt: skip


def test_a_new_worker_does_not_take_what_the_others_refuse(
    approved: Any, worker: Any, tmp_path: Path
) -> None:
    """`workers = 2`, and another root, a log that was cut, or a clock set back: it begins with what they remember."""
    shutil.copytree(tmp_path / "log", tmp_path / "kept")
    approved.approve("bob", "compliance", type_=REVOCATION)
    worker(0).admit(plan(GOOD))
    theirs = tmp_path / "theirs.json"
    theirs.write_bytes(
        approved.root(
            version=1, roles=approved.content().roles | {"x": approved.content().roles["legal"]}
        ).envelope.encode()
    )
    with pytest.raises(NotAdmitted, match="another worker began with"):
        worker(1, theirs).admit(plan(GOOD))
    assert not (tmp_path / "admission" / "1.json").exists()
    shutil.move(tmp_path / "log", tmp_path / "longer")
    shutil.copytree(tmp_path / "kept", tmp_path / "log")
    with pytest.raises(NotAdmitted, match="read before"):
        worker(1).admit(plan(GOOD))
    shutil.rmtree(tmp_path / "log")
    shutil.move(tmp_path / "longer", tmp_path / "log")
    reached = approved.clock
    approved.clock -= 60
    worker(1).admit(plan(GOOD))
    assert json.loads((tmp_path / "admission" / "1.json").read_text())["clock"] == reached


def test_a_checkpoint_that_was_asked_for_is_remembered(approved: Any, worker: Any, tmp_path: Path) -> None:
    """Through a restart without it, by each worker; who never asked for it may go on without."""
    worker(0).admit(plan(GOOD))
    memory = tmp_path / "admission" / "0.json"
    memory.write_text(json.dumps(json.loads(memory.read_text()) | {"checkpoint": True}))
    for number in (0, 1):
        with pytest.raises(NotAdmitted, match="checkpoint is off"):
            worker(number).admit(plan(GOOD))
    (tmp_path / "admission" / "2.json").write_text(json.dumps({"root": approved.first.digest}))
    assert worker(2).admit(plan(GOOD)) == (plan(GOOD), ())


def test_a_package_that_cannot_be_loaded_is_replaced_by_what_was_live(approved: Any, gateway: Any) -> None:
    """By the newest that may still; by nothing when none may."""
    approved.gates(subject=OTHER)
    for who, role in (("dan", "legal"), ("bob", "compliance")):
        approved.approve(who, role, OTHER)
    running = gateway()
    for digest in (OTHER, GOOD):
        running.admit(plan(digest))
        running.served(plan(digest))
    assert running.fallback("credit", frozenset({GOOD})) == plan(OTHER)[0]
    assert running.fallback("credit", frozenset({GOOD, OTHER})) is None
    approved.approve("bob", "compliance", OTHER, type_=REVOCATION)
    assert running.fallback("credit", frozenset({GOOD})) is None


@pytest.fixture
def judge(approved: Any) -> Callable[[str, object], str]:
    """Judges a package under a policy that compares, naming something as live; says why it may not be live then, by the
    ledger of a gateway.
    """
    text = TEXT.replace(
        "gates: {documentation: {}}", "gates: {quality: {metrics: {auc: {worse_than_live_by: 0.01}}}}"
    )
    approved.policy = parse_policy(text.replace("gates: [documentation]", "gates: []").encode())
    approved.set_policy(version=2)

    def judged(digest: str, live: object) -> str:
        approved.gates(subject=digest, results=[{"name": "quality", "verdict": "passed"}], live=live)
        for who, role in (("dan", "legal"), ("bob", "compliance")):
            approved.approve(who, role, digest)
        return why_not(approved, digest)

    return judged


def why_not(approved: Any, digest: str) -> str:
    """Why a package may not be live, by what was said so far."""
    ledger = Ledger(approved.first)
    ledger.take(walk(approved.log.reader(), 0, 0, approved.log.reader().bounds(0)[1]))
    return "; ".join(ledger.verdict("credit", digest, "live", now=approved.clock, publisher="zoe").reasons)


def test_before_anything_was_live_gates_compare_with_nothing(judge: Any) -> None:
    """Whatever they name: nothing is lost by it."""
    assert judge(GOOD, None) == judge(OTHER, WEAK) == ""


@pytest.mark.parametrize("named", [None, OTHER, WEAK, 7])
def test_gates_that_compared_with_another_model_than_was_live_do_not_count(
    approved: Any, judge: Any, named: object
) -> None:
    """A pipeline does not choose: not itself, nor a weak model that was live once, nor nothing. What is live later
    takes nothing back.
    """
    approved.deploy("dan", WEAK)
    approved.deploy("dan", GOOD)
    assert f"and {GOOD} was live: run them again" in judge(OTHER, named)
    assert judge(OTHER, GOOD) == ""
    approved.deploy("dan", WEAK)
    assert why_not(approved, OTHER) == ""
    assert judge(GOOD, WEAK) == ""
    assert f"and {WEAK} was live: run them again" in judge(OTHER, GOOD)


def test_a_slot_that_does_not_want_the_comparison_does_not_ask_for_it(approved: Any, judge: Any) -> None:
    """A canary, by this policy; and who does not know what was live admits nothing that compares."""
    approved.deploy("dan", GOOD)
    assert judge(OTHER, WEAK) != ""
    assert approved.verdict(OTHER, slot="canary").admitted
    assert "nobody knows with what" in "; ".join(approved.verdict(OTHER).reasons)
