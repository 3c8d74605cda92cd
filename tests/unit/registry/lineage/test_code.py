"""Whose commit a model gets: the directory's that somebody named, or that of the work tree in which its files lie."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from registry.errors import PublishError
from registry.lineage import GitState, code_state


def repository(directory: Path, *files: str) -> str:
    """A work tree with these files committed; the commit."""

    def git(*words: str) -> str:
        who = ("-c", "user.name=tim", "-c", "user.email=tim@example.com")
        return subprocess.run(
            ["git", "-C", directory, *who, *words], check=True, capture_output=True, text=True
        ).stdout.strip()

    directory.mkdir(parents=True, exist_ok=True)
    git("init", "--quiet")
    for name in files:
        (directory / name).write_text("x")
    git("add", "--all")
    git("commit", "--quiet", "--allow-empty", "--message", "one")
    return git("rev-parse", "HEAD")


@pytest.fixture
def project(tmp_path: Path) -> tuple[Path, str]:
    """Where somebody stands, and its commit."""
    return tmp_path / "project", repository(tmp_path / "project", "train.py", "table.csv")


def test_a_work_tree_in_which_one_merely_stands_is_not_the_models(
    project: tuple[Path, str], tmp_path: Path
) -> None:
    """The files are elsewhere, in no work tree or in another's: nobody knows the commit."""
    here, _ = project
    repository(tmp_path / "other", "model.ubj")
    for files in ([], [tmp_path / "model.ubj", tmp_path / "table.csv"], [tmp_path / "other" / "model.ubj"]):
        assert code_state(None, files, here) is None
    assert code_state(None, [tmp_path / "model.ubj"], tmp_path) is None


@pytest.mark.parametrize("place", ["model.ubj", "out/model.ubj"])
def test_the_work_tree_counts_in_which_the_model_or_its_table_lies(
    project: tuple[Path, str], tmp_path: Path, place: str
) -> None:
    """Tracked, new or ignored; from any directory of it, whose root is the same."""
    here, commit = project
    (here / "shop").mkdir()
    (here / "out").mkdir()
    for files in ([here / place, tmp_path / "table.csv"], [tmp_path / "model.ubj", here / "table.csv"]):
        found = code_state(None, files, here / "shop")
        assert found == GitState(commit, False, "work tree")
    (here / "train.py").write_text("changed")
    assert code_state(None, [here / place], here) == GitState(commit, True, "work tree")


def test_a_work_tree_inside_another_is_its_own(project: tuple[Path, str]) -> None:
    """A submodule's model is not the outer project's, nor the other way round."""
    here, _ = project
    inner = repository(here / "inner", "model.ubj")
    assert code_state(None, [here / "inner" / "model.ubj"], here) is None
    assert code_state(None, [here / "inner" / "model.ubj"], here / "inner") == GitState(
        inner, False, "work tree"
    )
    assert code_state(None, [here / "table.csv"], here / "inner") is None


def test_a_directory_that_is_named_is_the_models(project: tuple[Path, str], tmp_path: Path) -> None:
    """Wherever the files lie; where no commit is, that is an error and not passed over."""
    here, commit = project
    assert code_state(here, [tmp_path / "model.ubj"], tmp_path) == GitState(commit, False, "said")
    with pytest.raises(PublishError, match="no work tree of git with a commit is there"):
        code_state(tmp_path, [here / "table.csv"], here)


def test_old_and_new_are_told_alike() -> None:
    """A commit of which nobody says whose it is has the two keys that it always had."""
    assert GitState("c", True).told() == {"commit": "c", "dirty": True}
    assert GitState("c", None, "mlflow").told() == {"commit": "c", "dirty": None, "source": "mlflow"}
