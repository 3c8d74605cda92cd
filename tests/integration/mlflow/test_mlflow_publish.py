"""A model out of a real MLflow server, with all that MLflow knows of it."""

from __future__ import annotations

import json
import pickle
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
from registry.errors import StoreUnavailable
from registry.lineage import GitState, Origin, Run
from registry.mlflow import take as taking
from registry.mlflow.run import git_of
from registry.mlflow.take import take, take_run
from registry.runtimes import load
from registry.settings import mlflow_access
from registry.stores import LayoutStore
from registry.stores.mlflow import MlflowStore
from tests.components.mlflow import PASSWORD
from tests.components.packages import CREDIT_CSV, TARGET, credit_package, credit_pipeline, credit_table

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
    assert lineage["git"] == {"commit": COMMIT, "dirty": None}
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
    assert git_of({"team": "risk"}, commit) == GitState(COMMIT, None)
    assert git_of(
        commit, {"mlflow.source.git.commit": "other", "mlflow.source.git.dirty": "true"}
    ) == GitState(COMMIT, None)
    assert git_of(commit | {"mlflow.source.git.dirty": "true"}) == GitState(COMMIT, True)
    assert git_of(commit | {"mlflow.source.git.dirty": "false"}) == GitState(COMMIT, False)


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


@pytest.mark.parametrize("which", ["skops", "cloudpickle"])
def test_a_pickle_is_refused_and_not_even_fetched(logged: Logged, publisher: Publisher, which: str) -> None:
    """With the way out; the server was asked for no more than its description."""
    before = len(logged.asked())
    done = publisher.publish(f"models:/{logged.ids[which]}", "--name", "credit")
    assert done.code == 1
    assert f"is kept as {which}" in done.err
    assert "registry.convert.publish_sklearn" in done.err
    assert "mlflow.onnx.log_model" in done.err
    asked = logged.asked()[before:]
    assert "artifact_file_path=MLmodel" in asked
    assert "artifact_file_path=model" not in asked
    assert publisher("list").json == []


def test_a_pickle_under_a_models_name_is_refused(logged: Logged, publisher: Publisher) -> None:
    """Whoever can write to the server's disk can put anything there."""
    model = logged.model_files("model") / "model.ubj"
    whole = model.read_bytes()
    try:
        model.write_bytes(pickle.dumps({"weights": list(range(100))}))
        done = publisher.publish(f"models:/{logged.name}/1")
        assert (done.code, "it is a pickle" in done.err) == (1, True)
        model.write_bytes(whole[:-200])
        assert publisher.publish(f"models:/{logged.name}/1").code == 1
    finally:
        model.write_bytes(whole)
    assert publisher("list").json == []


def test_a_model_that_is_too_large_is_not_fetched(
    logged: Logged, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its size is asked first; a table's too."""
    monkeypatch.setattr(taking, "MAX_MODEL", 1000)
    before = len(logged.asked())
    done = publisher.publish(f"models:/{logged.name}/1")
    assert (done.code, "more than the 1000" in done.err) == (2, True)
    assert "artifact_file_path=model.ubj" not in logged.asked()[before:]
    monkeypatch.undo()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", logged.server.address)
    with pytest.raises(taking.PublishError, match="more than 99"):
        taking.run_file(logged.client(), logged.ids["run"], "data/german_credit.csv", 99)


def test_what_is_too_much_to_hash_is_said(logged: Logged, monkeypatch: pytest.MonkeyPatch) -> None:
    """No digest is made up for what was not read."""
    monkeypatch.setattr(taking, "MAX_HASHED", 100_000)
    rows = take(logged.client(), f"models:/{logged.name}/1").lineage["artifacts"]
    (unread,) = [row for row in rows if row["sha256"] is None]
    assert unread["path"] == "data/german_credit.csv"
    assert "too large" in unread["problem"]


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("models:/{name}/9", "not found"),
        ("models:/{name}@nobody", "not found"),
        ("models:/{name}/latest", "another one tomorrow"),
        ("models:/{name}/Production", "another one tomorrow"),
        ("models:/m-{run}", "not found"),
        ("runs:/{run}/nothing", "no MLmodel"),
        ("runs:/{run}/../../etc", "a path inside the artifacts is wanted"),
        ("runs:/feedfeedfeedfeedfeedfeedfeedfeed/model", "not found"),
        ("s3://bucket/model", "names no model"),
    ],
)
def test_what_names_no_model_is_exit_code_2(
    logged: Logged, publisher: Publisher, address: str, says: str
) -> None:
    """And nothing is published."""
    done = publisher.publish(address.format(name=logged.name, run=logged.ids["run"]), "--name", "credit")
    assert (done.code, says in done.err) == (2, True), done.err
    assert publisher("list").json == []


def test_what_does_not_go_together_is_exit_code_2(
    logged: Logged, publisher: Publisher, tmp_path: Path
) -> None:
    """File and address, an artifact without a run, another run, no name, no such artifact."""
    address = f"models:/{logged.name}/1"
    (tmp_path / "m.ubj").write_bytes(b"{L")
    for done, says in (
        (publisher.publish(address, tmp_path / "m.ubj"), "either a file or --from-mlflow"),
        (publisher("publish", "--table", CREDIT_CSV, "--target", "y"), "either a file or --from-mlflow"),
        (
            publisher(
                "publish",
                tmp_path / "m.ubj",
                "--table",
                "mlflow-artifact:x.csv",
                "--target",
                "y",
                "--name",
                "n",
            ),
            "goes with --from-mlflow",
        ),
        (publisher.publish(address, "--run", "training=other"), "MLflow says that it was run"),
        (publisher.publish(f"models:/{logged.ids['model']}"), "what is the model called"),
        (
            publisher.publish(address, table="mlflow-artifact:data/none.csv"),
            "has no artifact 'data/none.csv'",
        ),
        (publisher.publish(address, table="nowhere.csv"), "does not exist"),
    ):
        assert (done.code, says in done.err) == (2, True), done.err


def test_credentials_are_needed_and_may_be_a_readers(
    logged: Logged, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without any, exit code 3 and what to set; who may only read has the package, and a note for the tag."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", logged.server.plain)
    done = publisher.publish(f"models:/{logged.name}/1")
    assert (done.code, "answered 401" in done.err, "MLFLOW_TRACKING_TOKEN" in done.err) == (3, True, True)
    own = f"{logged.name}-read"
    logged.client().post("registered-models/create", {"name": own})
    source = {"name": own, "source": f"models:/{logged.ids['model']}", "model_id": logged.ids["model"]}
    logged.client().post("model-versions/create", source)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", logged.server.add_reader("reader"))
    done = publisher.publish(f"models:/{own}/1", table="mlflow-artifact:data/german_credit.csv")
    assert done.code == 0, done
    assert "could not be tagged" in done.err
    assert PASSWORD not in done.err + done.out
    reading = MlflowStore(mlflow_access())
    assert reading.list() is not None
    with pytest.raises(StoreUnavailable, match="answered 403"):
        reading.push(credit_package(own))


def test_a_server_that_does_not_answer_is_exit_code_3(
    publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And one that is not named is a matter of settings."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://user:hidden@127.0.0.1:1")
    done = publisher.publish("models:/credit/1")
    assert (done.code, "http://127.0.0.1:1 does not answer" in done.err) == (3, True)
    assert "hidden" not in done.err
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert (publisher.publish("models:/credit/1").code, "MLFLOW_TRACKING_URI" in done.out) == (2, False)


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
    assert told["git"] == {"commit": COMMIT, "dirty": None}
    assert told["origin"]["runs"] == [{"stage": "training", "id": logged.ids["run"]}]
    assert published.comparison is not None
    assert published.comparison.max_difference < 1e-4
