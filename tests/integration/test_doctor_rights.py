"""One table of rights: the doctor's is the chart's, the Terraform module's and the page's."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click
import typer
from hcl2.api import loads

from audit.doctor import rights
from cli.main import app
from tests.components.terraform import EXAMPLE, arguments, evaluate
from tests.deploy.helm_chart import of_kind, settings

Table = dict[str, dict[str, frozenset[str]]]
PAGE = Path(__file__).parents[2] / "docs" / "kubernetes.md"


def doctors() -> Table:
    """Ours; in a cluster the sidecar's user is the gateway's pod's."""
    return {
        {"sidecar": "gateway"}.get(component, component): dict(topics)
        for component, topics in rights.TOPICS.items()
    }


def kafkas(words: Mapping[str, str] | list[str]) -> frozenset[str]:
    """Strimzi's and Terraform's spelling of operations as Kafka's."""
    return frozenset(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", word).upper() for word in words)


def test_the_chart_s_users_have_the_doctor_s_rights() -> None:
    """Each topic, each operation, and the group; nobody has anything else."""
    names = {settings("bank", "monitor")["log"][key]: which for key, which in (
        ("topic", rights.ENTRIES), ("governance_topic", rights.GOVERNANCE),
    )}  # fmt: skip
    names[settings("bank", "monitor")["monitor"]["state_topic"]] = rights.PANES
    found: Table = {}
    groups = {}
    for user in of_kind("bank", "KafkaUser"):
        component = user["metadata"]["labels"]["app.kubernetes.io/component"]
        for rule in user["spec"]["authorization"]["acls"]:
            allowed, resource = kafkas(rule["operations"]), rule["resource"]
            if resource["type"] == "group":
                groups[component] = allowed
            else:
                found.setdefault(component, {})[names[resource["name"]]] = allowed
    assert found == doctors()
    assert groups == {"monitor": rights.GROUP}


def test_the_module_s_rules_have_the_doctor_s_rights() -> None:
    """As Terraform evaluates them."""
    (call,) = loads((EXAMPLE / "main.tf").read_text())["module"]
    given = arguments(call["affiant"], EXAMPLE)
    given["kafka_users"] |= {"follow": "User:CN=affiant-follow"}
    found: dict[str, dict[str, set[str]]] = {}
    for rule in evaluate(given).locals["acls"].values():
        topics = found.setdefault(rule["user"], {})
        topics.setdefault(rule["topic"], set()).update(kafkas([rule["operation"]]))
    assert found == doctors()


def test_the_page_has_the_doctor_s_rights() -> None:
    """Its table says read and write; beneath it stands what goes with both."""
    users = doctors()
    rows = re.findall(r"^\| (gateway \(its sidecar\)|\w+) \|([^|\n]*)\|([^|\n]*)\|([^|\n]*)\|([^|\n]*)\|$",
                      PAGE.read_text(), re.MULTILINE)  # fmt: skip
    said = {
        row[0].split()[0]: {
            which: frozenset(word.upper() for word in cell.replace(",", " ").split())
            for which, cell in zip((rights.ENTRIES, rights.GOVERNANCE, rights.PANES), row[1:4], strict=True)
            if cell.strip()
        }
        for row in rows
        if row[0].split()[0] in users
        and not set(" ".join(row[1:]).replace(",", " ").split()) - {"read", "write"}
    }
    assert said == {
        component: {which: allowed & {"READ", "WRITE"} for which, allowed in topics.items()}
        for component, topics in users.items()
    }
    assert "with DESCRIBE and DESCRIBE_CONFIGS on each of these topics" in PAGE.read_text()


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Each by what is typed after `affiant`; a group that does something itself is one, too."""
    names = command.list_commands(click.Context(command)) if hasattr(command, "list_commands") else ()
    if not names or getattr(command, "invoke_without_command", False):
        yield " ".join(path), command
    for name in names:
        yield from commands(command.get_command(None, name), (*path, name))


def test_the_page_names_who_calls_each_command_that_signs_into_the_governance_log() -> None:
    """By their own help: a person's key, or one that signs into the log; each command that is named is there."""
    known = dict(commands(typer.main.get_command(app)))
    signing = {
        name
        for name, command in known.items()
        for option in command.params
        if "--key" in option.opts and re.search("^Your key file|the governance log", option.help or "")
    }
    (row,) = re.findall(r"^\| operator \| (what signs .*) \|$", PAGE.read_text(), re.MULTILINE)
    said = {each.removesuffix(" --key") for each in re.findall(r"`([^`]+)`", row)}
    assert said - {"erase complete"} == signing - {
        "roles sign"
    }  # the one writes nothing, the other signs a file
    (reads,) = re.findall(r"^\| auditor \| (what reads.*) \|$", PAGE.read_text(), re.MULTILINE)
    for name in said | {each.removesuffix(" …") for each in re.findall(r"`([^`]+)`", reads)}:
        assert any(each == name or each.startswith(f"{name} ") for each in known), name
