"""A command as in an image: only what a file of requirements locks can be imported."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
_RUN: Final = """
import importlib, importlib.metadata, re, sys
locked = set(re.findall(r"(?m)^([a-z0-9.-]+)==", open(sys.argv[1]).read())) | {"affiant"}
of = importlib.metadata.packages_distributions()

class Image:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        theirs = {re.sub(r"[-_.]+", "-", each).lower() for each in of.get(top, ())}
        if theirs and not theirs & locked:
            raise ModuleNotFoundError(f"No module named {name!r}", name=top)

sys.meta_path.insert(0, Image())
for each in sys.argv[2].split(","):
    importlib.import_module(each)
from cli.main import run
run(sys.argv[3:])
"""


def in_image(requirements: str, modules: Sequence[str]) -> list[str]:
    """`affiant`, as the beginning of a command line; to be run where the packages of this checkout are found.

    Args:
        requirements: which file, by its name without `.txt`.
        modules: what the command needs elsewhere, such as where its log is on Kafka: it is imported first.
    """
    locked = ROOT / "requirements" / f"{requirements}.txt"
    return [sys.executable, "-P", "-c", _RUN, str(locked), ",".join(modules)]


def run_in_image(
    requirements: str, modules: Sequence[str], arguments: Sequence[str | Path], env: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """`affiant` with these arguments.

    Args:
        requirements: as `in_image` has them.
        modules: likewise.
        arguments: of the command.
        env: all that it is told of, beside where our code is.
    """
    return subprocess.run(
        [*in_image(requirements, modules), *arguments],
        cwd=ROOT, capture_output=True, text=True, check=False,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), **env},
    )  # fmt: skip
