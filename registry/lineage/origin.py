"""What the publisher says of a model's making: data, runs, image, command, requirements."""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from registry.errors import PublishError
from registry.manifest import is_digest

from .data import DataSet

STAGES: Final = ("ingestion", "preprocessing", "training")
"""The runs of a pipeline, in the order in which each takes what the one before it made."""

_RUN: Final = re.compile(r"[!-~]{1,200}")
_MAX_REQUIREMENTS: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Run:
    """One run: its stage and its id in whatever ran it."""

    stage: str
    id: str


@dataclass(frozen=True, slots=True)
class Origin:
    """What was said when the package was published; what nobody said is None or empty, and told as unknown."""

    data: tuple[DataSet, ...] = ()
    runs: tuple[Run, ...] = ()
    image: str | None = None
    """The training image: `sha256:…`, or `registry/name@sha256:…`."""
    command: str | None = None
    requirements: Path | None = None
    """The locked requirements with which the model was trained."""

    def __post_init__(self) -> None:
        """Raises PublishError: an image without a digest, a stage or a data set's name twice."""
        if self.image is not None and not is_digest(self.image.rpartition("@")[2]):
            raise PublishError(
                f"training image {self.image!r}: a tag can be moved; its digest is wanted (name@sha256:…)"
            )
        _once([run.stage for run in self.runs], "run of stage")
        _once([each.name for each in self.data], "data set")

    def told(self) -> dict[str, Any]:
        """As it stands in lineage.json.

        `links` are pairs of run ids: what the second took, the first made, as the publisher says. Only stages next
        to each other are linked: that the training took its table from the ingestion is not known when the run
        between them is not.
        """
        ids = {run.stage: run.id for run in self.runs}
        pairs = pairwise(STAGES)
        return {
            "data": [each.told() for each in self.data],
            "runs": [{"stage": stage, "id": ids[stage]} for stage in STAGES if stage in ids],
            "links": [[ids[one], ids[two]] for one, two in pairs if one in ids and two in ids],
            "image": self.image,
            "command": self.command,
            "requirements": _requirements(self.requirements),
        }

    def unknown(self) -> list[str]:
        """What nobody said, by name."""
        known = {run.stage for run in self.runs}
        missing = [f"run of {stage}" for stage in STAGES if stage not in known]
        said = {
            "training image": self.image,
            "training command": self.command,
            "locked requirements": self.requirements,
        }
        return missing + [name for name, value in said.items() if value is None]


def parse_run(text: str) -> Run:
    """`STAGE=ID`. Raises PublishError."""
    stage, equals, identity = text.partition("=")
    if stage not in STAGES or not equals or not _RUN.fullmatch(identity):
        raise PublishError(f"run {text!r}: STAGE=ID is wanted, with a stage of {', '.join(STAGES)}")
    return Run(stage, identity)


def _once(names: list[str], what: str) -> None:
    for name in names:
        if names.count(name) > 1:
            raise PublishError(f"{what} {name!r}: said twice")


def _requirements(path: Path | None) -> dict[str, Any] | None:
    if path is None:
        return None
    try:
        data = path.read_bytes()
        lines = data.decode().replace("\\\n", " ").splitlines()
    except OSError as error:
        raise PublishError(f"cannot read {path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise PublishError(f"{path}: not text") from error
    if len(data) > _MAX_REQUIREMENTS:
        raise PublishError(f"{path}: longer than {_MAX_REQUIREMENTS} bytes")
    pins = [line.split("#")[0].split(" --hash=")[0].strip() for line in lines]
    pins = [line for line in pins if line and not line.startswith("-")]
    loose = next((line for line in pins if "==" not in line and " @ " not in line), None)
    if not pins or loose is not None:
        what = f"{loose!r} names no version" if loose else "it names no package"
        raise PublishError(f"{path}: not locked requirements: {what}; lock them (uv pip compile)")
    return {"file": path.name, "sha256": sha256(data).hexdigest(), "packages": pins}
