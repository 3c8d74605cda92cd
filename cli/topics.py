"""`affiant topics`: make the log's topic with the right settings, and say what a running one lacks."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING

import typer

from audit.config import Config, load
from audit.errors import NoSuchTopic
from audit.log import configured_governance_log, configured_log
from audit.log.base import Finding
from audit.settings import LogSettings

from .errors import WRONG
from .options import ConfigOption

if TYPE_CHECKING:
    from audit.log.kafka import KafkaLog

app = typer.Typer(
    no_args_is_help=True, help="Make and check the topics of the log.\n\nExample: affiant topics check"
)


@app.command()
def create(config: ConfigOption = None) -> None:
    """Make the topics that [log] names, with the settings that keep the promise; harmless when they are there.

    Example: affiant topics create --config affiant.toml
    """
    loaded = load(config)
    from audit.log.kafka import KafkaLog, create
    from audit.log.kafka_check import heard

    findings = []
    for log in (configured_log(loaded), configured_governance_log(loaded)):
        made = create(log) if isinstance(log, KafkaLog) else False
        topic = heard(log.topic)
        typer.echo(
            f"{'made' if made else 'there'}: {topic.backend} topic {topic.name}, {topic.partitions} partitions, "
            f"id {topic.id.hex()}"
        )
        findings.append((topic.name, heard(log.check)))
    findings += _make_panes(loaded)
    for name, found in findings:
        _tell(name, found)


@app.command()
def check(
    config: ConfigOption = None, as_json: bool = typer.Option(False, "--json", help="As JSON.")
) -> None:
    """Say what the topics' settings lack; exit code 1 when they would not keep the promise.

    Example: affiant topics check --json
    """
    loaded = load(config)
    settings = loaded.section("log", LogSettings)
    logs = {
        settings.topic: configured_log(loaded, create=False),
        settings.governance_topic: configured_governance_log(loaded, create=False),
    }
    findings = {name: _findings(name, log.check) for name, log in logs.items()}
    panes = _state_log(loaded)
    if panes is not None:
        findings[panes.settings.topic] = _findings(panes.settings.topic, partial(_check_panes, panes))
    if as_json:
        listed = [{"topic": name, **asdict(finding)} for name, found in findings.items() for finding in found]
        typer.echo(json.dumps(listed, indent=2))
    else:
        for name, found in findings.items():
            _tell(name, found)
    if any(finding.fatal for found in findings.values() for finding in found):
        raise typer.Exit(WRONG)


def _findings(name: str, check: Callable[[], list[Finding]]) -> list[Finding]:
    """What a topic lacks; that it is not there, first of all."""
    try:
        return check()
    except NoSuchTopic:
        return [Finding("topic", "absent", name, "`affiant topics create` makes it with the right settings")]


def _state_log(config: Config) -> KafkaLog | None:
    """The monitor's topic; None over a local log."""
    from monitoring.state_topic import state_log

    return state_log(config)


def _check_panes(log: KafkaLog) -> list[Finding]:
    from monitoring.state_topic import check_state_topic

    return check_state_topic(log)


def _make_panes(config: Config) -> list[tuple[str, list[Finding]]]:
    from audit.log.kafka_check import heard
    from monitoring.state_topic import create_state_topic

    log = _state_log(config)
    if log is None:
        return []
    made = create_state_topic(log)
    topic = heard(log.topic)
    typer.echo(
        f"{'made' if made else 'there'}: {topic.backend} topic {topic.name}, {topic.partitions} partitions, "
        f"id {topic.id.hex()}"
    )
    return [(topic.name, heard(partial(_check_panes, log)))]


def _tell(name: str, findings: list[Finding]) -> None:
    for finding in findings:
        typer.echo(f"{'WRONG ' if finding.fatal else 'remark'}  {name}: {finding}")
    if not any(finding.fatal for finding in findings):
        typer.echo(f"the settings of {name} keep the promise")
