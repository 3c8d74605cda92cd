"""A model out of a real MLflow server, with all that MLflow knows of it."""

from __future__ import annotations

import json
import re
import socket
from hashlib import sha256
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from registry.convert import publish_sklearn
from registry.lineage import GitState, Origin, Run
from registry.mlflow.run import git_of
from registry.mlflow.take import take, take_run
from registry.runtimes import load
from registry.stores import LayoutStore
from tests.components.approvals import affiant
from tests.components.mlflow import PASSWORD
from tests.components.packages import CREDIT_CSV, TARGET, credit_pipeline, credit_table

from .conftest import Logged, Publisher

pytestmark = pytest.mark.mlflow
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def test_the_lineage_has_what_mlflow_knows(logged: Logged, publisher: Publisher) -> None:
    """Run, parents, parameters, metrics, tags, data sets, commit, signature, and the digest of every artifact."""
    made = publisher.ok(f"models:/{logged.name}/1", table="mlflow-artifact:data/german_credit.csv")
    lineage = publisher.lineage(made["digest"])
    told = lineage["mlflow"]
    assert told["artifacts_complete"]
    assert made["name"] == logged.name
    assert (told["version"]["name"], told["version"]["version"]) == (logged.name, "1")
    assert "champion" in told["version"]["aliases"]
    assert told["server"] == logged.server.plain
    assert told["logged_model"]["id"] == logged.ids["model"]
    run = told["run"]
    assert (run["id"], [each["id"] for each in run["parents"]]) == (logged.ids["run"], [logged.ids["parent"]])
    assert run["parents"][0]["name"] == "pipeline"
    assert run["parameters"] == {"max_depth": "4", "rounds": "20"}
    assert run["metrics"]["auc"] == {"value": 0.81, "step": 0}
    assert run["metrics"]["broken"]["value"] == "NaN"
    assert run["tags"]["team"] == "risk"
    (data,) = run["inputs"]
    assert (data["name"], data["context"]) == ("german credit", "training")
    assert len(data["schema"]["mlflow_colspec"]) == 21
    assert told["signature"]["inputs"][0]["name"] == "status_of_existing_checking_account"
    assert told["flavour"] == "xgboost"
    assert re.fullmatch(r"3\.\d+\.\d+", told["environment"]["xgb_version"])
    kept = {
        **{("model", path.name): path for path in logged.model_files("model").iterdir() if path.is_file()},
        ("run", "data/german_credit.csv"): CREDIT_CSV,
    }
    hashed = {(row["of"], row["path"]): row["sha256"] for row in told["artifacts"]}
    assert hashed.keys() == {*kept, ("run", "files/plain.json")}
    assert all(hashed[key] == sha256(path.read_bytes()).hexdigest() for key, path in kept.items())
    assert told["model_sha256"] == lineage["model"]["sha256"] == hashed["model", "model.ubj"]


def test_what_mlflow_says_is_what_the_package_says(logged: Logged, publisher: Publisher) -> None:
    """The commit is the training's, not that of the directory here; the run is the training's run."""
    made = publisher.ok(f"models:/{logged.name}@champion", "--run", "ingestion=i7")
    lineage = publisher.lineage(made["digest"])
    assert lineage["git"] == {"commit": COMMIT, "dirty": None, "source": "mlflow"}
    assert "whether files differed from the commit" in lineage["unknown"]
    assert lineage["origin"]["runs"] == [
        {"stage": "ingestion", "id": "i7"},
        {"stage": "training", "id": logged.ids["run"]},
    ]
    assert "run of training" not in lineage["unknown"]
    assert PASSWORD not in unquote(json.dumps(lineage))
    assert lineage["origin"]["data"][0]["sha256"] == sha256(CREDIT_CSV.read_bytes()).hexdigest()


def test_the_commit_is_the_runs_then_the_models() -> None:
    """And whether it was all is known only where MLflow says it."""
    commit = {"mlflow.source.git.commit": COMMIT}
    assert git_of({}, {}) is None
    assert git_of({"team": "risk"}, commit) == GitState(COMMIT, None, "mlflow")
    assert git_of(
        commit, {"mlflow.source.git.commit": "other", "mlflow.source.git.dirty": "true"}
    ) == GitState(COMMIT, None, "mlflow")
    assert git_of(commit | {"mlflow.source.git.dirty": "true"}) == GitState(COMMIT, True, "mlflow")
    assert git_of(commit | {"mlflow.source.git.dirty": "false"}) == GitState(COMMIT, False, "mlflow")


def test_the_version_says_of_which_package_it_is(logged: Logged, publisher: Publisher) -> None:
    """Data scientists find the digest where they work; a second package of it is published, and said."""
    first = publisher.ok(f"models:/{logged.name}/1", "--threshold", 0.4)
    asked = {"name": logged.name, "version": "1"}
    tags = logged.client().get("model-versions/get", **asked)["model_version"]["tags"]
    said = {each["key"]: each["value"] for each in tags}["affiant.digest"]
    second = publisher.publish(f"models:/{logged.name}/1", "--threshold", 0.6)
    assert second.code == 0
    assert said != second.json["digest"]
    assert "keeps that tag" in " ".join(second.err.split())
    assert first["digest"] != second.json["digest"]


def test_every_way_of_naming_it_gives_the_same_bytes(logged: Logged) -> None:
    """Version, alias, logged model, the run's path, and the file itself."""
    client, run = logged.client(), logged.ids["run"]
    whole = (logged.model_files("model") / "model.ubj").read_bytes()
    for address in (
        f"models:/{logged.name}/1",
        f"models:/{logged.name}@champion",
        f"models:/{logged.ids['model']}",
        f"runs:/{run}/model",
        f"runs:/{run}/model/model.ubj",
    ):
        taken = take(client, address)
        assert (taken.model, taken.run, taken.file) == (whole, run, "model.ubj"), address
    plain = take(client, f"runs:/{run}/files/plain.json")
    assert plain.model.startswith(b'{"learner"')
    assert {row["path"] for row in plain.lineage["artifacts"]} == {
        "data/german_credit.csv",
        "files/plain.json",
    }


def test_nobody_else_is_asked_anything(
    logged: Logged, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No host but the server's is looked up: no telemetry, no index, no documentation."""
    asked: set[object] = set()
    look_up = socket.getaddrinfo

    def watched(host: object, *more: object, **options: object) -> object:
        asked.add(host)
        return look_up(host, *more, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(socket, "getaddrinfo", watched)
    publisher.ok(f"models:/{logged.name}/1")
    assert asked == {"127.0.0.1"}


@pytest.mark.parametrize("which", ["onnx", "onnx-small"])
def test_an_onnx_model_answers_as_it_did(
    logged: Logged, publisher: Publisher, tmp_path: Path, which: str
) -> None:
    """Also when MLflow keeps its tensors in a file beside it, as it does by default."""
    beside = list(logged.model_files(which).glob("*.data"))
    assert len(beside) == (which == "onnx")
    options = ("--name", "wide", "--target", "y", "--positive", "1")
    done = publisher(
        "publish",
        "--from-mlflow",
        f"models:/{logged.ids[which]}",
        "--table",
        "mlflow-artifact:data/wide.csv",
        *options,
    )
    assert done.code == 0, done
    package = LayoutStore(tmp_path / "affiant-data" / "store").pull(done.json["digest"])
    told = package.lineage["mlflow"]
    assert [each["sha256"] for each in told["tensors_inlined"]] == [
        sha256(path.read_bytes()).hexdigest() for path in beside
    ]
    (wide,) = logged.server.artifacts.glob(f"*/{logged.ids['others']}/artifacts/data/wide.csv")
    rows = pd.read_csv(wide)
    scores = (
        load(package).predict(np.ascontiguousarray(rows.drop(columns=["y"]).to_numpy(np.float32))).reshape(-1)
    )
    assert ((scores > 0.5) == rows["y"]).mean() > 0.95
    assert np.corrcoef(scores, rows["f0"] + rows["f1"])[0, 1] > 0.7


def test_a_name_that_steers_a_terminal_is_printed_harmlessly(logged: Logged, publisher: Publisher) -> None:
    """Names come from MLflow, where anybody may have chosen them."""
    name = "credit\u202e\x1b[2J\x9b"
    digest = publisher.ok(f"models:/{logged.name}/1", "--name", name)["digest"]
    for words in (["list"], ["show", digest], ["show", digest, "--json"], ["list", "--json"]):
        out = affiant("model", *words, "--config", publisher.config).out
        assert "credit" in out
        assert [each for each in "\u202e\x1b\x9b" if each in out] == [], words
    assert publisher("list").json[0]["name"] == name


def test_a_scikit_learn_model_is_published_from_python_with_its_run(logged: Logged) -> None:
    """The way out that the refusal names: through ONNX, where the estimator is, with what MLflow knows of the run."""
    lineage, git = take_run(logged.client(), logged.ids["run"])
    published = publish_sklearn(
        credit_pipeline(LogisticRegression(max_iter=1000)),
        credit_table().frame,
        target=TARGET,
        name="credit-linear",
        positive="bad",
        unknown="missing",
        origin=Origin(runs=(Run("training", logged.ids["run"]),)),
        mlflow=lineage,
        git=git,
    )
    told = published.package.lineage
    assert told["mlflow"]["run"]["parameters"] == {"max_depth": "4", "rounds": "20"}
    assert {row["path"] for row in told["mlflow"]["artifacts"]} == {
        "data/german_credit.csv",
        "files/plain.json",
    }
    assert told["git"] == {"commit": COMMIT, "dirty": None, "source": "mlflow"}
    assert told["origin"]["runs"] == [{"stage": "training", "id": logged.ids["run"]}]
    assert published.comparison is not None
    assert published.comparison.max_difference < 1e-4
