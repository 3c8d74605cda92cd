"""`affiant topics`: make the log's topic with the right settings, and say what a running one lacks."""

from __future__ import annotations

import json
from dataclasses import asdict

import typer

from audit.config import load
from audit.log import configured_log
from audit.log.base import Finding, Log

from .errors import WRONG
from .options import ConfigOption

app = typer.Typer(
    no_args_is_help=True, help="Make and check the topics of the log.\n\nExample: affiant topics check"
)


@app.command()
def create(config: ConfigOption = None) -> None:
    """Make the topic that [log] names, with the settings that keep the promise; harmless when it is there.

    Example: affiant topics create --config affiant.toml
    """
    loaded = load(config)
    log = configured_log(loaded)
    from audit.log.kafka import KafkaLog, create

    made = create(log) if isinstance(log, KafkaLog) else False
    topic = log.topic()
    typer.echo(
        f"{'made' if made else 'there'}: {topic.backend} topic {topic.name}, {topic.partitions} partitions, "
        f"id {topic.id.hex()}"
    )
    _tell(log.check())


@app.command()
def check(
    config: ConfigOption = None, as_json: bool = typer.Option(False, "--json", help="As JSON.")
) -> None:
    """Say what the topic's settings lack; exit code 1 when they would not keep the promise.

    Example: affiant topics check --json
    """
    log: Log = configured_log(load(config), create=False)
    findings = log.check()
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        _tell(findings)
    if any(finding.fatal for finding in findings):
        raise typer.Exit(WRONG)


def _tell(findings: list[Finding]) -> None:
    for finding in findings:
        typer.echo(f"{'WRONG ' if finding.fatal else 'remark'}  {finding}")
    if not any(finding.fatal for finding in findings):
        typer.echo("the topic's settings keep the promise")
