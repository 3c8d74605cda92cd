"""Which commit of which code a model was made with: said, or shown by where its files lie; never guessed."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from registry.errors import PublishError


@dataclass(frozen=True, slots=True)
class GitState:
    """The commit that the model was made at; `dirty` when files differed from it, None where nobody knows."""

    commit: str
    dirty: bool | None
    source: Literal["said", "work tree", "mlflow"] | None = None
    """Who says that it is the model's: the publisher named the directory; the model or its table lies in the work
    tree that it was published from; MLflow's run. None: whoever called did not say."""

    def told(self) -> dict[str, object]:
        """As it stands in lineage.json. Packages before this have no `source`."""
        found: dict[str, object] = {"commit": self.commit, "dirty": self.dirty}
        return found if self.source is None else {**found, "source": self.source}


def git_state(
    directory: Path, source: Literal["said", "work tree", "mlflow"] | None = None
) -> GitState | None:
    """The commit of the work tree around `directory`; None where there is none, or no git."""
    try:
        commit = _git(directory, "rev-parse", "HEAD").strip()
        return GitState(commit, bool(_git(directory, "status", "--porcelain").strip()), source)
    except (OSError, subprocess.SubprocessError):
        return None


def code_state(code: Path | None, files: Iterable[Path], here: Path) -> GitState | None:
    """The commit of the code that made a model.

    1. `code`: somebody says that it is there. 2. The work tree around `here`, when one of the files lies in it.
    3. None: a work tree in which one merely stands MUST NOT be taken for the model's.

    Args:
        code: a directory; None: nobody named one.
        files: the model and its table, as far as they are files.
        here: the directory that it is published from.

    Raises:
        PublishError: `code` is in no work tree of git, or in one without a commit.
    """
    if code is not None:
        found = git_state(code, "said")
        if found is None:
            raise PublishError(f"{code}: no work tree of git with a commit is there")
        return found
    tree = _tree(here)
    if tree is None or all(_tree(each.resolve().parent) != tree for each in files):
        return None
    return git_state(here, "work tree")


def _tree(directory: Path) -> str | None:
    """The root of the work tree around a directory: of the innermost one, such as a submodule's."""
    try:
        return _git(directory, "rev-parse", "--show-toplevel").strip()
    except (OSError, subprocess.SubprocessError):
        return None


def _git(directory: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(directory), *arguments], capture_output=True, text=True, check=True, timeout=30
    )
    return done.stdout
