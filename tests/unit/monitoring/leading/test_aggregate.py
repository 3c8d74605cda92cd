"""What the leading monitor says is a function of the panes, whatever happens to it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from monitoring.answers import comparison_of, figures_of
from monitoring.detect.count import Counter
from monitoring.errors import DetectError
from monitoring.exporter import Seen, families
from monitoring.judging import judged_by
from monitoring.leading import Aggregate, Life, restore, state_of
from monitoring.names import ROLLOUT_WEIGHT
from monitoring.panes import At, Of, Pane
from monitoring.panes.build import Counting
from monitoring.read import Profile
from monitoring.rollout.told import Told
from registry.deployment import Rollout
from registry.errors import StoreUnavailable
from registry.policy import parse_policy
from registry.reference import build
from registry.signature import Signature
from tests.unit.monitoring.conftest import CREDIT, DIGEST, SIGNATURE, Kept, rows

POLICY = parse_policy(b"""\
format: 1
change: {roles: {compliance: 1}}
services:
  credit:
    gates: {size: {megabytes: 5}}
    approvals: {roles: {legal: 1}}
    drift: {rule: {window_rows: 1000}}
""")
NONE: dict[Of, int] = {}
OTHER, THIRD = ("sha256:" + two * 32 for two in ("cd", "ef"))


def aggregate(kept: Kept, partitions: int = 1, served: dict[Of, int] | None = None) -> Aggregate:
    """With credit live since 0."""
    found = Aggregate(
        range(partitions), kept, lambda service: judged_by(POLICY, service), topic="00" * 16, pane_records=250
    )
    found.serve({CREDIT: 0} if served is None else served)
    return found


def said(one: Aggregate) -> Any:
    """All that it says."""
    return state_of(one), {of: one.evidence(of) for of in one.lives}


def alarms(one: Aggregate) -> dict[str, str]:
    """Of credit."""
    return dict(one.lives[CREDIT].alarms())


def profile_of_three() -> Profile:
    """Of a package with a score for each of three classes."""
    random = np.random.default_rng(7)
    signature = Signature(
        name="credit", task="multiclass", features=SIGNATURE.features, classes=("a", "b", "c")
    )
    scores = random.dirichlet((1, 2, 3), 2000).astype(np.float32)
    reference = build(rows(random, 2000)[0], scores, signature)
    return Profile(
        DIGEST, reference, b"\0" * 32, Counter(reference.features), Counter(reference.scores), True, None, signature
    )  # fmt: skip


@pytest.fixture
def kept(profile: Profile) -> Kept:
    """The one package."""
    return Kept({DIGEST: profile})


@pytest.fixture
def drifting(stream: Callable[..., Any]) -> list[Pane]:
    """Ten calm panes of one partition, and ten that are not."""
    one = stream(reached={b"\1" * 16: 5})
    return [one.pane(number, shift=0.0 if number < 10 else 1.0) for number in range(20)]


def test_a_page_is_told_once_and_stands(kept: Kept, drifting: list[Pane]) -> None:
    """With its evidence, which says the same."""
    one = aggregate(kept)
    told = []
    for pane in drifting:
        one.take(pane)
        told += one.judge()
    paged = [each for each in told if each.after == "page"]
    assert sorted(each.column for each in paged) == ["age", "score:bad"]
    assert alarms(one) == {"age": "page", "score:bad": "page"}
    evidence = one.evidence(CREDIT)
    assert evidence is not None
    assert {each.column: each.severity for each in evidence.columns} == {
        "age": "page",
        "score:bad": "page",
        "home": None,
    }
    assert evidence.policy == POLICY.digest
    assert evidence.reached == {"0": {"01" * 16: 5}}


@pytest.mark.parametrize("stop", [1, 9, 12, 19])
def test_killed_anywhere_it_says_the_same(kept: Kept, drifting: list[Pane], stop: int) -> None:
    """From a state of before, and the panes that are kept: to the bit."""
    whole, first, second = (aggregate(kept) for _ in range(3))
    for pane in drifting:
        whole.take(pane)
        whole.judge()
    for pane in drifting[:stop]:
        first.take(pane)
        first.judge()
    state = json.loads(json.dumps(state_of(first)))
    restore(second, state, drifting[: stop + 3])  # the store had three more than the state
    second.judge()
    for pane in drifting[stop:]:
        second.take(pane)
        second.judge()
    assert said(second) == said(whole)


def test_partitions_are_judged_in_one_order_whoever_comes_first(
    kept: Kept, stream: Callable[..., Any]
) -> None:
    """Four of them, read one after another or in turns."""
    streams = [stream(partition=each, step=1000 + each) for each in range(4)]
    panes = [one.pane(number, shift=0.5) for one in streams for number in range(6)]
    by_turns, one_by_one = aggregate(kept, 4), aggregate(kept, 4)
    for pane in sorted(panes, key=lambda pane: (pane.number, -pane.partition)):
        by_turns.take(pane)
        by_turns.judge()
    for pane in panes:
        one_by_one.take(pane)
    for one in (by_turns, one_by_one):
        for partition in range(4):
            one.read_to_end(partition, 10**9)
        one.judge()
    assert said(by_turns) == said(one_by_one)
    assert by_turns.late == 0


def test_a_package_that_cannot_be_had_is_waited_for(kept: Kept, drifting: list[Pane]) -> None:
    """No pane is lost by it."""
    one, whole = aggregate(kept), aggregate(kept)
    kept.away = True
    one.take(drifting[0])
    with pytest.raises(StoreUnavailable):
        one.judge()
    with pytest.raises(StoreUnavailable):
        one.judge()
    kept.away = False
    for pane in drifting[:5]:
        one.take(pane) if pane.number else None
        one.judge()
        whole.take(pane)
        whole.judge()
    assert said(one) == said(whole)


def test_deployed_again_it_begins_anew(kept: Kept, drifting: list[Pane], stream: Callable[..., Any]) -> None:
    """What was said of it before is of its life before; panes up to the deployment are not its own."""
    one = aggregate(kept)
    for pane in drifting:
        one.take(pane)
        one.judge()
    assert alarms(one)
    one.serve(NONE)
    assert one.evidence(CREDIT) is None
    one.serve({CREDIT: 22_000})
    calm = stream()
    for number in range(20, 24):
        one.take(calm.pane(number))
    one.judge()
    assert alarms(one) == {}
    assert one.lives[CREDIT].judging.rows == 500  # panes 22 and 23 ended after it


def test_what_nobody_serves_is_not_judged(kept: Kept, drifting: list[Pane]) -> None:
    """A forger's records under a package's name among them."""
    one = aggregate(kept, served=NONE)
    one.take(drifting[0])
    assert one.judge() == []
    assert one.lives == {}
    assert kept.asked == 0


def test_a_rollout_compares_what_came_since_it_began(
    profile: Profile, kept: Kept, stream: Callable[..., Any]
) -> None:
    """Live's requests of before are none of it, and a restart does not forget."""
    kept.profiles[OTHER] = profile
    canary = Of("credit", OTHER, "canary")
    rollout = Rollout(OTHER, (0.5, 1.0), 600.0, 3000, 3000, 41)
    one, live = aggregate(kept), stream()
    one.serve({CREDIT: 0, canary: 3000}, {"credit": (rollout,)})
    beside = stream(of=canary, records=25)
    for number in range(6):
        pane = live.pane(number)
        both = Pane(
            0, number, pane.first, pane.end, pane.time,
            tallies=dict(pane.tallies) | {canary: beside.tally(number)},
            statuses=dict(pane.statuses) | dict(beside.pane(number).statuses),
            reached={b"\1" * 16: 10 * number}, fresh=frozenset([b"\2" * 16] if number == 4 else []),
        )  # fmt: skip
        one.take(both)
        one.judge()
    sides = one.comparing["credit", OTHER].sides
    assert (sides["live"].rows, sides["canary"].rows) == (750, 75)
    assert (sides["live"].reached, sides["canary"].reached) == (750, 75)
    assert (sides["live"].scores[0].sum(), sides["canary"].scores[0].sum()) == (750, 75)
    assert sides["live"].scores[0].max() < 0.02 * 750  # in parts of about one in 256 each
    assert sides["canary"].begins[0].sum() == 75
    assert (comparison_of(one, "credit") or {})["single"] == [[]]
    assert (one.comparing["credit", OTHER].ranges, one.comparing["credit", OTHER].newest) == (
        {0: (750, 1500)},
        6000,
    )
    # What the first of its panes says of a journal; of one that began later there was nothing before.
    assert one.comparing["credit", OTHER].reached == {0: {"01" * 16: 30, "02" * 16: None}}
    assert (comparison_of(one, "credit") or {})["reached"] == {"0": {"01" * 16: 30}}
    again = aggregate(kept)
    again.serve({CREDIT: 0, canary: 3000}, {"credit": (rollout,)})
    restore(again, json.loads(json.dumps(state_of(one))), [])
    assert state_of(again)["comparing"] == state_of(one)["comparing"]
    assert again.comparing["credit", OTHER].ranges == {0: (750, 1500)}


def test_each_of_several_canaries_is_compared_by_itself(
    profile: Profile, kept: Kept, stream: Callable[..., Any]
) -> None:
    """What one answers, fails and refuses is not the other's; a restart forgets none; metrics have each one's share."""
    one_of, other_of = canaries = [Of("credit", digest, "canary") for digest in (OTHER, THIRD)]
    kept.profiles.update({OTHER: profile, THIRD: profile})
    rollouts = [Rollout(digest, (), 0.0, 2000, 2000, 41, alone=False) for digest in (OTHER, THIRD)]
    served = {CREDIT: 0} | dict.fromkeys(canaries, 2000)
    one, again = aggregate(kept), aggregate(kept)
    for each in (one, again):
        each.serve(served, {"credit": rollouts})
    sides = [stream(records=250), stream(of=one_of, records=25), stream(of=other_of, records=50)]
    asked = {one_of: {200: 25, 500: 5}, other_of: {200: 50, 422: 7}}
    for number in range(6):
        first = sides[0].pane(number)
        both = {200: 75, 422: 7, 500: 5}
        pane = Pane(
            0, number, first.first, first.end, first.time,
            tallies={of: side.tally(number) for of, side in zip((CREDIT, *canaries), sides, strict=True)},
            statuses=dict(first.statuses) | {At("credit", "canary"): both},
            # The first of this step is of a monitor of before: it does not say whose they are, and is none of it.
            apart={} if number == 2 else asked,
        )  # fmt: skip
        one.take(pane)
        one.judge()
    found = {of: one.comparing["credit", of.digest] for of in canaries}
    assert [each.ranges for each in found.values()] == [{0: (750, 1500)}] * 2
    assert [each.side("live").reached for each in found.values()] == [750, 750]
    counts = [(side.rows, side.reached, side.failed, side.refused)
              for side in (each.side("canary") for each in found.values())]  # fmt: skip
    assert counts == [(75, 90, 15, 0), (150, 150, 0, 21)]
    assert comparison_of(one, "credit") is None  # none stands alone
    told = [comparison_of(one, "credit", digest) for digest in (OTHER, THIRD)]
    assert [(each["digest"], Told.read(each).canary.failed) for each in told if each] == [
        (OTHER, 15),
        (THIRD, 0),
    ]
    assert [each["uncompared"] for each in figures_of(one, {})] == [None] * 3
    restore(again, json.loads(json.dumps(state_of(one))), [])
    assert state_of(again)["comparing"] == state_of(one)["comparing"]
    assert [again.comparing["credit", each].side("canary").reached for each in (OTHER, THIRD)] == [90, 150]
    shares = {
        each.labels["digest"]: round(each.value, 4)
        for family in families(one, None, Seen(now=0.0), {})
        for each in family.samples
        if each.name == ROLLOUT_WEIGHT.name
    }
    assert shares == {"cd" * 6: round(90 / 990, 4), "ef" * 6: round(150 / 990, 4)}


def test_a_canary_that_is_not_compared_is_told(
    profile: Profile, kept: Kept, stream: Callable[..., Any]
) -> None:
    """One that no event has deployed; of what is compared, or no canary, nothing is said."""
    canary = Of("credit", OTHER, "canary")
    kept.profiles[OTHER] = profile

    def told(*rollouts: Rollout) -> dict[Of, str | None]:
        one = aggregate(kept)
        one.serve({CREDIT: 0, canary: 0}, {"credit": rollouts})
        for number, of in enumerate((CREDIT, canary)):
            one.take(stream(of=of).pane(number))
            one.judge()
        return {
            Of(each["service"], each["digest"], each["slot"]): each["uncompared"]
            for each in figures_of(one, {})
        }

    alone = "it is not compared with live: the governance log has no event that deployed it"
    assert told() == {CREDIT: None, canary: alone}
    assert told(Rollout(OTHER, (), 0.0, 0, 0, 41)) == {CREDIT: None, canary: None}


@pytest.mark.parametrize(
    "damage",
    [
        lambda kept: kept["sides"]["live"].update(scores=kept["sides"]["live"]["scores"][0]),
        lambda kept: kept["sides"]["live"].update(scores=[[1, 2]]),
        lambda kept: kept["sides"]["live"].pop("begins"),
        lambda kept: kept.pop("ranges"),
    ],
)
def test_a_comparison_that_a_monitor_of_before_kept_begins_anew(
    kept: Kept, drifting: list[Pane], damage: Callable[[Any], Any]
) -> None:
    """It had less of it; all else is gone on from."""
    rollout = Rollout(OTHER, (1.0,), 600.0, 0, 0, 41)
    one, again = aggregate(kept), aggregate(kept)
    for each in (one, again):
        each.serve({CREDIT: 0}, {"credit": (rollout,)})
    one.take(drifting[0])
    one.judge()
    assert one.comparing["credit", OTHER].side("live").rows == 250
    state = state_of(one)
    damage(state["comparing"]["credit"])
    restore(again, json.loads(json.dumps(state)), [])
    assert again.comparing["credit", OTHER].side("live").rows == 0
    assert again.comparing["credit", OTHER].ranges == {}
    assert again.next == {0: 1}


def test_every_score_is_compared_and_what_pages_is_told(
    stream: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a package of three classes; and of which offsets, how new, and what waits."""
    three = profile_of_three()
    packages, canary = Kept({DIGEST: three, OTHER: three}), Of("credit", OTHER, "canary")
    one = aggregate(packages)
    one.serve({CREDIT: 0, canary: 0}, {"credit": (Rollout(OTHER, (), 0.0, 0, 0, 41),)})
    random, places = np.random.default_rng(1), np.arange(1, 4)
    for of in (CREDIT, canary):
        counting = Counting.of(three)
        scores = random.dirichlet(places if of is CREDIT else places[[0, 2, 1]], 200).astype(np.float32)
        counting.add(rows(random, 200)[0], scores, np.full(200, 2_000_000, np.int64))
        tallies = {of: counting.tally()}
        number = one.next.get(0, 0)
        one.take(Pane(0, number, number * 256, number * 256 + 256, 1000, tallies=tallies))
        one.judge()
    sides = one.comparing["credit", OTHER].sides
    assert [[each.sum() for each in sides[slot].scores] for slot in ("live", "canary")] == [[200] * 3] * 2
    apart = [
        abs(np.cumsum(live) - np.cumsum(beside)).max() / 200
        for live, beside in zip(sides["live"].scores, sides["canary"].scores, strict=True)
    ]
    assert apart[0] < 0.15  # the first class alone shows nothing
    assert min(apart[1:]) > 0.3
    of_canary, of_live = {"age": "warn", "home": "page"}, {"age": "page"}
    monkeypatch.setattr(Life, "alarms", lambda life: of_canary if life is one.lives[canary] else of_live)
    found = comparison_of(one, "credit")
    assert found is not None
    assert (found["ranges"], found["newest"], found["waiting"]) == ([[0, 0, 512]], 1000, 0)
    assert (found["pages"], found["topic"], found["pane_records"]) == (["home"], "00" * 16, 250)
    assert Told.read(json.loads(json.dumps(found))).canary.rows == 200


@pytest.mark.parametrize(
    "damage",
    [
        lambda state: state.pop("next"),
        lambda state: state.update(format=1),
        lambda state: state.update(topic="11" * 16),
        lambda state: state.update(pane_records=256),
        lambda state: state["lives"][0].pop("of"),
        lambda state: state.update(statuses=[["credit"]]),
    ],
)
def test_a_state_of_something_else_is_refused(
    kept: Kept, drifting: list[Pane], damage: Callable[[Any], Any]
) -> None:
    """It would be gone on from in silence."""
    one = aggregate(kept)
    one.take(drifting[0])
    one.judge()
    state = state_of(one)
    damage(state)
    with pytest.raises(DetectError):
        restore(aggregate(kept), state, [])


def test_each_step_is_compared_by_itself(kept: Kept, profile: Profile, stream: Callable[..., Any]) -> None:
    """As the share grows, live's requests are of earlier hours than the canary's."""
    kept.profiles[OTHER] = profile
    rollout = Rollout(OTHER, (0.5, 1.0), 600.0, 3000, 3000, 41)
    one = aggregate(kept)
    one.serve({CREDIT: 0}, {"credit": (rollout,)})
    for number in range(6):
        one.take(stream().pane(number))
    one.judge()
    assert one.comparing["credit", OTHER].side("live").rows == 750
    one.serve({CREDIT: 0}, {"credit": (replace(rollout, moved=6000),)})
    assert one.comparing["credit", OTHER].side("live").rows == 0


def test_a_page_that_the_panes_do_not_support_is_a_warning(
    kept: Kept, drifting: list[Pane], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is told is what anybody can compute again."""
    one = aggregate(kept)
    real = one.evidence

    def calm(of: Of) -> Any:
        found = real(of)
        assert found is not None
        columns = tuple(each.model_copy(update={"severity": None}) for each in found.columns)
        return found.model_copy(update={"columns": columns})

    monkeypatch.setattr(one, "evidence", calm)
    for pane in drifting:
        one.take(pane)
        one.judge()
    assert alarms(one) == {"age": "warn", "score:bad": "warn"}


def test_who_goes_on_from_a_state_looks_again_when_it_was_due(
    kept: Kept, stream: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A restart begins no pauses anew; from the state of a monitor of before it is looked at at once."""
    one = aggregate(kept)
    for number in range(40):
        one.take(stream().pane(number))
        one.judge()
    life = one.lives[CREDIT]
    life.tried, life.pauses = {"age": 38}, {"age": 4}
    for without, wanted in ((False, [42, 43]), (True, [41, 42, 43])):  # of so few panes that are kept: each
        state, again, at = json.loads(json.dumps(state_of(one))), aggregate(kept), []
        if without:
            del state["lives"][0]["pauses"]
        restore(again, state, [])
        judging = again.lives[CREDIT].judging
        names = [column.name for column in judging.columns]
        monkeypatch.setattr(
            judging, "severity", lambda place, of=names: "page" if of[place] == "age" else None
        )

        def evidence(of: Of, told: list[int] = at, judging: Any = judging, by: Any = again.evidence) -> Any:
            told.append(judging.checks)
            return by(of)

        monkeypatch.setattr(again, "evidence", evidence)
        for number in range(40, 43):
            again.take(stream().pane(number))
            again.judge()
        assert at == wanted


@pytest.mark.parametrize("supported", [True, False])
def test_each_page_is_looked_at_when_it_begins(
    kept: Kept, stream: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, supported: bool
) -> None:
    """Not only when it is time to look again at another column's; what is not supported is looked at again soon, and
    the less often the longer it waits and the more there is to be judged.
    """
    one = aggregate(kept)
    one.take(stream().pane(0))
    one.judge()
    judging, real, at = one.lives[CREDIT].judging, one.evidence, []
    begins = {"age": 31, "score:bad": 32}
    names = [column.name for column in judging.columns]
    monkeypatch.setattr(
        judging, "severity", lambda place: "page" if begins.get(names[place], 99) < judging.checks else None
    )

    def evidence(of: Of) -> Any:
        at.append(judging.checks - 1)
        found = real(of)
        assert found is not None
        severity = "page" if supported else None
        columns = tuple(each.model_copy(update={"severity": severity}) for each in found.columns)
        return found.model_copy(update={"columns": columns})

    monkeypatch.setattr(one, "evidence", evidence)
    for number in range(1, 61):
        one.take(stream().pane(number))
        one.judge()
    assert at[:2] == [31, 32]
    # After one, two and four panes of the newer one, and then after an eighth of the 32 panes that evidence is made of.
    assert at[2:] == ([] if supported else [33, 35, 39, 43, 47, 51, 55, 59])
    assert alarms(one) == dict.fromkeys(begins, "page" if supported else "warn")


def test_a_pane_that_comes_again_is_judged_once(kept: Kept, drifting: list[Pane]) -> None:
    """A store gives some of them twice after a restart, before and after their turn."""
    once, twice = aggregate(kept), aggregate(kept)
    for pane in drifting[:6]:
        once.take(pane)
        once.judge()
        twice.take(pane)
        twice.take(pane)
        twice.judge()
        twice.take(pane)
        twice.judge()
    assert said(twice) == said(once)


def test_a_clock_that_was_ahead_for_a_while_keeps_nothing_waiting(
    kept: Kept, stream: Callable[..., Any]
) -> None:
    """Who has all that there is says so, and the panes of that time have their turn."""
    one = aggregate(kept, 2)
    one.take(stream(partition=0).pane(0, time=10**12))
    one.judge()
    assert one.newest_waiting == 10**12
    for partition in range(2):
        one.read_to_end(partition, one.newest_waiting + 1)
    one.judge()
    assert one.newest_waiting == -1
    assert one.panes == 1


def test_panes_that_are_kept_no_more_are_counted_as_missed(kept: Kept, stream: Callable[..., Any]) -> None:
    """Of a partition that is known; what was before the first that anybody has is not missed."""
    one = aggregate(kept)
    one.take(stream().pane(7))
    one.judge()
    assert one.missed == 0
    one.take(stream().pane(10))
    assert one.missed == 2
    state, other = state_of(one), aggregate(kept)
    restore(other, state, [stream().pane(12)])
    assert other.missed == 4
