"""medical.yaml of the examples judges: a model of synthetic admissions passes all but what is not here, a NER model."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from registry.gates import Datasets, GateResult, run_gates
from registry.gates import presidio as on_presidio
from registry.infer import Wanted
from registry.package import Package, PackageContent, build
from registry.policy import load_policy
from registry.publish import publish
from registry.table import Table, table_of

POLICY = load_policy(Path(__file__).resolve().parents[4] / "examples/policies/medical.yaml")
TARGET = "readmitted"
ROWS, HELD = 6000, 1500


def admissions(rows: int, seed: int) -> pd.DataFrame:
    """Who comes back is known by earlier stays and the length of this one; by age and sex alone nothing is."""
    draw = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "sex": draw.choice(["f", "m"], rows),
            "age": draw.integers(18, 91, rows),
            "earlier_stays": draw.integers(0, 6, rows),
            "length_in_days": draw.integers(1, 31, rows),
        }
    )
    returns = 10 * frame["earlier_stays"] + frame["length_in_days"] > 40
    return frame.assign(**{TARGET: np.where(returns, "yes", "no")})


@cache
def made() -> Package:
    """A model that has learnt it, published with a lineage that says what the policy asks."""
    import xgboost

    frame = admissions(ROWS, 1)
    features = frame.drop(columns=[TARGET]).astype({"sex": "category"})
    data = xgboost.DMatrix(features, (frame[TARGET] == "yes").astype(int), enable_categorical=True)
    settings = {"objective": "binary:logistic", "max_depth": 6, "nthread": 1, "seed": 0}
    model = bytes(xgboost.train(settings, data, 60).save_raw("ubj"))
    package = publish(
        model, table_of(frame, "training"), Wanted("triage", TARGET, "yes"), file="m.ubj"
    ).package
    lineage = package.lineage | {"unknown": ["training image"], "git": {"commit": "1" * 40, "dirty": False}}
    parts = (package.part(name) for name in ("signature", "reference", "golden"))
    content = (package.model, package.model_type, *parts, json.dumps(lineage).encode(), package.part("card"))
    return build(PackageContent(*content))


def judged(holdout: pd.DataFrame) -> dict[str, GateResult]:
    """Gate → what it said, of all that the policy has."""
    asked = POLICY.services["triage"].gates.documentation
    assert asked is not None
    documents = dict.fromkeys(asked.required, "Written by somebody who has read the data sheet.")
    table: Table = table_of(holdout, "holdout")
    datasets = Datasets(holdout=table, target=TARGET, documents=documents, deprecated={})
    now = datetime(2026, 1, 2, tzinfo=UTC)
    return {each.name: each for each in run_gates(made(), datasets, POLICY, "triage", now=now).results}


def test_all_but_names_of_patients_is_judged_and_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Patterns find no names: without a NER model the gate fails and says so, whatever the table holds."""
    monkeypatch.setattr(on_presidio.spacy.util, "get_installed_models", list)
    found = judged(admissions(HELD, 2))
    assert list(found) == list(POLICY.services["triage"].gates.required)
    why = {
        name: each.reason for name, each in found.items() if each.verdict != "passed" and name != "latency"
    }
    assert list(why) == ["privacy"]
    assert why["privacy"] == (
        "could not run: CannotJudge: the policy requires a NER model, and no spaCy pipeline with one for 'en' is "
        "installed here"
    )


def test_a_group_that_is_treated_otherwise_shows_by_sex_and_age_together() -> None:
    """Old women and young men come back uncalled, more than others: by sex alone, and by age alone, all are alike."""
    holdout = admissions(HELD, 3)
    age = pd.cut(holdout["age"], [0, 40, 65, 200], right=False, labels=["young", "middle", "old"])
    for sex, group, people in (
        ("f", "old", 20),
        ("m", "young", 20),
        ("f", "middle", 10),
        ("m", "middle", 10),
    ):
        there = (holdout["sex"] == sex) & (age == group) & (holdout[TARGET] == "no")
        holdout.loc[there[there].index[:people], TARGET] = "yes"
    found = judged(holdout)["fairness"]
    assert found.verdict == "failed"
    assert re.fullmatch(r"sex × age: equalized odds difference is 0\.\d+; at most 0\.05", found.reason), (
        found.reason
    )
