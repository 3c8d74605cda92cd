"""What columns are called: a feature is never taken for an answer, whatever it is called itself."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from monitoring.alerts.rules import groups_of
from monitoring.columns import SCORE, columns_of, feature_name, is_score
from monitoring.controller.base import Shown
from monitoring.controller.weigh import pages
from monitoring.detect.count import Counter
from monitoring.figures import Evidence
from monitoring.judging import judged_by
from monitoring.judging.evidence import Where, evidence_of_panes
from monitoring.judging.judging import Taken
from monitoring.panes.build import Counting
from monitoring.read import Profile
from tests.components.controller import policy_of
from tests.unit.monitoring.conftest import CREDIT, rows

NAMES = (
    "age", "input:age", "score", "score:bad", "score:", "input:score:bad", "input:input:score:bad", "input:",
)  # fmt: skip


def misnamed(profile: Profile) -> Profile:
    """The same package, whose first feature is called like a score; it was published before anybody looked."""
    first, *others = profile.reference.features
    reference = replace(profile.reference, features=(replace(first, name="score:bad"), *others))
    return replace(profile, reference=reference, features=Counter(reference.features))


def drifted(profile: Profile) -> Evidence:
    """Its first feature has another unit, and its answers are as they were."""
    random, panes = np.random.default_rng(3), []
    for number in range(12):
        counting = Counting.of(profile)
        inputs, scores = rows(random, 250)
        inputs[:, 0] += 3
        counting.add(inputs, scores, np.full(250, 2_000_000, np.int64))
        panes.append(Taken(0, number, 1000 * number, counting.tally()))
    return evidence_of_panes(CREDIT, profile, judged_by(policy_of(), "credit"), panes, Where("ab", 250, {}))


def test_no_two_features_have_one_name_and_none_a_scores() -> None:
    """A name that is free stays as it is."""
    found = [feature_name(each) for each in NAMES]
    assert len(set(found)) == len(NAMES)
    assert not any(is_score(each) for each in found)
    assert [feature_name(each) for each in ("age", "input:age", "score")] == ["age", "input:age", "score"]
    assert feature_name("score:bad") == "input:score:bad"


def test_a_feature_that_is_called_like_a_score_rolls_nothing_back_for_predictions(profile: Profile) -> None:
    """Its drift is an input's: to the controller, which looks at the evidence, and to the rules of alerts."""
    evidence = drifted(misnamed(profile))
    shown = Shown(evidence, begun=0, ended=0, newest=0, behind=0)
    assert pages("prediction", shown) == ()
    assert pages("input", shown) == ("input:score:bad",)
    assert {each.column for each in evidence.columns} == {"input:score:bad", "home", "score:bad"}


@pytest.mark.parametrize("cause", ["prediction", "input"])
def test_rules_and_evidence_tell_scores_by_the_same_names(profile: Profile, cause: str) -> None:
    """A column that one of them takes for a score is one for the other."""
    named = [each.name for each in columns_of(misnamed(profile).reference)]
    (found,) = {
        (each.op, each.value)
        for group in groups_of(policy_of())
        for rule in group.rules
        if rule.labels.get("cause") == cause and rule.alert.endswith("Drift")
        for each in rule.when.select.matches  # type: ignore[union-attr]
        if each.label == "feature"
    }
    matched = [each for each in named if (re.fullmatch(found[1], each) is None) == (found[0] == "!~")]
    assert matched == [each for each in named if is_score(each) == (cause == "prediction")]
    assert named == ["input:score:bad", "home", SCORE + "bad"]
