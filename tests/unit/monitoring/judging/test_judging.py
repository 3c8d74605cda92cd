"""One package: what its panes say of it, whoever stops in between."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monitoring.errors import DetectError
from monitoring.judging import Judging, judged_by
from monitoring.judging.evidence import Where, evidence_of_panes, judge_panes
from monitoring.judging.judging import Taken
from monitoring.judging.limits import unsupported
from monitoring.panes.build import Counting
from monitoring.read import Profile
from registry.policy import load_policy, parse_policy
from tests.unit.monitoring.conftest import rows

POLICY = """\
format: 1
change: {roles: {compliance: 1}}
services:
  credit:
    gates: {size: {megabytes: 5}}
    approvals: {roles: {legal: 1}}
    drift: %s
"""
RULE = "{rule: {window_rows: 1000}}"


def judging(profile: Profile, drift: str = RULE) -> Judging:
    """Under a policy with this section."""
    return Judging(profile, judged_by(parse_policy((POLICY % drift).encode()), "credit"))


def take(one: Judging, stream: Any, numbers: range, shift: float = 0.0) -> None:
    """Panes in a row."""
    for number in numbers:
        pane = stream.pane(number, shift)
        one.take(Taken(0, number, pane.time, pane.tallies[stream.of]))


def severities(one: Judging) -> dict[str, str | None]:
    """Of each column."""
    return {column.name: one.severity(place) for place, column in enumerate(one.columns)}


def test_traffic_like_the_reference_is_calm(profile: Profile, stream: Callable[..., Any]) -> None:
    """Of two hundred panes none alarms."""
    one = judging(profile)
    take(one, stream(), range(200))
    assert set(severities(one).values()) == {None}
    assert one.checks == 200


def test_a_drifted_feature_and_its_score_page(profile: Profile, stream: Callable[..., Any]) -> None:
    """And the other feature does not; by its name a score is none."""
    one = judging(profile)
    take(one, stream(), range(10))
    take(one, stream(), range(10, 16), shift=1.0)
    assert severities(one) == {"age": "page", "home": None, "score:bad": "page"}


def test_the_window_has_the_newest_rows_and_whole_panes(profile: Profile, stream: Callable[..., Any]) -> None:
    """A thousand, of panes of 250; of 300 it takes four, which are more."""
    one, other = judging(profile), judging(profile)
    take(one, stream(), range(9))
    assert [taken.number for taken in one.window] == [5, 6, 7, 8]
    assert {each.rows for each in one.figures()} == {1000}
    take(other, stream(records=300), range(9))
    assert other.window_rows == 1200


def test_who_goes_on_from_a_state_says_the_same(profile: Profile, stream: Callable[..., Any]) -> None:
    """To the bit, wherever it was stopped."""
    whole = judging(profile)
    take(whole, stream(), range(12), shift=0.4)
    for stop in (1, 5, 11):
        first, second = judging(profile), judging(profile)
        take(first, stream(), range(stop), shift=0.4)
        second.restore(json.loads(json.dumps(first.encode())))
        for taken in first.window:
            second.fill(taken)
        take(second, stream(), range(stop, 12), shift=0.4)
        assert second.figures() == whole.figures()
        assert second.standings == whole.standings
        assert second.encode() == whole.encode()


@pytest.mark.parametrize(
    "damage",
    [
        lambda state: state.pop("detector"),
        lambda state: state.update(detector="00"),
        lambda state: state.update(detector="zz"),
        lambda state: state["standings"].pop(),
        lambda state: state["standings"][0].pop("paged"),
        lambda state: state.update(most="00"),
        lambda state: state.update(rows="many"),
    ],
)
def test_a_damaged_state_is_refused(profile: Profile, damage: Callable[[dict[str, Any]], Any]) -> None:
    """Not gone on from."""
    state = judging(profile).encode()
    damage(state)
    with pytest.raises(DetectError):
        judging(profile).restore(state)


def test_evidence_tells_the_largest_e_values_that_there_were(
    profile: Profile, stream: Callable[..., Any]
) -> None:
    """Not those after the newest pane: an e-detector begins anew after its alarm, and calm panes let it fall."""
    source = stream()
    panes = [source.pane(number, 0.6 if 10 <= number < 20 else 0.0) for number in range(40)]
    taken = [Taken(0, pane.number, pane.time, pane.tallies[source.of]) for pane in panes]
    judged = judged_by(parse_policy((POLICY % RULE).encode()), "credit")
    one, _ = judge_panes(profile, judged, taken)
    detector, most = one._detector, np.full((2, len(one.columns)), -np.inf)
    counts = [np.concatenate([each.tally.features.dense(), each.tally.scores.dense()]) for each in taken]
    state = detector.primed(counts)
    for each in counts:
        state = detector.step(state, each)
        most = np.maximum(most, [state.log_e_warn, state.log_e_page])
    last = max(state.log_e_warn[0], -1.0), max(state.log_e_page[0], -1.0)
    evidence = evidence_of_panes(source.of, profile, judged, taken, Where("ab" * 16, 256, {}))
    told = {each.column: each.log_e for each in evidence.columns}
    for place, column in enumerate(one.columns):
        wanted = {"warn": max(most[0, place], -1.0), "page": max(most[1, place], -1.0)}
        assert told[column.name] == pytest.approx(wanted, abs=1e-9)
    assert told["age"]["page"] > one.threshold > last[1]


def test_a_reference_that_is_too_small_says_so_and_is_judged_by_what_it_supports(profile: Profile) -> None:
    """A delta of one percent takes 38,000 rows."""
    one = judging(profile, "{rule: {warn_delta: 0.01}}")
    assert "it takes a training table of" in (one.unsupported or "")
    assert judging(profile).unsupported is None


def classic(
    directory: Path, profile: Profile, stream: Any, drift: str, *, rows: int = 1000
) -> tuple[Judging, dict[str, str | None]]:
    """What a policy file makes of one pane that has drifted a little."""
    file = directory / "policy.yaml"
    file.write_text(POLICY % drift)
    one = Judging(profile, judged_by(load_policy(file), "credit"))
    take(one, stream(records=rows), range(1), shift=0.15)
    return one, severities(one)


@pytest.mark.parametrize(
    ("said", "two"),
    [("", False), (", correction: bonferroni", False), (", correction: benjamini-hochberg", True)],
)
def test_a_policy_s_correction_is_what_p_values_are_judged_by(
    profile: Profile, stream: Callable[..., Any], tmp_path: Path, said: str, two: bool
) -> None:
    """At a level where the second of three columns passes by the step-up procedure alone."""
    one, _ = classic(tmp_path, profile, stream, "{rule: {detector: ks}}")
    first, second, third = sorted(one.figures(), key=lambda each: each.p)
    alpha = 2 * second.p
    assert first.p < alpha / 3 < second.p < alpha < third.p
    wanted = {first.name: "page", second.name: "page" if two else None, third.name: None}
    drift = f"{{rule: {{detector: ks, p_value: {alpha:.12f}{said}}}}}"
    assert classic(tmp_path, profile, stream, drift)[1] == wanted
    few = f"{{minimum_rows: 1001, rule: {{detector: ks, p_value: {alpha:.12f}{said}}}}}"
    warned = {name: severity and "warn" for name, severity in wanted.items()}
    assert classic(tmp_path, profile, stream, few)[1] == warned


def test_a_policy_s_index_pages_from_its_limit_on_and_warns_from_half_of_it(
    profile: Profile, stream: Callable[..., Any], tmp_path: Path
) -> None:
    """Whatever e-values and p-values say: at other limits the same pane says something else."""
    one, _ = classic(tmp_path, profile, stream, "{rule: {detector: psi}}")
    first, second, third = sorted(one.figures(), key=lambda each: -each.psi)
    limit = (first.psi + second.psi) / 2
    assert third.psi < limit / 2 < second.psi < limit < first.psi
    drift = f"{{psi: {limit:.12f}, rule: {{detector: psi}}}}"
    found = classic(tmp_path, profile, stream, drift)[1]
    assert found == {first.name: "page", second.name: "warn", third.name: None}
    higher = f"{{psi: {3 * first.psi:.12f}, rule: {{detector: psi}}}}"
    assert set(classic(tmp_path, profile, stream, higher)[1].values()) == {None}


def test_an_ignored_feature_is_shown_and_never_alarms(profile: Profile, stream: Callable[..., Any]) -> None:
    """Its figures are there."""
    one = judging(profile, "{rule: {window_rows: 1000, ignore: [age]}}")
    take(one, stream(), range(10), shift=1.0)
    assert severities(one) == {"age": None, "home": None, "score:bad": "page"}
    assert one.figures()[0].ks_lower > 0.3


def test_an_ignored_feature_is_in_no_correction_for_many(
    profile: Profile, stream: Callable[..., Any]
) -> None:
    """It is not even asked: its p-value would be counted among the others' (test_judge.py)."""
    one = judging(profile, "{rule: {detector: ks, window_rows: 1000, ignore: [age]}}")
    take(one, stream(), range(10), shift=1.0)
    assert [each.severity for each in one.standings] == [None, None, "page"]


@pytest.mark.parametrize("detector", ["ks", "psi"])
def test_the_classic_rules_can_be_had(profile: Profile, stream: Callable[..., Any], detector: str) -> None:
    """For those who must."""
    one = judging(profile, f"{{rule: {{detector: {detector}, window_rows: 1000}}}}")
    take(one, stream(), range(10), shift=1.0)
    assert severities(one) == {"age": "page", "home": None, "score:bad": "page"}


def test_a_service_that_the_policy_does_not_name_is_judged_by_the_defaults(profile: Profile) -> None:
    """And so is one where there is no policy."""
    assert judged_by(parse_policy((POLICY % RULE).encode()), "other").window_rows == 2000
    assert Judging(profile, judged_by(None, "credit")).unsupported is None


def test_what_is_not_looked_at_while_nothing_alarms_changes_nothing(
    profile: Profile, stream: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Calm, drifted, calm again, and once more: the same alarms as when each check looks at everything."""
    shifts = [0.0] * 8 + [0.6] * 8 + [0.0] * 40 + [0.6] * 8
    quick, thorough = judging(profile), judging(profile)
    monkeypatch.setattr(thorough, "_rests", lambda: False)
    seen = []
    for number, shift in enumerate(shifts):
        for one in (quick, thorough):
            take(one, stream(), range(number, number + 1), shift)
        assert severities(quick) == severities(thorough)
        seen.append(severities(quick)["age"])
    assert seen[7] is None
    assert "page" in seen[8:16]
    assert seen[55] is None
    assert "page" in seen[56:]


def test_whether_a_reference_has_enough_rows_is_known_before_it_serves(profile: Profile) -> None:
    """A policy that names no rule asks for nothing that cannot be had; a fixed threshold asks for none."""
    policy = parse_policy((POLICY % "{rule: {warn_delta: 0.01}}").encode())
    assert "it takes a training table of" in (
        unsupported(judged_by(policy, "credit"), profile.reference) or ""
    )
    for drift in ("{}", "{rule: {warn_delta: auto}}", "{rule: {detector: psi, warn_delta: 0.01}}", RULE):
        judged = judged_by(parse_policy((POLICY % drift).encode()), "credit")
        assert unsupported(judged, profile.reference) is None


def test_bursts_without_drift_are_no_evidence(profile: Profile) -> None:
    """Each row sixteen times: what a detector that begins anew would take for drift until it knows better."""
    random, panes = np.random.default_rng(11), []
    for number in range(40):
        counting = Counting.of(profile)
        inputs, scores = rows(random, 16)
        counting.add(np.repeat(inputs, 16, axis=0), np.repeat(scores, 16, axis=0), np.full(256, 10**6))
        panes.append(Taken(0, number, number, counting.tally()))
    one, _ = judge_panes(profile, judged_by(parse_policy((POLICY % RULE).encode()), "credit"), panes)
    assert "page" not in severities(one).values()
