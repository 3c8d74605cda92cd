"""Series that each alert is for, and series that it is not for; what fires at a minute of them."""

from __future__ import annotations

from dataclasses import dataclass, field

PACKAGE = 'service="credit",digest="0123456789ab",slot="live"'
P = {"service": "credit", "digest": "0123456789ab", "slot": "live"}


@dataclass(frozen=True)
class Case:
    """Series by minute; what fires at that minute: labels without the name of the alert."""

    alert: str
    series: dict[str, str]
    fires: list[dict[str, str]] = field(default_factory=list)
    at: int = 20
    limits: tuple[str, ...] = ()
    """As `--limit` takes them, in place of the defaults."""


def _drift(feature: str, severity: str, value: int) -> dict[str, str]:
    return {
        f'affiant_drift_alarm{{{PACKAGE},feature="{feature}",severity="{severity}"}}': f"0x5 {value}x15",
        f'affiant_drift_alarm{{service="unknown",feature="{feature}",severity="{severity}"}}': "1x20",
    }


def _burn(objective: str, bad: str, slot: str = "live", digest: str = "") -> dict[str, str]:
    whose = f'digest="{digest}",' if digest else ""
    labels = f'service="credit",{whose}slot="{slot}",objective="{objective}"'
    return {
        f"affiant_slo_requests_total{{{labels}}}": "0+100x500",
        f"affiant_slo_bad_requests_total{{{labels}}}": bad,
    }


def _on(metric: str, labels: str, on: str = "1") -> dict[str, str]:
    return {f"{metric}{{{labels}}}": f"{on}x30"}


def _of_groups(metric: str, rate: str) -> str:
    return f'{metric}{{{PACKAGE},attribute="sex",rate="{rate}"}}'


_JOURNAL = 'instance="a:1",journal="ab"'
_J = {"instance": "a:1", "journal": "ab"}
_AB = {"journal": "ab"}
_TREE = 'topic="entries",partition="0"'
_T = {"topic": "entries", "partition": "0"}
_DAYS = 86_400
_GATEWAY = {"service": "credit", "cause": "slo"}
_ERRORS = _GATEWAY | {"slot": "live", "objective": "errors"}
_SLOW = P | {"cause": "slo", "objective": "latency"}
_ROLLBACK = {"affiant_action": "rollback"}

CASES = [
    Case(
        "AffiantScoreDrift", _drift("score:bad", "page", 1),
        [P | {"feature": "score:bad", "severity": "page", "cause": "prediction", "affiant_action": "rollback"}],
    ),
    Case(
        "AffiantScoreDrift", _drift("score:bad", "warn", 1),
        [P | {"feature": "score:bad", "severity": "warn", "cause": "prediction"}],
    ),
    Case("AffiantScoreDrift", _drift("age", "page", 1)),
    Case("AffiantScoreDrift", _drift("score:bad", "page", 0)),
    Case(
        "AffiantInputDrift", _drift("age", "page", 1),
        [P | {"feature": "age", "severity": "page", "cause": "input", "affiant_action": "retrain"}],
    ),
    Case("AffiantInputDrift", _drift("score:bad", "page", 1)),
    Case(
        # The monitor that led is gone: nobody is told that it is over within the minute.
        "AffiantInputDrift", {f'affiant_drift_alarm{{{PACKAGE},feature="age",severity="warn"}}': "1x19 stale"},
        [P | {"feature": "age", "severity": "warn", "cause": "input"}],
    ),
    Case(
        "AffiantInputDrift", {f'affiant_drift_alarm{{{PACKAGE},feature="age",severity="warn"}}': "1x15 stale"},
    ),
    Case("AffiantReferenceSmall", _on("affiant_drift_unsupported", PACKAGE), [P | {"severity": "warn"}]),
    Case("AffiantReferenceSmall", _on("affiant_drift_unsupported", PACKAGE, "0")),
    Case(
        "AffiantPerformance", _on("affiant_performance_alarm", f'{PACKAGE},metric="auc",severity="page"'),
        [P | {"metric": "auc", "severity": "page", "cause": "performance", "affiant_action": "rollback"}],
    ),
    Case("AffiantPerformance", _on("affiant_performance_alarm", f'{PACKAGE},metric="auc",severity="page"', "0")),
    Case(
        "AffiantLabelsLate", _on("affiant_label_coverage_ratio", PACKAGE, "0.49"),
        [P | {"severity": "warn", "cause": "performance"}],
    ),
    Case("AffiantLabelsLate", _on("affiant_label_coverage_ratio", PACKAGE, "0.5")),
    Case(
        "AffiantLabelsNotKept", _on("affiant_labels_kept_too_short", 'service="credit"'),
        [{"service": "credit", "severity": "warn"}],
    ),
    Case("AffiantLabelsNotKept", _on("affiant_labels_kept_too_short", 'service="credit"', "0")),
    Case(
        "AffiantGroupsDiffer",
        {
            _of_groups("affiant_group_rate_difference_least", "favourable"): "0.11x100",
            _of_groups("affiant_group_rate_difference_least", "true_favourable"): "0.19x100",
            _of_groups("affiant_group_rate_ratio_most", "favourable"): "0.81x100",
        },
        [P | {"attribute": "sex", "measure": "difference", "severity": "warn", "cause": "prediction"}],
        at=61,
    ),
    Case(
        "AffiantGroupsDiffer",
        {
            _of_groups("affiant_group_rate_difference_least", "favourable"): "0.1x100",
            _of_groups("affiant_group_rate_ratio_most", "favourable"): "0.79x100",
            _of_groups("affiant_group_rate_ratio_most", "true_favourable"): "0.1x100",
        },
        [P | {"attribute": "sex", "measure": "ratio", "severity": "warn", "cause": "prediction"}],
        at=61,
    ),
    Case(
        "AffiantGroupsDiffer",
        {
            _of_groups("affiant_group_rate_difference_least", "false_favourable"): "0.21x100",
            _of_groups("affiant_group_rate_difference_least", "true_favourable"): "0.01x100",
        },
        [P | {"attribute": "sex", "measure": "error_rate", "severity": "warn", "cause": "prediction"}],
        at=61,
    ),
    Case(
        # What the groups differ by themselves is on the dashboards, and alarms nobody: of few rows it is chance.
        "AffiantGroupsDiffer",
        {
            _of_groups("affiant_group_rate_difference", "favourable"): "0.9x100",
            _of_groups("affiant_group_rate_difference", "false_favourable"): "0.9x100",
            _of_groups("affiant_group_rate_difference_least", "favourable"): "0.1x100",
            _of_groups("affiant_group_rate_difference_least", "false_favourable"): "0.2x100",
            _of_groups("affiant_group_rate_ratio_most", "favourable"): "0.8x100",
        },
        at=61,
    ),
    Case(
        "AffiantGroupUnlooked",
        _on("affiant_group_unlooked", f'{PACKAGE},attribute="sex",reason="no feature of the model"')
        | _on("affiant_group_unlooked", 'service="unknown",attribute="sex",reason="no feature of the model"'),
        [P | {"attribute": "sex", "reason": "no feature of the model", "severity": "warn"}],
    ),
    Case("AffiantGroupUnlooked", _on("affiant_group_unlooked", f'{PACKAGE},attribute="sex",reason="x"', "0")),
    # 2 % fail, 0.1 % may: 20 times too fast, in each window that has seen it long enough.
    Case(
        "AffiantObjectiveBurn", _burn("errors", "0x20 1+2x200"),
        [
            _ERRORS | {"severity": severity, "window": window}
            for window, severity in (("1h", "page"), ("6h", "page"), ("1d", "warn"), ("3d", "warn"))
        ],
        at=90,
    ),
    # Of what a package answers: its own alert, which the policy lets the controller act on when it pages.
    Case(
        "AffiantObjectiveBurn", _burn("latency", "0x20 1+20x200", digest="0123456789ab")
        | _burn("confidence", "0+1x200", digest="ba9876543210"),
        [
            _SLOW | {"severity": severity, "window": window} | more
            for window, severity, more in (
                ("1h", "page", _ROLLBACK), ("6h", "page", _ROLLBACK), ("1d", "warn", {}), ("3d", "warn", {})
            )
        ],
        at=90,
    ),
    # A canary that is slow is told of beside a live package that is not.
    Case(
        "AffiantObjectiveBurn", _burn("latency", "0+40x200", "canary", "ba9876543210")
        | _burn("latency", "0x200", "live", "0123456789ab"),
        [
            _SLOW | {"digest": "ba9876543210", "slot": "canary", "severity": severity, "window": window} | more
            for window, severity, more in (
                ("1h", "page", _ROLLBACK), ("6h", "page", _ROLLBACK), ("1d", "warn", {}), ("3d", "warn", {})
            )
        ],
        at=90,
    ),
    # The same burst is over: the short windows have seen nothing bad, and all but the slowest end.
    Case(
        "AffiantObjectiveBurn", _burn("errors", "0x20 1+2x60 121x400"),
        [_ERRORS | {"severity": "warn", "window": "3d"}],
        at=230,
    ),
    # 0.5 % fail: not 14.4 times, and not 6 times.
    Case(
        "AffiantObjectiveBurn", _burn("errors", "0+0.5x400"),
        [
            _ERRORS | {"severity": "warn", "window": window}
            for window in ("1d", "3d")
        ],
        at=90,
    ),
    Case("AffiantObjectiveBurn", _burn("errors", "0+0.05x400"), at=90),
    Case("AffiantObjectiveBurn", _burn("errors", "0x20 1+2x200", slot="shadow"), at=90),
    # Nine bad ones are too few to wake anybody, whatever their share.
    Case(
        "AffiantObjectiveBurn",
        {
            'affiant_slo_requests_total{service="credit",slot="live",objective="errors"}': "0x10 9x50",
            'affiant_slo_bad_requests_total{service="credit",slot="live",objective="errors"}': "0x10 9x50",
        },
        at=12,
    ),
    Case(
        "AffiantGatewayBurn",
        {
            'affiant_requests_total{service="credit",digest="d",status="200"}': "0+100x400",
            'affiant_requests_total{service="credit",digest="d",status="503"}': "0+3x400",
        },
        [
            _GATEWAY | {"objective": "errors", "severity": severity, "window": window}
            for window, severity in (("1h", "page"), ("6h", "page"), ("1d", "warn"), ("3d", "warn"))
        ],
        at=90,
    ),
    Case(
        # 40 ms are promised: what is within the bound of 50 ms is good.
        "AffiantGatewayBurn",
        {
            'affiant_request_seconds_bucket{service="credit",digest="d",le="0.05"}': "0+80x400",
            'affiant_request_seconds_count{service="credit",digest="d"}': "0+100x400",
        },
        [
            _GATEWAY | {"objective": "latency", "severity": severity, "window": window}
            for window, severity in (("1h", "page"), ("6h", "page"), ("1d", "warn"), ("3d", "warn"))
        ],
        at=90,
    ),
    Case(
        "AffiantTargetDown", _on("up", 'job="affiant-notary",instance="a:1"', "0"),
        [{"job": "affiant-notary", "instance": "a:1", "severity": "page"}],
    ),
    Case("AffiantTargetDown", _on("up", 'job="node",instance="a:1"', "0")),
    Case("AffiantNotReady", _on("affiant_ready", 'instance="a:1"', "0"), [{"instance": "a:1", "severity": "page"}]),
    Case("AffiantNotReady", _on("affiant_ready", 'instance="a:1"')),
    Case("AffiantUnaudited", _on("affiant_unaudited", 'instance="a:1"'), [{"instance": "a:1", "severity": "page"}]),
    Case("AffiantUnaudited", _on("affiant_unaudited", 'instance="a:1"', "0")),
    Case("AffiantPlanBehind", _on("affiant_plan_behind", 'instance="a:1"'), [{"instance": "a:1", "severity": "warn"}]),
    Case("AffiantPlanBehind", {'affiant_plan_behind{instance="a:1"}': "0x17 1x3"}),
    Case(
        "AffiantJournalFilling", _on("affiant_journal_hours_to_full", 'instance="a:1"', "3"),
        [{"instance": "a:1", "severity": "page"}, {"instance": "a:1", "severity": "warn"}],
    ),
    Case("AffiantJournalFilling", _on("affiant_journal_hours_to_full", 'instance="a:1"', "1e300")),
    Case(
        "AffiantGovernanceOld",
        _on("affiant_governance_seconds", 'instance="a:1"', "301")
        | _on("affiant_sidecar_governance_seconds", 'instance="a:1"', "2"),
        [{"instance": "a:1", "severity": "warn", "copy": "gateway"}],
    ),
    Case(
        "AffiantUnshipped", _on("affiant_sidecar_oldest_unshipped_seconds", _JOURNAL, "61"), [_J | {"severity": "warn"}]
    ),
    # Other limits than the defaults: the same number wakes people, or tells nobody.
    Case(
        "AffiantUnshipped", _on("affiant_sidecar_oldest_unshipped_seconds", _JOURNAL, "61"),
        [_J | {"severity": "page"}, _J | {"severity": "warn"}],
        limits=("unshipped_seconds_warn=2.5", "unshipped_seconds_page=60"),
    ),
    Case(
        "AffiantUnsealed", _on("affiant_sidecar_oldest_unsealed_seconds", _JOURNAL, "3601"),
        limits=("unsealed_seconds_warn=3601", "unsealed_seconds_page=7200"),
    ),
    Case(
        "AffiantJournalFilling", _on("affiant_journal_hours_to_full", 'instance="a:1"', "30"),
        [{"instance": "a:1", "severity": "warn"}],
        limits=("hours_to_full_warn=48", "hours_to_full_page=30"),
    ),
    Case(
        "AffiantApprovalExpires",
        _on("affiant_approval_expires_timestamp_seconds", 'service="credit",digest="d"', str(10 * _DAYS)),
        [{"service": "credit", "digest": "d", "severity": severity} for severity in ("page", "warn")],
        limits=("expiry_days_warn=30", "expiry_days_page=10.5"),
    ),
    Case("AffiantUnshipped", _on("affiant_sidecar_oldest_unshipped_seconds", _JOURNAL, "60")),
    Case(
        "AffiantUnsealed", _on("affiant_sidecar_oldest_unsealed_seconds", _JOURNAL, "1801"),
        [_J | {"severity": "page"}, _J | {"severity": "warn"}],
    ),
    Case("AffiantShippingStopped", _on("affiant_sidecar_alarm", _JOURNAL), [_J | {"severity": "page"}]),
    Case("AffiantShippingStopped", _on("affiant_sidecar_alarm", _JOURNAL, "0")),
    Case(
        "AffiantMirrorBehind", _on("affiant_sidecar_mirror_oldest_seconds", _JOURNAL, "901"),
        [_J | {"severity": "warn"}],
    ),
    Case("AffiantMirrorBehind", _on("affiant_sidecar_mirror_oldest_seconds", _JOURNAL, "900")),
    Case(
        "AffiantMirrorDropped", {f"affiant_sidecar_mirror_dropped_records_total{{{_JOURNAL}}}": "0x15 7x20"},
        [_J | {"severity": "warn"}],
    ),
    Case("AffiantSealNotBelieved", _on("affiant_sidecar_seal_alarm", _JOURNAL), [_J | {"severity": "page"}]),
    Case(
        # The first alarm of its kind: a series that was not there before.
        "AffiantNotaryAlarm", {f'affiant_notary_alarms_total{{{_TREE},alarm="chain"}}': "_x15 1x300"},
        [_T | {"alarm": "chain", "severity": "page"}],
    ),
    Case(
        "AffiantNotaryAlarm", {f'affiant_notary_alarms_total{{{_TREE},alarm="chain"}}': "_x15 1x300"}, at=80
    ),
    Case(
        "AffiantNotaryAlarm", {f'affiant_notary_alarms_total{{{_TREE},alarm="chain"}}': "1x120 2x20"},
        [_T | {"alarm": "chain", "severity": "page"}], at=130,
    ),
    Case("AffiantNotaryHeld", _on("affiant_notary_held", _TREE), [_T | {"severity": "page"}]),
    Case("AffiantNotaryHeld", _on("affiant_notary_held", _TREE, "0")),
    Case(
        "AffiantNotSealing", _on("affiant_notary_sealing", 'instance="n:1",log="governance"', "0"),
        [{"instance": "n:1", "log": "governance", "severity": "page"}],
    ),
    Case("AffiantNotaryBehind", _on("affiant_notary_lag_seconds", _TREE, "61"), [_T | {"severity": "warn"}]),
    Case(
        "AffiantCheckpointOld", _on("affiant_notary_checkpoint_age_seconds", _TREE, "61"), [_T | {"severity": "warn"}]
    ),
    Case("AffiantWitnessMissing", _on("affiant_notary_witnesses_missing", _TREE), [_T | {"severity": "warn"}]),
    Case("AffiantWitnessMissing", {f"affiant_notary_witnesses_missing{{{_TREE}}}": "0x10 1x20"}),
    Case("AffiantAlarmsUntold", _on("affiant_notary_alarms_untold", _TREE, "2"), [_T | {"severity": "warn"}]),
    Case("AffiantRecordsMissing", _on("affiant_audit_missing", 'journal="ab"'), [_AB | {"severity": "page"}]),
    Case("AffiantRecordsMissing", _on("affiant_audit_missing", 'journal="ab"', "0")),
    Case(
        "AffiantAnswersUnrecorded", _on("affiant_audit_unrecorded", 'journal="ab"'), [_AB | {"severity": "page"}]
    ),
    Case("AffiantCompletenessOld", {"affiant_audit_looked_seconds": "1x70"}, [{"severity": "warn"}], at=61),
    Case("AffiantCompletenessOld", {"affiant_audit_looked_seconds": "1x70"}, at=59),
    # Nobody ever looked, or nobody reads what says so.
    Case("AffiantCompletenessOld", {"affiant_other": "1x70"}, [{"severity": "warn", "looked": "never"}], at=61),
    Case("AffiantCompletenessOld", {"affiant_other": "1x70"}, at=59),
    Case(
        "AffiantApprovalExpires",
        _on("affiant_approval_expires_timestamp_seconds", 'service="credit",digest="d"', str(10 * _DAYS)),
        [{"service": "credit", "digest": "d", "severity": "warn"}],
    ),
    Case(
        # 0: it has ended.
        "AffiantApprovalExpires", _on("affiant_approval_expires_timestamp_seconds", 'service="credit",digest="d"', "0"),
        [{"service": "credit", "digest": "d", "severity": severity} for severity in ("page", "warn")],
    ),
    Case(
        "AffiantApprovalExpires",
        _on("affiant_approval_expires_timestamp_seconds", 'service="credit",digest="d"', str(15 * _DAYS)),
    ),
    Case(
        "AffiantCertificateExpires",
        _on("affiant_gateway_certificate_expires_timestamp_seconds", 'instance="a:1"', str(10 * _DAYS))
        | _on("affiant_controller_certificate_expires_timestamp_seconds", 'instance="c:1"', str(1.5 * _DAYS))
        | _on("affiant_log_certificate_expires_timestamp_seconds", 'instance="n:1"', str(10 * _DAYS))
        | _on("affiant_log_certificate_expires_timestamp_seconds", 'instance="n:2"', str(20 * _DAYS)),
        [
            {"instance": "a:1", "severity": "warn", "certificate": "gateway"},
            *({"instance": "c:1", "severity": each, "certificate": "controller"} for each in ("page", "warn")),
            {"instance": "n:1", "severity": "warn", "certificate": "log"},
        ],
    ),
    Case("AffiantNoMonitor", {"affiant_other": "1x30"}, [{"severity": "page"}]),
    Case("AffiantNoMonitor", _on("affiant_monitor_leader", 'instance="m:1"', "0"), [{"severity": "page"}]),
    Case("AffiantNoMonitor", _on("affiant_monitor_leader", 'instance="m:1"')),
    Case(
        "AffiantTwoMonitors",
        _on("affiant_monitor_leader", 'instance="m:1"') | _on("affiant_monitor_leader", 'instance="m:2"'),
        [{"severity": "warn"}],
    ),
    Case(
        "AffiantMonitorBehind", _on("affiant_monitor_age_seconds", 'partition="0"', "301"),
        [{"partition": "0", "severity": "warn"}],
    ),
    Case(
        "AffiantJudgeWaits", _on("affiant_monitor_waiting_seconds", 'partition="0"', "1801"),
        [{"partition": "0", "severity": severity} for severity in ("page", "warn")],
    ),
    Case("AffiantJudgeWaits", _on("affiant_monitor_waiting_seconds", 'partition="0"', "299")),
    Case(
        "AffiantMonitorStalled", _on("affiant_monitor_round_seconds", 'instance="m:1"', "301"),
        [{"instance": "m:1", "severity": "warn"}],
    ),
    Case("AffiantMonitorStalled", _on("affiant_monitor_round_seconds", 'instance="m:1"', "2")),
    Case("AffiantPanesMissed", {"affiant_monitor_missed_panes_total": "_x15 2x20"}, [{"severity": "warn"}]),
    Case("AffiantPanesMissed", {"affiant_monitor_missed_panes_total": "0x40"}),
    Case(
        "AffiantMonitorUnreadable", {'affiant_monitor_unreadable_total{reason="schema"}': "0x15 5x20"},
        [{"reason": "schema", "severity": "warn"}],
    ),
    Case("AffiantMonitorLate", {"affiant_monitor_late_panes_total": "3x15 4x20"}, [{"severity": "warn"}]),
    Case("AffiantMonitorLate", {"affiant_monitor_late_panes_total": "3x40"}),
    Case(
        "AffiantRolledBack", {'affiant_controller_rollbacks_total{service="credit",cause="prediction"}': "_x15 1x20"},
        [{"service": "credit", "cause": "prediction", "severity": "warn"}],
    ),
    Case(
        "AffiantRollbackRefused",
        {
            'affiant_controller_decisions_total{service="credit",outcome="refuse"}': "_x15 1x20",
            'affiant_controller_decisions_total{service="credit",outcome="wait"}': "_x15 1x20",
        },
        [{"service": "credit", "outcome": "refuse", "severity": "warn"}],
    ),
    # An ordinary day: a rollback, and the alert that goes on for a while about what does not answer any more.
    Case(
        "AffiantRollbackRefused",
        {
            f'affiant_controller_decisions_total{{service="credit",outcome="{each}"}}': "_x15 1x20"
            for each in ("roll_back", "pass", "wait")
        },
    ),
    # Its pods do not exist: there is no `up` any more that could be 0.
    Case(
        "AffiantTargetGone",
        {
            'up{job="affiant-gateway",instance="a:1"}': "1x10", 'up{job="affiant-gateway",instance="a:2"}': "1x5",
            'up{job="affiant-notary",instance="n:1"}': "1x5 stale",
            'up{job="affiant-notary",instance="n:2"}': "_x6 1x30",
            'up{job="others",instance="o:1"}': "1x5",
        },
        [{"job": "affiant-gateway", "severity": "page"}], at=22,
    ),
    Case("AffiantTargetGone", _on("up", 'job="affiant-gateway",instance="a:1"', "0")),
    Case("AffiantNoController", {"affiant_other": "1x30"}, [{"severity": "page"}]),
    Case("AffiantNoController", _on("affiant_controller_ready", 'instance="c:1"', "0"), [{"severity": "page"}]),
    Case(
        "AffiantNoController",
        _on("affiant_controller_ready", 'instance="c:1"', "0") | _on("affiant_controller_ready", 'instance="c:2"'),
    ),
    Case(
        "AffiantRollbackWaits",
        _on("affiant_controller_waiting_seconds", 'service="credit",instance="c:1"', "901")
        | _on("affiant_controller_waiting_seconds", 'service="other",instance="c:1"', "900"),
        [{"service": "credit", "severity": "warn"}],
    ),
    Case(
        "AffiantRolloutWaits",
        _on("affiant_rollout_waiting_seconds", 'service="credit",instance="c:1"', "901")
        | _on("affiant_rollout_waiting_seconds", 'service="other",instance="c:1"', "900"),
        [{"service": "credit", "severity": "warn"}],
    ),
    Case("AffiantWebhookRefused", {'affiant_controller_webhooks_total{outcome="unready"}': "_x15 1x20"}),
    Case(
        "AffiantWebhookRefused",
        {
            'affiant_controller_webhooks_total{outcome="unauthorized"}': "_x15 1x20",
            'affiant_controller_webhooks_total{outcome="accepted"}': "_x15 1x20",
        },
        [{"outcome": "unauthorized", "severity": "warn"}],
    ),
]  # fmt: skip
