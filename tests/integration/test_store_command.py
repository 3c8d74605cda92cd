"""`affiant model` as a user runs it: publish, list, show, pull, verify, and what it says when it cannot."""

from __future__ import annotations

import json
import pickle
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cli.main import run
from registry.stores import LayoutStore
from tests.components.oci import OciRegistry
from tests.components.packages import CREDIT_CSV, as_categories, credit_booster, credit_table


class Command:
    """Runs `affiant model …` in this process."""

    def __init__(self, capsys: pytest.CaptureFixture[str], config: Path) -> None:
        self._capsys = capsys
        self._config = config

    def __call__(self, *arguments: object) -> tuple[int, str, str]:
        """Exit code, output, error output."""
        with pytest.raises(SystemExit) as end:
            run(["model", *map(str, arguments), "--config", str(self._config)])
        out, err = self._capsys.readouterr()
        return int(end.value.code or 0), out, err

    def json(self, *arguments: object) -> Any:
        """The output of a command that must succeed."""
        code, out, err = self(*arguments, "--json")
        assert code == 0, err
        return json.loads(out)


@pytest.fixture(params=["layout", pytest.param("oci", marks=pytest.mark.oci)])
def affiant(request: pytest.FixtureRequest, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    """The command with the settings of each kind of store."""
    config = tmp_path / "affiant.toml"
    config.write_text("")
    if request.param == "oci":
        registry: OciRegistry = request.getfixturevalue("oci_registry")
        reference = f"{registry.address}/commands/{tmp_path.name.lower().replace('_', '-').strip('-')}"
        config.write_text(f'[store]\nbackend = "oci"\nreference = "{reference}"\n')
    return Command(capsys, config)


@pytest.fixture
def model_file(tmp_path: Path) -> Path:
    """The credit model, as its trainer saved it."""
    path = tmp_path / "credit.ubj"
    credit_booster().save_model(path)
    return path


def publish_options(model: Path) -> list[object]:
    """What every publish of the credit model says."""
    return [
        "publish", model, "--table", CREDIT_CSV, "--target", "creditability",
        "--name", "credit", "--positive", "bad",
    ]  # fmt: skip


def test_publish_list_show_pull_and_verify(affiant: Command, model_file: Path, tmp_path: Path) -> None:
    """The whole way of a package, each step by what the one before printed."""
    scores = credit_booster().inplace_predict(as_categories(credit_table().frame))
    pd.DataFrame({"score": scores.astype(np.float64)}).to_csv(tmp_path / "scores.csv", index=False)
    made = affiant.json(*publish_options(model_file), "--compare-predictions", tmp_path / "scores.csv")
    assert made["batching"]["kind"] == "exact"
    assert made["comparison"]["rows_beyond"] == 0
    assert made["comparison"]["rows"] == 1000
    digest = made["digest"]
    (listed,) = affiant.json("list")
    assert (listed["digest"], listed["name"]) == (digest, "credit")
    shown = affiant.json("show", digest[7:19])
    assert shown["signature"]["positive_class"] == "bad"
    assert [file["file"] for file in shown["files"]][:2] == ["model.ubj", "signature.json"]
    assert shown["lineage"]["training_table"]["file"] == "german_credit.csv"
    pulled = affiant.json("pull", digest, "--output", tmp_path / "out")
    assert pulled["digest"] == digest
    assert (tmp_path / "out" / "model.ubj").read_bytes() == model_file.read_bytes()
    (result,) = affiant.json("verify", "--golden")
    assert result == {
        "digest": digest,
        "name": "credit",
        "holds": True,
        "batching": {"kind": "exact", "rows": 1, "bound": 0.0},
    }


def test_the_commit_is_not_that_of_wherever_one_stands(
    capsys: pytest.CaptureFixture[str], model_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model and a table from elsewhere: unknown. A directory that is named, or that has the model: its commit."""
    (tmp_path / "affiant.toml").write_text("")
    affiant = Command(capsys, tmp_path / "affiant.toml")
    project = tmp_path / "project"
    project.mkdir()
    for words in ("init", "-c user.name=t -c user.email=t@example.com commit --allow-empty -m one"):
        subprocess.run(["git", "-C", project, *words.split()], check=True, capture_output=True)
    table = shutil.copy(CREDIT_CSV, tmp_path)
    monkeypatch.chdir(project)

    def published(model: Path, *more: object) -> Any:
        words = publish_options(model)
        made = affiant.json(*(table if word == CREDIT_CSV else word for word in words), *more)
        return affiant.json("show", made["digest"])["lineage"]

    outside = published(model_file)
    assert (outside["git"], "git commit" in outside["unknown"]) == (None, True)
    assert outside["environment"]["of"] == "publisher"
    assert published(model_file, "--code", project)["git"]["source"] == "said"
    inside = published(Path(shutil.copy(model_file, project)))
    assert inside["git"]["source"] == "work tree"
    assert "git commit" not in inside["unknown"]
    code, _, err = affiant(*publish_options(model_file), "--code", tmp_path)
    assert (code, "no work tree of git with a commit" in err) == (2, True)


def test_publish_takes_scores_of_a_hold_out(affiant: Command, model_file: Path, tmp_path: Path) -> None:
    """Its version is data that the package was made of, and may be deprecated as such."""
    held = tmp_path / "held.csv"
    credit_table().frame[:200].to_csv(held, index=False)
    shown = affiant.json("show", affiant.json(*publish_options(model_file), "--holdout", held)["digest"])
    assert (shown["reference"]["rows"], shown["reference"]["score_rows"]) == (1000, 200)
    (_, data) = shown["lineage"]["origin"]["data"]
    assert (data["name"], data["sha256"]) == ("hold-out", shown["lineage"]["score_table"]["sha256"])
    code, _, err = affiant(*publish_options(model_file), "--holdout", CREDIT_CSV)
    assert (code, "the hold-out is the training table itself" in err) == (2, True)


def test_publish_tells_the_origin_and_what_is_unknown(
    affiant: Command, model_file: Path, tmp_path: Path
) -> None:
    """Data by version, runs and their links, the image; and by name what nobody said."""
    raw = tmp_path / "raw.csv"
    raw.write_bytes(b"x\n1\n")
    made = affiant.json(
        *publish_options(model_file), "--data", raw, "--run", "training=t1", "--run", "preprocessing=p1",
        "--image", f"credit@sha256:{'a' * 64}", "--command", "python train.py",
    )  # fmt: skip
    assert {"run of ingestion", "locked requirements"} <= set(made["unknown"])
    lineage = affiant.json("show", made["digest"])["lineage"]
    assert lineage["unknown"] == made["unknown"]
    origin = lineage["origin"]
    assert [data["name"] for data in origin["data"]] == ["german_credit.csv", "raw.csv"]
    assert origin["data"][0]["sha256"] == lineage["training_table"]["sha256"]
    assert "profile" not in origin["data"][0]  # it stands in `training_table`
    assert origin["data"][1]["profile"] == {
        "rows": 1,
        "duplicates": 0,
        "columns": [{"name": "x", "type": "integer", "missing": 0, "distinct": 1}],
    }
    assert origin["links"] == [["p1", "t1"]]
    assert lineage["training_table"]["profile"]["rows"] == 1000


def test_publish_refuses_data_that_dvc_knows_as_another_version(
    affiant: Command, model_file: Path, tmp_path: Path
) -> None:
    """Exit code 2, what to do, and nothing in the store."""
    table = tmp_path / "rows.csv"
    table.write_bytes(CREDIT_CSV.read_bytes())
    table.with_name("rows.csv.dvc").write_text(f"outs: [{{hash: md5, md5: {'a' * 32}, path: rows.csv}}]")
    options = publish_options(model_file)
    options[options.index(CREDIT_CSV)] = table
    code, _, said = affiant(*options)
    assert code == 2
    assert "dvc checkout" in said
    assert affiant.json("list") == []


def test_what_people_read_names_the_same_things(affiant: Command, model_file: Path) -> None:
    """Without --json: the digest whole (for copying), the measured figures, the card."""
    code, out, _ = affiant(*publish_options(model_file))
    assert code == 0
    assert "golden, bit for bit" in out
    assert "training auc" in out
    (listed,) = affiant.json("list")
    assert listed["digest"] in out
    assert listed["digest"] in affiant("list")[1]
    shown = affiant("show", listed["digest"])[1]
    assert "status_of_existing_checking_account" in shown
    assert "1 of 1 packages are whole" in affiant("verify")[1]


def test_an_empty_store_says_what_to_do(affiant: Command) -> None:
    """Not an error."""
    code, out, _ = affiant("list")
    assert (code, "affiant model publish --help" in out) == (0, True)


def test_a_pickle_is_refused_with_the_reason_and_the_way_out(affiant: Command, tmp_path: Path) -> None:
    """Whatever its name; exit code 1, nothing in the store."""
    for name in ("model.pkl", "model.ubj"):
        (tmp_path / name).write_bytes(pickle.dumps({"weights": [1]}))
        code, _, err = affiant(*publish_options(tmp_path / name))
        assert code == 1
        assert "runs whatever code" in err
        assert "publish_sklearn" in err
    assert affiant.json("list") == []


@pytest.mark.parametrize(
    ("changed", "code", "says"),
    [
        (["--target", "absent"], 2, "no column 'absent'"),
        (["--positive", "good"], 2, "is the other class the positive one"),
        (["--table", "/nowhere.csv"], 2, "does not exist"),
        (["--threshold", "7"], 2, "--threshold"),
        (["--unknown", "guess"], 2, "--unknown"),
        (["--max-difference", "0.1"], 2, "needs --compare-predictions"),
    ],
)
def test_wrong_usage_is_exit_code_2(
    affiant: Command, model_file: Path, changed: list[str], code: int, says: str
) -> None:
    """One line that says what to change; nothing is published."""
    got, _, err = affiant(*publish_options(model_file), *changed)
    assert got == code
    assert says in err
    assert affiant.json("list") == []


def test_a_score_file_that_does_not_fit_or_differs_is_refused(
    affiant: Command, model_file: Path, tmp_path: Path
) -> None:
    """Another number of rows, and a difference beyond what is allowed."""
    pd.DataFrame({"score": [0.5] * 3}).to_csv(tmp_path / "short.csv", index=False)
    code, _, err = affiant(*publish_options(model_file), "--compare-predictions", tmp_path / "short.csv")
    assert (code, "have shape (3, 1)" in err) == (2, True)
    pd.DataFrame({"score": [0.5] * 1000}).to_csv(tmp_path / "flat.csv", index=False)
    flat = ["--compare-predictions", tmp_path / "flat.csv"]
    code, _, err = affiant(*publish_options(model_file), *flat, "--max-difference", "0.01")
    assert (code, "0.01 is allowed" in err) == (2, True)
    assert affiant.json("list") == []
    assert affiant.json(*publish_options(model_file), *flat)["comparison"]["rows_beyond"] > 900


def test_a_digest_that_names_nothing_is_exit_code_1(
    affiant: Command, model_file: Path, tmp_path: Path
) -> None:
    """A short one, an unknown beginning, a name."""
    affiant.json(*publish_options(model_file))
    for digest in ("abc", "0" * 12, "credit", "sha256:" + "0" * 64):
        code, _, err = affiant("show", digest)
        assert code == 1
        assert "affiant model list" in err


def test_pull_does_not_write_into_a_directory_that_is_there(
    affiant: Command, model_file: Path, tmp_path: Path
) -> None:
    """Files of another package could be taken for this one's."""
    digest = affiant.json(*publish_options(model_file))["digest"]
    (tmp_path / "out").mkdir()
    code, _, err = affiant("pull", digest, "--output", tmp_path / "out")
    assert code == 2
    assert "there already" in err


def test_verify_finds_a_wrong_byte(
    tmp_path: Path, model_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 1, and which file of which package."""
    config = tmp_path / "affiant.toml"
    config.write_text('[store]\ndirectory = "packages"\n')
    affiant = Command(capsys, config)
    digest = affiant.json(*publish_options(model_file))["digest"]
    layer = LayoutStore(tmp_path / "packages").pull(digest).parsed.roles["reference"]
    path = tmp_path / "packages" / "blobs" / "sha256" / layer.digest.removeprefix("sha256:")
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    code, out, _ = affiant("verify", digest)
    assert code == 1
    assert "WRONG: reference.cbor" in out
    assert "0 of 1 packages are whole" in out


def test_a_store_that_is_gone_is_exit_code_3(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The registry does not answer: not a wrong package."""
    config = tmp_path / "affiant.toml"
    config.write_text('[store]\nbackend = "oci"\nreference = "127.0.0.1:1/models/credit"\n')
    code, _, err = Command(capsys, config)("list")
    assert (code, "does not answer" in err) == (3, True)


@pytest.mark.parametrize("command", ["publish", "list", "show", "pull", "verify"])
def test_help_has_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Every command shows how it is used."""
    with pytest.raises(SystemExit) as end:
        run(["model", command, "--help"])
    assert not end.value.code
    assert f"Example: affiant model {command}" in capsys.readouterr().out
