"""The compose file as Docker Compose's own library reads it, and its commands as processes of this machine.

    project = Project.read()
    project.services["gateway"]["command"]

    stage = Stage(project, directory, {"kafka:9092": broker, "gateway:3000": f"127.0.0.1:{port}"})
    stage.settings({"log": {"topic": topic}})
    stage.process("notary").start()

On the stage a volume is a folder, a path of a container the folder or file that it mounts there, and `service:port` an
address of the loopback. A path or a service that the stage does not know is an error, not left as it stands; what the
settings name and a container does not mount, it does not reach.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from cli.tables import commented_toml
from tests.components.cache import cached
from tests.components.process import Process

COMPOSE: Final = Path(__file__).parents[2] / "deploy" / "compose"
FILE: Final = COMPOSE / "compose.yaml"
SETTINGS: Final = COMPOSE / "affiant.toml"
SETTINGS_TARGET: Final = "/etc/affiant/affiant.toml"
ADDRESS: Final = re.compile(r"(?<![\w.-])(\w[\w-]*|127\.0\.0\.1):(\d{2,5})(?!\d)")
"""host:port in a text."""
PATH: Final = re.compile(r"(?<![\w.])/(?:run|var/lib|srv|etc)/affiant[\w./-]*")
"""A path of ours in a container."""


@dataclass(frozen=True)
class Project:
    """`services`, `networks` and `volumes` have short forms made long; every profile is on."""

    services: Mapping[str, Any]
    networks: Mapping[str, Any]
    volumes: Mapping[str, Any]

    @classmethod
    def read(cls, file: Path = FILE) -> Self:
        """Raises ValueError: Compose would refuse it, and why."""
        done = subprocess.run(
            [str(cached("bin", "composecheck", tool="composecheck")), str(file)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise ValueError(done.stderr)
        content = json.loads(done.stdout)
        return cls(content["services"], content["networks"], content["volumes"])

    def mounts(self, service: str) -> list[dict[str, Any]]:
        """Its volumes and bind mounts."""
        found: list[dict[str, Any]] = self.services[service].get("volumes", [])
        return found

    def texts(self, service: str) -> Iterator[str]:
        """What is said to it: entry point, command, environment, health check."""
        content = self.services[service]
        yield from content.get("entrypoint") or []
        yield from content.get("command") or []
        yield from (str(each) for each in (content.get("environment") or {}).values())
        yield from content.get("healthcheck", {}).get("test", [])


class Stage:
    """Where its commands run without containers. `addresses`: service:port → host:port."""

    def __init__(self, project: Project, directory: Path, addresses: Mapping[str, str]) -> None:
        self._project = project
        self._directory = directory
        self._addresses = dict(addresses)
        self._nowhere = directory / "nowhere"
        self._nowhere.write_text("a file: nothing can be made below it\n")
        for name in project.volumes:
            self.volume(name).mkdir(parents=True)

    def volume(self, name: str) -> Path:
        """Its folder."""
        return self._directory / "volumes" / name

    def path(self, service: str, target: str) -> Path:
        """What a path in a container is here. Raises KeyError: it mounts nothing there."""
        for mount in self._project.mounts(service):
            if target == mount["target"] or target.startswith(mount["target"] + "/"):
                if mount["target"] == SETTINGS_TARGET:
                    return self.config(service)
                bound = mount["type"] == "bind"
                place = Path(mount["source"]) if bound else self.volume(mount["source"])
                return place / target[len(mount["target"]) :].lstrip("/")
        raise KeyError(f"{service} mounts nothing at {target}")

    def here(self, service: str, text: str) -> str:
        """A text that is said in a container, with this machine's paths and addresses."""
        text = PATH.sub(lambda found: str(self.path(service, found[0])), text)
        return ADDRESS.sub(lambda found: self._address(service, found[1], found[2]), text)

    def _address(self, service: str, host: str, port: str) -> str:
        return self._addresses[f"{service if host == '127.0.0.1' else host}:{port}"]

    def config(self, service: str) -> Path:
        """Its affiant.toml."""
        return self._directory / f"{service}.toml"

    def settings(self, changes: Mapping[str, Mapping[str, Any]]) -> None:
        """Write each one's affiant.toml as it is in the containers, at this machine's addresses, with these changes.

        A path that a service does not mount is one below a file: it can neither read nor make it.
        """
        for service in self._project.services:
            if not any(mount["target"] == SETTINGS_TARGET for mount in self._project.mounts(service)):
                continue
            tables: dict[str, Any] = tomllib.loads(SETTINGS.read_text())
            for name, table in tables.items():
                for key, value in table.items():
                    if isinstance(value, str):
                        table[key] = self._of_settings(service, value)
                for key in {"host", "metrics_host"} & table.keys():
                    table[key] = "127.0.0.1"
                tables[name] = {**table, **changes.get(name, {})}
            self.config(service).write_text(commented_toml(tables))

    def _of_settings(self, service: str, value: str) -> str:
        if (found := PATH.search(value)) is None:
            return ADDRESS.sub(lambda given: self._address(service, given[1], given[2]), value)
        try:
            place = self.path(service, found[0])
        except KeyError:
            place = self._nowhere / found[0].lstrip("/")
        return value.replace(found[0], str(place))

    def argv(self, service: str) -> list[str]:
        """Its command here."""
        content = self._project.services[service]
        words = [*(content.get("entrypoint") or []), *(content.get("command") or [])]
        programs = {"affiant": [sys.executable, "-P", "-m", "cli.main"], "python": [sys.executable]}
        return [*programs[words[0]], *(self.here(service, word) for word in words[1:])]

    def process(self, service: str, *more: str) -> Process:
        """It, with its own environment, not started."""
        given = self._project.services[service].get("environment") or {}
        environment = {name: self.here(service, str(value)) for name, value in given.items()}
        environment["PYTHONPATH"] = str(COMPOSE.parents[1])
        log = self._directory / f"{service}.log"
        return Process([*self.argv(service), *more], log=log, env=environment, name=service)

    def page(self, service: str) -> str:
        """The address that its health check asks."""
        (found,) = re.findall(r"http://[^'\"]+", self.here(service, " ".join(self._check(service))))
        return str(found)

    def well(self, service: str) -> bool:
        """Whether its health check says so."""
        words = [self.here(service, word) for word in self._check(service)]
        return subprocess.run([sys.executable, *words], capture_output=True, check=False).returncode == 0

    def _check(self, service: str) -> list[str]:
        check: list[str] = self._project.services[service]["healthcheck"]["test"]
        assert check[:2] == ["CMD", "python"]
        return check[2:]
