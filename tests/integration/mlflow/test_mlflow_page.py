"""docs/mlflow.md, as it is written, against a real server."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from audit.governance import Governance
from audit.log import configured_governance_log
from registry.deployment import Deployment, Placed, encode_deployment
from registry.mlflow import standing
from registry.statement import append
from tests.components.approvals import House
from tests.components.mlflow import train

from .conftest import Logged, Publisher

pytestmark = pytest.mark.mlflow
PAGE = (Path(__file__).parents[3] / "docs" / "mlflow.md").read_text()


def snippet(name: str) -> str:
    """The lines marked `<!-- run: NAME -->`, or `<!-- file: NAME -->`."""
    found = re.search(rf"<!-- (?:run|file): {re.escape(name)} -->\n```\w+\n(.*?)```", PAGE, re.DOTALL)
    assert found, name
    return found[1]


def run(name: str, directory: Path, logged: Logged) -> str:
    """The output of a snippet that must end well; the page's server and model are those that are there."""
    text = snippet(name).replace("http://127.0.0.1:5000", logged.server.address)
    text = text.replace("models:/credit/1", f"models:/{logged.name}/1")
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "MLFLOW_TRACKING_URI": logged.server.address,
    }
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", text],
        cwd=directory,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_page_from_publishing_to_looking(logged: Logged, tmp_path: Path) -> None:
    """A model is published, judged and deployed; a data scientist sees it with MLflow's own client."""
    house = House.build(tmp_path, [])
    (digest,) = set(re.findall(r"sha256:[0-9a-f]{64}", run("publish", tmp_path, logged)))
    version = f"models:/{logged.name}/1"
    client = logged.client()
    tags = client.get("model-versions/get", name=logged.name, version="1")["model_version"]["tags"]
    said = {each["key"]: each["value"] for each in tags}["affiant.digest"]
    if (
        said != digest
    ):  # another test has said of this version which package it is: say it again for this page
        client.post(
            "model-versions/set-tag",
            {"name": logged.name, "version": "1", "key": "affiant.digest", "value": digest},
        )
    house.gates(digest=digest)
    for person, role in (("dan", "legal"), ("bob", "compliance")):
        assert house.sign("approve", person, role, digest=digest).code == 0
    event = Deployment(
        service="credit",
        action="deploy",
        reason="the page",
        actor="dan",
        at=time.time(),
        plan=[Placed(digest=digest)],
    )
    append(
        Governance(configured_governance_log(house.loaded), house.signer("dan")), [encode_deployment(event)]
    )
    assert f"{version}: affiant.stage = production" in run("sync", tmp_path, logged)
    script = tmp_path / "look.py"
    script.write_text(snippet("look").replace('"credit", "production"', f'"{logged.name}", "production"'))
    assert train(logged.server, script).split() == ["1", "production", "passed"]
    (tmp_path / "affiant.toml").write_text(snippet("affiant.toml"))
    told = run("store", tmp_path, logged)
    assert logged.name in told  # of a server that other tests have packages on, too
    assert re.search(r"^([0-9]+) of \1 packages are whole$", told, re.MULTILINE), told


def test_the_page_logs_a_scikit_learn_model_so_that_it_can_be_published(
    logged: Logged, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The two lines that the refusal names: the pickle beside it is not read, the ONNX is, and says the same."""
    import pandas as pd
    from sklearn.datasets import make_classification
    from sklearn.linear_model import LogisticRegression

    script = tmp_path / "log_onnx.py"
    script.write_text(snippet("log_onnx.py") + "print('RUN', run.info.run_id)\n")
    found = re.search(r"RUN ([0-9a-f]{32})", train(logged.server, script))
    assert found
    rows, classes = make_classification(400, 4, random_state=7)
    rows = rows.astype("float32")
    frame = pd.DataFrame(rows, columns=[f"x{place}" for place in range(4)]).assign(y=classes)
    frame.to_csv(tmp_path / "table.csv", index=False)
    scores = LogisticRegression().fit(rows, classes).predict_proba(rows)[:, 1]
    pd.DataFrame({"score": scores}).to_csv(tmp_path / "scores.csv", index=False)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", logged.server.address)
    publisher = Publisher(tmp_path)
    options = (
        "--name",
        "linear",
        "--target",
        "y",
        "--compare-predictions",
        tmp_path / "scores.csv",
        "--max-difference",
        "1e-5",
    )
    done = publisher(
        "publish", "--from-mlflow", f"runs:/{found[1]}/onnx", "--table", tmp_path / "table.csv", *options
    )
    assert done.code == 0, done
    refused = publisher(
        "publish", "--from-mlflow", f"runs:/{found[1]}/model", "--table", tmp_path / "table.csv", *options
    )
    assert refused.code == 1
    for line in (
        "skl2onnx.to_onnx(model, X[:1], options={'zipmap': False})",
        "mlflow.onnx.log_model(exported, name='onnx')",
    ):
        assert line in refused.err.replace("\n", " ")
        assert line.replace("'", '"') in PAGE


def test_the_page_names_every_tag() -> None:
    """And no other."""
    listed = set(re.findall(r"`(affiant\.[a-z-]+)[`.]", PAGE)) - {
        "affiant.digest",
        "affiant.kept",
        "affiant.toml",
    }
    kinds = {prefix.rstrip(".") for prefix in standing.PREFIXES}
    assert listed == kinds
