"""Rollouts and rollbacks: what answered when, what the controller heard, decided and did."""

from __future__ import annotations

from monitoring import names

from .form import RATE, WARN, Board, Ground, Panel, Query, Row, Variable, lines, number

_S = 'service=~"$service"'
_ROLLBACKS, _DECISIONS = f"{names.ROLLBACKS.name}_total", f"{names.DECISIONS.name}_total"
_ROSE = f"increase({_ROLLBACKS}[1m]) > 0"
ROLLED_BACK = f"sum by (service, cause) ({_ROSE} or ({_ROLLBACKS} > 0 unless {_ROLLBACKS} offset 1m))"
"""Where a line is drawn through every panel. A counter that was not there before has risen, too; a minute is the step
of Grafana's annotations.
"""


def rollback(_: Ground) -> Board:
    """The dashboard."""
    now = Row(
        "Now",
        (
            number(
                "Rollbacks",
                "Rollbacks that controllers have appended since their start.",
                f"sum({_ROLLBACKS}{{{_S}}}) or 0 * sum({names.LEADER.name})",
                unit="none",
                steps=WARN,
                alerts=("AffiantRolledBack",),
            ),
            number(
                "Not rolled back",
                "Alarms that a controller was told of and did not act on: refused, or a dry run.",
                f'sum({_DECISIONS}{{{_S},outcome=~"refuse|dry_run"}}) or 0 * sum({names.LEADER.name})',
                unit="none",
                steps=WARN,
                alerts=("AffiantRollbackRefused",),
            ),
            Panel(
                "Alerts that fire",
                "Alerts of Affiant that fire now, with their runbooks.",
                (
                    Query(
                        "sum by (alertname, severity, service, digest, feature) "
                        '(ALERTS{alertname=~"Affiant.*",alertstate="firing"})'
                    ),
                ),
                unit="none",
                kind="table",
                width=16,
            ),
        ),
    )
    return Board(
        "affiant-rollback",
        "Affiant: rollouts and rollbacks",
        "What answered when, and what the controller heard, decided and did. Rollbacks are lines through every panel; "
        "`affiant audit recompute` computes each again from the log.",
        (now, _history(), _controller()),
        (Variable("service", "Service", "affiant_plan_weight"),),
    )


def _history() -> Row:
    return Row(
        "History",
        (
            lines(
                "What answers",
                "Share of the answers that each package gives, by the gateways' loaded plans: a rollback is a step.",
                (
                    f"max by (service, digest, slot) (affiant_plan_weight{{{_S}}})",
                    "{{service}} {{digest}} {{slot}}",
                ),
                unit="none",
                least=0,
                width=12,
            ),
            lines(
                "Rollouts",
                "Share of the requests that a canary answers, by its rollout's signed steps.",
                (f"{names.ROLLOUT_WEIGHT.name}{{{_S}}}", "{{service}} {{digest}}"),
                unit="none",
                least=0,
                width=12,
            ),
            lines(
                "Answers by package",
                "Predictions answered a second by each package.",
                (
                    f'sum by (service, digest) (rate(affiant_requests_total{{{_S},status="200",digest!=""}}[{RATE}]))',
                    "{{service}} {{digest}}",
                ),
                unit="reqps",
                width=12,
            ),
            lines(
                "Features that page",
                "Features and scores whose drift pages, by package: before a rollback of the package that it left.",
                (
                    f'sum by (service, digest, slot) ({names.ALARM.name}{{{_S},severity="page"}})',
                    "{{service}} {{digest}} {{slot}}",
                ),
                unit="none",
                least=0,
                width=12,
                alerts=("AffiantInputDrift", "AffiantScoreDrift"),
            ),
        ),
    )


def _controller() -> Row:
    return Row(
        "Controller",
        (
            lines(
                "Rollbacks by cause",
                "Rollbacks appended since a controller's start, by service and cause.",
                (f"sum by (service, cause) ({_ROLLBACKS}{{{_S}}})", "{{service}} {{cause}}"),
                unit="none",
                least=0,
                alerts=("AffiantRolledBack",),
            ),
            lines(
                "Decisions by outcome",
                "Alarms that were decided about since a controller's start, by outcome.",
                (f"sum by (service, outcome) ({_DECISIONS}{{{_S}}})", "{{service}} {{outcome}}"),
                unit="none",
                least=0,
                alerts=("AffiantRollbackRefused",),
            ),
            lines(
                "Webhooks",
                "Messages to the controller since its start, by what came of them.",
                (f"sum by (outcome) ({names.WEBHOOKS.name}_total)", "{{outcome}}"),
                unit="none",
                least=0,
                alerts=("AffiantWebhookRefused",),
            ),
            lines(
                "Alarms that wait",
                "How long the oldest alarm of a service has waited for what nobody knows when it comes.",
                (f"max by (service) ({names.CONTROLLER_WAITING.name}{{{_S}}})", "{{service}}"),
                unit="s",
                least=0,
                alerts=("AffiantRollbackWaits",),
            ),
            lines(
                "Rollouts that are stuck",
                "How long a canary of a service has been stuck: neither time nor more requests would help it.",
                (f"max by (service) ({names.ROLLOUT_WAITING.name}{{{_S}}})", "{{service}}"),
                unit="s",
                least=0,
                alerts=("AffiantRolloutWaits",),
            ),
            lines(
                "Controllers that decide",
                "How many controllers can read the governance log, and have the role to roll back.",
                (f"sum({names.CONTROLLER_READY.name})", "controllers"),
                unit="none",
                least=0,
                alerts=("AffiantNoController",),
            ),
        ),
    )
