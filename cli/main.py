"""The command `affiant`: finds each group, turns expected failures into one clear line and an exit code.

A group is a module `cli/<group>.py` with `app: typer.Typer`. It is imported when its command is asked
for, so that a machine with one component's extra needs no other component's libraries.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

import typer
from typer.core import TyperCommand, TyperGroup

from .environment import mistaken
from .errors import INTERRUPTED, explain
from .help import flowing

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Group:
    """A command or a group of commands.

    `about` is its line in the list; `extra` is which of our extras must be installed for it.
    """

    module: str
    about: str
    extra: str | None = None


GROUPS: Final[dict[str, Group]] = {
    "init": Group("cli.init", "Write a commented affiant.toml."),
    "config": Group("cli.config", "Check and show the settings."),
    "doctor": Group("cli.doctor", "Say what is wrong around the components, and what to do."),
    "model": Group("cli.model", "Model packages: publish, list, show, pull and verify.", "registry"),
    "roles": Group("cli.roles", "Who may say what: keys, and the root that gives roles.", "registry"),
    "gate": Group("cli.gate", "A policy's gates: run them on a package, list, show.", "registry"),
    "policy": Group("cli.policy", "Check, propose, compare and show the policy.", "registry"),
    "approve": Group("cli.approvals_approve", "Approve a digest for a service, signed.", "registry"),
    "reject": Group("cli.approvals_reject", "Reject a digest for a service, signed.", "registry"),
    "revoke": Group("cli.approvals_revoke", "Revoke what was approved, signed.", "registry"),
    "status": Group("cli.approvals_status", "What is signed for a digest, and what is missing.", "registry"),
    "card": Group("cli.card", "Model card, data sheet and risks of a package.", "registry"),
    "certificate": Group("cli.certificate", "What shows that a package may answer, in a file.", "registry"),
    "deploy": Group("cli.deploy", "Let a package answer for a service, signed.", "registry"),
    "promote": Group("cli.deploy_promote", "Make a service's canary live, signed.", "registry"),
    "rollback": Group("cli.deploy_rollback", "Go back to what answered before, signed.", "registry"),
    "pause": Group("cli.deploy_pause", "Freeze a service, signed.", "registry"),
    "resume": Group("cli.deploy_resume", "End a pause, signed.", "registry"),
    "history": Group("cli.deploy_history", "What was deployed, when, by whom and why.", "registry"),
    "lineage": Group("cli.lineage", "What a prediction or package came from, where data went.", "auditor"),
    "data": Group("cli.data", "Versions of data: list them, deprecate one, signed.", "registry"),
    "up": Group("cli.up", "Run gateway, sidecar, notary, monitor under one roof.", "gateway-cpu"),
    "gateway": Group("cli.gateway", "Answer predictions, each recorded before it leaves.", "gateway-cpu"),
    "sidecar": Group("cli.sidecar", "Ship the journals of this machine to the log.", "sidecar"),
    "drain": Group("cli.drain", "Ship what is left of journals whose gateway is gone.", "sidecar"),
    "controller": Group("cli.controller", "Roll back by itself what drifts, with evidence.", "controller"),
    "drift": Group("cli.drift", "How far requests are from the training data.", "monitoring"),
    "monitor": Group("cli.monitor", "Drift and objectives of what was asked and answered.", "monitoring"),
    "notary": Group("cli.notary", "Seal the log, and keep the notary's key.", "notary"),
    "payload-keys": Group("cli.payload_keys", "Keys that payloads are encrypted with.", "sidecar"),
    "subjects": Group("cli.subjects", "Pseudonyms of those whom requests are about.", "sidecar"),
    "label": Group("cli.label", "Say what came of predictions, from files or Kafka.", "sidecar"),
    "log": Group("cli.log", "Read and verify the log.", "sidecar"),
    "alerts": Group("cli.alerts", "Alert rules for Prometheus, made from the policy.", "registry"),
    "dashboards": Group("cli.dashboards", "Dashboards for Grafana, with the policy's limits.", "dashboards"),
    "audit": Group("cli.audit", "Verify, look up, prove and replay what was recorded.", "auditor"),
    "retention": Group("cli.retention", "Payloads over their time: show and delete, signed.", "auditor"),
    "erase": Group("cli.erase", "Payloads of single records: erase on request, signed.", "auditor"),
    "topics": Group("cli.topics", "Make and check the topics of the log.", "sidecar"),
}


class LazyGroups(TyperGroup):
    """Commands by name, each imported when it is asked for; the list of them imports none."""

    _listing = False

    def list_commands(self, ctx: Any) -> list[str]:
        """Every command, in the order in which one meets them."""
        return list(GROUPS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of that name, or None."""
        group = GROUPS.get(cmd_name)
        if group is None:
            return None
        if self._listing:
            return TyperCommand(cmd_name, help=group.about)
        command = typer.main.get_command(import_module(group.module).app)
        command.name = cmd_name
        return flowing(command)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """The list of commands, without loading them."""
        self._listing = True
        try:
            super().format_help(ctx, formatter)
        finally:
            self._listing = False


app = typer.Typer(
    name="affiant",
    cls=LazyGroups,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"affiant {version('affiant')}")
        raise typer.Exit


@app.callback()
def affiant(
    _version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Print the version and end."
    ),
) -> None:
    """An inference gateway that can swear to every prediction it has made.

    Exit codes: 0 done; 1 found something wrong; 2 wrong usage or settings; 3 a component is unavailable.

    Example: affiant init && affiant config check && affiant up
    """


def run(arguments: Sequence[str] | None = None) -> None:
    """The entry point of the installed command; ends the process with one of the exit codes."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    for told in mistaken(os.environ):
        sys.stderr.write(f"affiant: {told}\n")
    sys.exit(guarded(lambda: app(args=given, prog_name="affiant"), given))


def guarded(action: Callable[[], object], arguments: Sequence[str]) -> int:
    """Run a command; expected failures become a line on the error output, and every outcome an exit code.

    A failure that nobody expected goes on, with its traceback: it is a defect to be reported.
    """
    try:
        action()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # The reader (`head`) has seen enough. Python flushes at exit once more: let that go nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        told = explain(error, extra=_extra(arguments))
        if told is None:
            raise
        sys.stderr.write(f"affiant: {told.line}\n")
        if "--json" in arguments:
            # The last line: a command that writes a line for each thing found may have written some.
            typer.echo(json.dumps({"error": told.line, "code": told.code}, ensure_ascii=False))
        return told.code
    return 0


def _extra(arguments: Sequence[str]) -> str | None:
    """The extra that the command on this command line needs."""
    return next((GROUPS[word].extra for word in arguments if word in GROUPS), None)


if __name__ == "__main__":
    run()
