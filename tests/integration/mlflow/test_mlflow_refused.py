"""What is not published from MLflow: pickles, what is too large, what is not there, what one may not read."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from registry.errors import StoreUnavailable
from registry.mlflow import take as taking
from registry.mlflow.take import take
from registry.settings import mlflow_access
from registry.stores.mlflow import MlflowStore
from tests.components.mlflow import PASSWORD
from tests.components.packages import CREDIT_CSV, credit_package

from .conftest import Logged, Publisher

pytestmark = pytest.mark.mlflow


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
