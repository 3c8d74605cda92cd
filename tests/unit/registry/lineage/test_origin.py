"""What a publisher says of a model's making, and what is told of what nobody said."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest

from registry.errors import PublishError
from registry.lineage import DataSet, GitState, Origin, Run, lineage_json, parse_run

DIGEST = "sha256:" + "a" * 64
LOCKED = "numpy==2.1.0 \\\n    --hash=sha256:00\n# via x\npandas==2.2.3  # why\n"


def document(origin: Origin | None, git: GitState | None = None) -> dict[str, object]:
    """The lineage of nothing but this origin."""
    data = lineage_json(
        created=datetime(2026, 1, 2, tzinfo=UTC), model={}, table={}, git=git, parameters={}, metrics={},
        comparison=None, origin=origin,
    )  # fmt: skip
    content: dict[str, object] = json.loads(data)
    return content


def test_what_nobody_said_is_told_as_unknown() -> None:
    """Each by name; nothing is left to be guessed from a key that is not there."""
    assert document(None)["unknown"] == [
        "git commit", "run of ingestion", "run of preprocessing", "run of training",
        "training image", "training command", "locked requirements",
    ]  # fmt: skip


def test_what_was_said_is_told_and_nothing_is_unknown(tmp_path: Path) -> None:
    """A whole origin, its runs in the pipeline's order whatever order they were said in."""
    locked = tmp_path / "requirements.txt"
    locked.write_text(LOCKED)
    runs = tuple(map(parse_run, ["training=t", "ingestion=i", "preprocessing=p=1"]))
    data = DataSet("rows", "md5:" + "0" * 32, "dvc", False)
    told = document(
        Origin((data,), runs, f"reg/credit@{DIGEST}", "python train.py", locked), GitState("c" * 40, True)
    )
    assert told["environment"]["of"] == "publisher"
    assert told["unknown"] == []
    assert told["git"] == {"commit": "c" * 40, "dirty": True}
    assert told["origin"] == {
        "data": [data.told()],
        "runs": [
            {"stage": "ingestion", "id": "i"},
            {"stage": "preprocessing", "id": "p=1"},
            {"stage": "training", "id": "t"},
        ],
        "links": [["i", "p=1"], ["p=1", "t"]],
        "image": f"reg/credit@{DIGEST}",
        "command": "python train.py",
        "requirements": {
            "file": "requirements.txt",
            "sha256": sha256(LOCKED.encode()).hexdigest(),
            "packages": ["numpy==2.1.0", "pandas==2.2.3"],
        },
    }


def test_a_missing_run_between_two_is_not_bridged() -> None:
    """That training took what ingestion made is not known without the run between them."""
    assert Origin(runs=(Run("ingestion", "i"), Run("training", "t"))).told()["links"] == []


@pytest.mark.parametrize("image", ["credit:latest", "credit", "", "credit@sha256:abc", "sha256:" + "A" * 64])
def test_an_image_is_named_by_its_digest(image: str) -> None:
    """A tag can be moved."""
    with pytest.raises(PublishError, match="its digest is wanted"):
        Origin(image=image)


@pytest.mark.parametrize(
    "text", ["training", "training=", "serving=1", "=1", "training=a b", "training=\x1b[1m"]
)
def test_a_run_is_a_stage_and_an_id(text: str) -> None:
    """And an id has no spaces or control characters."""
    with pytest.raises(PublishError, match="STAGE=ID is wanted"):
        parse_run(text)


def test_nothing_is_said_twice() -> None:
    """Two runs of one stage, or two versions of one data set, would leave the reader to guess."""
    with pytest.raises(PublishError, match="'training': said twice"):
        Origin(runs=(Run("training", "a"), Run("training", "b")))
    data = DataSet("rows", "md5:1", "dvc", False)
    with pytest.raises(PublishError, match="'rows': said twice"):
        Origin(data=(data, data))


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"numpy>=2\n", "names no version"), (b"# none\n", "names no package"), (b"\xff", "not text")],
)
def test_requirements_that_are_not_locked_are_refused(tmp_path: Path, content: bytes, says: str) -> None:
    """A range says what would be installed today, not what was."""
    path = tmp_path / "r.txt"
    path.write_bytes(content)
    with pytest.raises(PublishError, match=says):
        document(Origin(requirements=path))
