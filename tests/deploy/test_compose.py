"""compose.yaml as Docker Compose's own library reads it: what contains its containers, and who may read what."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.core import TyperGroup

from cli.main import app
from tests.components.compose import FILE, Project
from tests.components.dockerfile import parsed as parsed_file

ONCE = {"volumes", "prepare", "affiant"}
"""They do what they are there for, and end."""
OURS = {
    "gateway",
    "sidecar",
    "notary",
    "monitor",
    "controller",
    "cards",
    "tags",
    "prepare",
    "traffic",
    "drift",
    "affiant",
}
# Volume → who writes to it, and who reads. `volumes` gives all of them to the common user, and has no network.
RIGHTS = {
    "data": ({"gateway", "sidecar"}, set()),
    "journals": ({"gateway"}, {"sidecar"}),
    "journal-keys": ({"gateway"}, set()),
    "objects": ({"sidecar"}, {"monitor", "controller", "affiant"}),
    "sealed": ({"notary"}, {"sidecar", "affiant"}),
    "public": (
        {"prepare"},
        {"gateway", "sidecar", "notary", "monitor", "controller", "cards", "tags", "affiant"},
    ),
    "notary": ({"prepare"}, {"notary"}),
    "controller": ({"prepare"}, {"controller"}),
    "token": ({"prepare"}, {"controller", "alertmanager"}),
    "api": ({"prepare"}, {"gateway"}),
    "client": ({"prepare"}, {"traffic", "drift"}),
    "people": ({"prepare"}, set()),
    "alerts": ({"prepare"}, {"prometheus", "alertmanager"}),
    **{
        name: ({name}, set())
        for name in ("kafka", "registry", "mlflow", "prometheus", "alertmanager", "grafana", "fluentd")
    },
}


@pytest.fixture(scope="module")
def project() -> Project:
    return Project.read()


def others(project: Project) -> Iterator[tuple[str, Any]]:
    """Every service but the one that is root."""
    return ((name, each) for name, each in project.services.items() if name != "volumes")


def test_a_file_that_compose_would_refuse_is_refused(tmp_path: Path) -> None:
    """So that the other tests say something: it is Compose that reads."""
    text = FILE.read_text()
    for wrong, why in (
        (text.replace("networks: [log]\n", "networks: [lag]\n"), "lag"),
        (text.replace("read_only: true\n", "read_olny: true\n", 1), "read_olny"),
        (text.replace("      sidecar: {condition", "      sidekick: {condition"), "sidekick"),
    ):
        assert wrong != text
        (tmp_path / "compose.yaml").write_text(wrong)
        with pytest.raises(ValueError, match=why):
            Project.read(tmp_path / "compose.yaml")


def test_every_container_is_contained(project: Project) -> None:
    """No root, nothing of the root file system to write to, no capability, no way to get one; bounds of memory."""
    for name, service in others(project):
        assert service["user"] == "10001:10001", name
        assert not service.get("cap_add"), name
    for name, service in project.services.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert int(service["mem_limit"]) <= 2 << 30, name
        assert service["pids_limit"] <= 512, name
        assert all("size=" in each for each in service["tmpfs"]), name
        assert not {"privileged", "devices", "pid", "ipc", "userns_mode", "group_add", "extra_hosts"} & set(
            service
        )


def test_the_one_that_is_root_can_do_one_thing(project: Project) -> None:
    """It gives volumes away, without a network."""
    service = project.services["volumes"]
    assert service["user"] == "0:0"
    assert service["cap_add"] == ["CHOWN"]
    assert service["network_mode"] == "none"
    assert service["command"] == ["sh", "-ec", "chown 10001:10001 /volumes/*"]
    assert {mount["source"] for mount in project.mounts("volumes")} == set(project.volumes)
    assert all(mount["target"] == f"/volumes/{mount['source']}" for mount in project.mounts("volumes"))


def test_ports_are_published_on_the_loopback_alone(project: Project) -> None:
    """And each once; the broker's is not at all."""
    found = [
        (port["host_ip"], port["published"], name)
        for name, service in project.services.items()
        for port in service.get("ports", ())
    ]
    assert {host for host, _, _ in found} == {"127.0.0.1"}
    assert len({port for _, port, _ in found}) == len(found)
    assert "kafka" not in {name for _, _, name in found}
    assert all("edge" in project.services[name]["networks"] for _, _, name in found)


def test_what_is_mounted_of_the_checkout_is_there_and_only_read(project: Project) -> None:
    """A path that is not there is an error of Docker's, and not a folder of root's."""
    found = [mount for name in project.services for mount in project.mounts(name) if mount["type"] == "bind"]
    assert found
    for mount in found:
        assert Path(mount["source"]).exists(), mount["source"]
        assert mount["read_only"] is True, mount
        assert mount["bind"]["create_host_path"] is False, mount


def test_who_may_read_and_write_what(project: Project) -> None:
    """Each key is mounted where it is used, and nowhere else."""
    found: dict[str, tuple[set[str], set[str]]] = {name: (set(), set()) for name in project.volumes}
    for name, _ in others(project):
        for mount in project.mounts(name):
            if mount["type"] == "volume":
                assert mount["volume"]["nocopy"] is True, (
                    mount
                )  # an image's folder would give its owner to it
                found[mount["source"]][mount.get("read_only", False)].add(name)
    assert found == RIGHTS


def test_a_volume_has_one_place(project: Project) -> None:
    """The settings are one file for all containers."""
    places: dict[str, set[str]] = {}
    for name, _ in others(project):
        for mount in project.mounts(name):
            if mount["type"] == "volume":
                places.setdefault(mount["source"], set()).add(mount["target"])
    assert {source: targets for source, targets in places.items() if len(targets) > 1} == {}


def test_the_gateway_does_not_reach_the_broker(project: Project) -> None:
    """It shares no network with Kafka, and only `edge` leads out."""
    gateway, kafka = (set(project.services[name]["networks"]) for name in ("gateway", "kafka"))
    assert not gateway & kafka
    assert {name for name, network in project.networks.items() if not network.get("internal")} == {"edge"}
    outside = {name for name, service in others(project) if "edge" in service["networks"]}
    assert outside.isdisjoint({"kafka", "sidecar", "notary", "monitor", "controller", "prepare", "fluentd"})


def test_who_waits_for_whom(project: Project) -> None:
    """Keys are there before who reads them, and each waits for what is well; ended, they go the other way."""
    for name in ("gateway", "sidecar", "notary", "monitor", "controller", "prometheus", "alertmanager"):
        waits = project.services[name]["depends_on"]
        assert waits["prepare"]["condition"] == "service_completed_successfully", name
    for name, service in project.services.items():
        for other, how in service.get("depends_on", {}).items():
            wanted = (
                {"service_completed_successfully"}
                if other in ONCE
                else {"service_healthy", "service_started"}
            )
            assert how["condition"] in wanted, (name, other)
    assert "sidecar" in project.services["gateway"]["depends_on"]
    assert "notary" in project.services["sidecar"]["depends_on"]


def test_each_that_stays_is_asked_whether_it_is_well(project: Project) -> None:
    """And is started again; who does one thing ends with it."""
    for name, service in project.services.items():
        if name in ONCE:
            assert service["restart"] == "no", name
            continue
        assert service["restart"] == "unless-stopped", name
        if name not in ("traffic", "drift"):
            assert service["healthcheck"]["test"][0] == "CMD", name


def test_images_have_versions(project: Project) -> None:
    """None is whatever is newest; each can be replaced by one with a digest."""
    text = FILE.read_text()
    for name, service in project.services.items():
        assert re.fullmatch(r"[\w./-]+:v?[0-9][\w.-]*", service["image"]), name
        assert f":-{service['image']}}}" in text, name


def test_who_deploys_it_is_told_how_to_pin_images() -> None:
    """By a variable that there is, of an image that it stands for, in the file that Compose reads beside its own."""
    documented = (FILE.parents[2] / "docs" / "compose.md").read_text()
    ((variable, image),) = re.findall(r"`(\w+_IMAGE)=([\w./:-]+)@sha256:…`", documented)
    assert f"image: ${{{variable}:-{image}}}" in FILE.read_text()
    assert f"`docker buildx imagetools inspect {image}`" in documented
    assert f"`{FILE.parent.relative_to(FILE.parents[2])}/.env`" in documented
    assert [
        line for line in FILE.read_text().splitlines() if "image: " in line and "_IMAGE:-" not in line
    ] == []


def test_our_images_are_built_of_what_is_there(project: Project) -> None:
    """Each of ours by somebody: a component by its target, of a base that whoever builds has pinned."""
    root = FILE.parents[2]
    builds = {each["image"]: each["build"] for each in project.services.values() if "build" in each}
    assert set(builds) == {project.services[name]["image"] for name in OURS}
    for image, build in builds.items():
        assert Path(build["context"]) == root
        assert set(build["args"]) == {"PYTHON_IMAGE"}
        file = parsed_file(root / build["dockerfile"])
        target = build.get("target", "work")
        assert image == f"affiant-{target}:0.1.0"
        assert [each.text for each in file.stages[target].of("ENTRYPOINT")]
        assert "target" in build or list(file.stages)[-1] == "work"
        # Without a word of whoever builds: a base that its guard lets through, so that one command starts everything.
        assert re.fullmatch(r"[\w./-]+:3\.11\.\d+[\w.-]*@sha256:[0-9a-f]{64}", build["args"]["PYTHON_IMAGE"])
    assert "${PYTHON_IMAGE:-python:3.11" in FILE.read_text()


def test_the_work_image_is_built_as_the_others_are() -> None:
    """Of locked and hashed requirements and our wheel; nobody's root; nothing of the checkout but what it copies."""
    root = FILE.parents[2]
    file = parsed_file(FILE.parent / "Dockerfile")
    assert file.warnings == ()
    ignored = (FILE.parent / "Dockerfile.dockerignore").read_text().splitlines()
    text = (FILE.parent / "Dockerfile").read_text()
    copied = {
        source
        for line in re.findall(r"^COPY (?!--from)(.+)$", text, re.MULTILINE)
        for source in line.split()[:-1]
    }
    assert all((root / each).exists() for each in copied)
    assert {line[1:] for line in ignored if line.startswith("!")} == copied
    assert ignored[1] == "*"
    assert "--hash=sha256:" in (root / "requirements" / "demo.txt").read_text()
    assert [each.text for each in file.stages["work"].of("USER")] == ["USER 10001:10001"]
    wheel = (root / "deploy" / "images" / "Dockerfile").read_text()
    assert text[text.index("FROM python AS wheel") : text.index("FROM python AS installed")] in wheel


def test_our_commands_are_commands(project: Project) -> None:
    """Each parses, down to its options."""
    found = {
        name: service["command"]
        for name, service in project.services.items()
        if service.get("entrypoint") == ["affiant"]
    }
    assert set(found) == OURS - {"prepare", "traffic", "drift"}
    for words in (words for name, words in found.items() if name != "affiant"):
        parsed(words)
    with pytest.raises(Exception, match=r"No such (command|option)"):
        parsed(["notary", "walk"])


def parsed(words: list[str]) -> None:
    """Parse a command line as the command does, without running it. Raises click's errors."""
    command: Any = typer.main.get_command(app)
    context, name, rest = None, "affiant", words
    while True:
        context = command.make_context(name, list(rest), parent=context)
        left = [*context._protected_args, *context.args] if isinstance(command, TyperGroup) else []
        if not left:
            return
        name, command, rest = command.resolve_command(context, left)


def test_drift_is_traffic_with_broken_applications(project: Project) -> None:
    """One option more, of the same program."""
    traffic, drift = (project.services[name]["command"] for name in ("traffic", "drift"))
    assert [*traffic, "--days"] == drift
    assert 'add_argument("--days"' in (FILE.parent / "work" / "ask.py").read_text()


def test_cards_and_tags_follow_what_is_signed(project: Project) -> None:
    """By loops that are unwell when they have not gone well for some times, and that reach no edge and no key."""
    for name, words in (("cards", ["card", "sync"]), ("tags", ["model", "sync-mlflow"])):
        service = project.services[name]
        command = service["command"]
        assert command[:2] == words
        every, touched = (command[command.index(option) + 1] for option in ("--every", "--touch"))
        assert set(service["networks"]) == {"log", "models"}
        asked = service["healthcheck"]["test"][-1]
        assert f"os.stat('{touched}')" in asked
        (limit,) = re.findall(r"> (\d+)\)$", asked)
        assert 2 * float(every) <= int(limit) <= 600
    assert project.services["tags"]["environment"]["MLFLOW_TRACKING_URI"] == "http://mlflow:5000"


@pytest.mark.parametrize(("age", "code"), [(10, 0), (400, 1), (None, 1)])
def test_how_long_ago_it_went_well_is_asked(
    project: Project, tmp_path: Path, age: int | None, code: int
) -> None:
    """The question itself: of a file that is new, old, or not there."""
    program, option, asked = project.services["cards"]["healthcheck"]["test"][1:]
    assert (program, option) == ("python", "-c")
    done = tmp_path / "done"
    if age is not None:
        done.touch()
        os.utime(done, (time.time() - age,) * 2)
    ran = subprocess.run(
        [sys.executable, "-c", asked.replace("/tmp/done", str(done))], check=False, capture_output=True
    )
    assert ran.returncode == code
