"""`affiant topics`: make the log's topic with the right settings, and say what a running one lacks."""

from __future__ import annotations

import json
from dataclasses import asdict

import typer

from audit.config import load
from audit.errors import NoSuchTopic
from audit.log import configured_governance_log, configured_log
from audit.log.base import Finding, Log
from audit.settings import LogSettings

from .errors import WRONG
from .options import ConfigOption

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

    findings = []
    for log in (configured_log(loaded), configured_governance_log(loaded)):
        made = create(log) if isinstance(log, KafkaLog) else False
        topic = log.topic()
        typer.echo(
            f"{'made' if made else 'there'}: {topic.backend} topic {topic.name}, {topic.partitions} partitions, "
            f"id {topic.id.hex()}"
        )
        findings.append((topic.name, log.check()))
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
    findings = {name: _findings(name, log) for name, log in logs.items()}
    if as_json:
        listed = [{"topic": name, **asdict(finding)} for name, found in findings.items() for finding in found]
        typer.echo(json.dumps(listed, indent=2))
    else:
        for name, found in findings.items():
            _tell(name, found)
    if any(finding.fatal for found in findings.values() for finding in found):
        raise typer.Exit(WRONG)


def _findings(name: str, log: Log) -> list[Finding]:
    """What a topic lacks; that it is not there, first of all."""
    try:
        return log.check()
    except NoSuchTopic:
        return [Finding("topic", "absent", name, "`affiant topics create` makes it with the right settings")]


def _tell(name: str, findings: list[Finding]) -> None:
    for finding in findings:
        typer.echo(f"{'WRONG ' if finding.fatal else 'remark'}  {name}: {finding}")
    if not any(finding.fatal for finding in findings):
        typer.echo(f"the settings of {name} keep the promise")
