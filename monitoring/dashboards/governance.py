"""Governance: what may answer and does, until when it may, and how old each machine's knowledge of it is."""

from __future__ import annotations

from monitoring.alerts.path import APPROVAL_EXPIRES, CERTIFICATES

from .form import WARN, Board, Ground, Panel, Query, Row, Step, lines, number

_DAY = 86_400
_ENDS = " or ".join(f'label_replace({metric}, "of", "{whose}", "", "")' for whose, metric, _ in CERTIFICATES)
"""Two of one process differ in nothing but their names, which `or` does not see."""


def governance(ground: Ground) -> Board:
    """The dashboard."""
    limits = ground.limits
    left = (Step(limits.expiry_days_page * _DAY, "orange"), Step(limits.expiry_days_warn * _DAY, "green"))
    old = (Step(limits.governance_seconds_warn, "orange"),)
    now = Row(
        "Now",
        (
            number(
                "First approval ends in",
                "Until the first approval ends that a package needs which answers now; below 0 one has ended.",
                f"min({APPROVAL_EXPIRES}) - time()",
                unit="s",
                base="red",
                steps=left,
                alerts=("AffiantApprovalExpires",),
            ),
            number(
                "First certificate ends in",
                "Until the first TLS certificate ends: of gateways, of controllers, or one that brokers are shown.",
                f"min({_ENDS}) - time()",
                unit="s",
                base="red",
                steps=left,
                alerts=("AffiantCertificateExpires",),
            ),
            number(
                "Oldest copy, gateways",
                "How long ago a gateway last knew all of the governance log: later revocations it does not know.",
                "max(affiant_governance_seconds)",
                unit="s",
                steps=old,
                alerts=("AffiantGovernanceOld",),
            ),
            number(
                "Oldest copy, sidecars",
                "The same of the copies that sidecars keep for gateways.",
                "max(affiant_sidecar_governance_seconds)",
                unit="s",
                steps=old,
                alerts=("AffiantGovernanceOld",),
            ),
            number(
                "Plan behind",
                "1 while something of the plan is not served, such as what is not admitted.",
                "max(affiant_plan_behind)",
                unit="none",
                steps=WARN,
                alerts=("AffiantPlanBehind",),
            ),
            number(
                "Not admitted or refused",
                "Packages that gateways did not serve since their start: not admitted, or not what they should be.",
                'sum(affiant_events_total{event=~"not-admitted|package-refused"}) or 0 * sum(affiant_ready)',
                unit="none",
                steps=WARN,
                alerts=("AffiantPlanBehind",),
            ),
        ),
    )
    return Board(
        "affiant-governance",
        "Affiant: governance",
        "What may answer and does, until when, and how old each machine's knowledge of the governance log is.",
        (now, _plan(), _age(ground)),
    )


def _plan() -> Row:
    return Row(
        "Plan and approvals",
        (
            Panel(
                "The plan that is served",
                "Packages that gateways have loaded; each was admitted by the policy in force.",
                (Query("max by (service, digest, slot, runtime) (affiant_plan_weight)"),),
                unit="none",
                kind="table",
                width=12,
            ),
            Panel(
                "Approvals end",
                "When the first approval ends that a package needs; 1970 when one has ended.",
                (Query(f"1000 * min by (service, digest) ({APPROVAL_EXPIRES})"),),
                unit="dateTimeAsIso",
                kind="table",
                width=12,
                alerts=("AffiantApprovalExpires",),
            ),
        ),
    )


def _age(ground: Ground) -> Row:
    old = (Step(ground.limits.governance_seconds_warn, "orange"),)
    return Row(
        "Knowledge of the governance log",
        (
            lines(
                "Age of copies",
                "Since each machine's copy of the governance log was last known to have all of it.",
                ("affiant_governance_seconds", "gateway {{instance}}"),
                ("affiant_sidecar_governance_seconds", "sidecar {{instance}}"),
                unit="s",
                least=0,
                steps=old,
                alerts=("AffiantGovernanceOld",),
            ),
            lines(
                "Entries copied",
                "Entries of the governance log that sidecars have copied for gateways: it never falls.",
                ("affiant_sidecar_governance_offset", "{{instance}}"),
                unit="none",
                least=0,
            ),
            lines(
                "Refusals",
                "Since a gateway's start: plans swapped, packages not admitted or refused, plans that failed.",
                ("sum by (instance, event) (affiant_events_total)", "{{instance}} {{event}}"),
                unit="none",
                least=0,
            ),
        ),
    )
