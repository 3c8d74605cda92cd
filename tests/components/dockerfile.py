"""A Dockerfile as BuildKit's own parser reads it (`dockerlint/`, a program of ours around its library)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.components.cache import cached
from tests.components.environments import run


@dataclass(frozen=True)
class Command:
    """One instruction: its name, its text, and its parts as BuildKit names them."""

    name: str
    text: str
    parts: dict[str, Any]


@dataclass(frozen=True)
class Stage:
    """What one FROM begins."""

    name: str
    base: str
    commands: tuple[Command, ...]

    def of(self, name: str) -> list[Command]:
        """Its instructions of that name."""
        return [command for command in self.commands if command.name == name]


@dataclass(frozen=True)
class Dockerfile:
    """Its stages by name, and what BuildKit's linter says."""

    stages: dict[str, Stage]
    warnings: tuple[str, ...]

    def chain(self, target: str) -> list[Stage]:
        """The target and the stages below it, its base last."""
        stage = self.stages[target]
        return [stage, *(self.chain(stage.base) if stage.base in self.stages else [])]

    def reached(self, target: str) -> set[str]:
        """Every stage that a build of the target runs."""
        found: set[str] = set()
        wanted = [target]
        while wanted:
            name = wanted.pop()
            if name in found or name not in self.stages:
                continue
            found.add(name)
            stage = self.stages[name]
            wanted += [stage.base, *(command.parts["From"] for command in stage.of("COPY"))]
        return found


def parsed(path: Path) -> Dockerfile:
    """Parse it.

    Raises:
        ComponentError: BuildKit does not take it, or the program is missing.
    """
    found = json.loads(run([str(cached("bin", "dockerlint", tool="dockerlint")), str(path)]))
    stages = [
        Stage(
            each["Name"],
            each["Base"],
            tuple(Command(one["Name"].upper(), one["Text"], one["What"]) for one in each["Commands"] or ()),
        )
        for each in found["stages"]
    ]
    return Dockerfile({stage.name: stage for stage in stages}, tuple(found["warnings"]))
