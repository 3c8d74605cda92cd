"""Every metric that this room exports: its name, its labels, what it means. Rules and dashboards read it from here.

Labels are `service`, `digest` (the first 12 hex digits), `slot` and `feature`; never a request, a caller or a raw
category. `digest` is empty where requests are counted that need not have reached a package (errors, refusals).
`feature` is one of the package's columns, or `score:` and an output's name (`columns.py`). How many features of a
package, and groups of an attribute, have series is bounded (exporter.py, labels/export.py), and who is left out is
counted. All gauges can be computed anew from the log.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Name(NamedTuple):
    """A metric."""

    name: str
    help: str
    labels: tuple[str, ...] = ()
    kind: str = "gauge"


SHORT: Final = 12
"""Hex digits of a digest in a label."""
_PACKAGE: Final = ("service", "digest", "slot")
_COLUMN: Final = (*_PACKAGE, "feature")

KS_LOWER: Final = Name("affiant_drift_ks_lower", "KS distance of the window, at least.", _COLUMN)
KS_UPPER: Final = Name("affiant_drift_ks_upper", "KS distance of the window, at most.", _COLUMN)
PSI: Final = Name("affiant_drift_psi", "Population stability index of the window.", _COLUMN)
PSI_DEBIASED: Final = Name(
    "affiant_drift_psi_debiased", "The same, less its expectation without drift.", _COLUMN
)
LOG_E: Final = Name(
    "affiant_drift_log_e_value", "Natural logarithm of the e-detector.", (*_COLUMN, "severity")
)
LOG_E_LIMIT: Final = Name(
    "affiant_drift_log_e_limit", "The e-detector alarms from here on.", (*_PACKAGE, "severity")
)
EFFECT: Final = Name(
    "affiant_drift_design_effect", "Variance between panes over that of single rows.", _COLUMN
)
MISSING: Final = Name("affiant_drift_missing_ratio", "Share of missing values in the window.", _COLUMN)
OUTSIDE: Final = Name(
    "affiant_drift_out_of_range_ratio", "Share of values outside the reference's range.", _COLUMN
)
UNSEEN: Final = Name(
    "affiant_drift_unseen_ratio", "Share of values that are no category of the reference.", _COLUMN
)
ALARM: Final = Name("affiant_drift_alarm", "1 while the column has alarmed.", (*_COLUMN, "severity"))
DRIFT_LEFT_OUT: Final = Name(
    "affiant_drift_left_out",
    "Features whose figures are not shown: as many as are shown have drifted further. Alarms are of all.",
    _PACKAGE,
)
WINDOW_ROWS: Final = Name("affiant_drift_window_rows", "Rows in the window.", _PACKAGE)
WINDOW_SECONDS: Final = Name(
    "affiant_drift_window_seconds", "From the window's first pane to its last, by the log's clock.", _PACKAGE
)
CHECKS: Final = Name("affiant_drift_checks", "Panes that were judged.", _PACKAGE, "counter")
UNSUPPORTED: Final = Name(
    "affiant_drift_unsupported",
    "1 when the reference has too few rows for the policy's deltas: larger ones were taken.",
    _PACKAGE,
)
REFERENCE: Final = Name(
    "affiant_drift_reference_info",
    "1; the reference's SHA-256 and rows.",
    (*_PACKAGE, "sha256", "rows"),
)
CONFIDENCE: Final = Name(
    "affiant_prediction_confidence", "Predictions by their largest class probability.", _PACKAGE, "histogram"
)
POSITIVE: Final = Name(
    "affiant_predictions_positive",
    "Rows with the positive class as their decision; of affiant_monitor_rows.",
    _PACKAGE,
    "counter",
)
ROWS: Final = Name("affiant_monitor_rows", "Rows that were counted.", _PACKAGE, "counter")
POSITION: Final = Name("affiant_monitor_position", "Next offset to be read.", ("partition",))
LAG: Final = Name(
    "affiant_monitor_lag_records", "Records of the log that are not counted yet.", ("partition",)
)
UNREADABLE: Final = Name(
    "affiant_monitor_unreadable", "Records that could not be counted, by reason.", ("reason",), "counter"
)
LATE: Final = Name("affiant_monitor_late_panes", "Panes judged after others that are younger.", (), "counter")
MISSED: Final = Name(
    "affiant_monitor_missed_panes",
    "Panes that were kept no more when it was their turn to be judged.",
    (),
    "counter",
)
WAITING: Final = Name(
    "affiant_monitor_waiting_panes", "Panes that are counted and not judged yet.", ("partition",)
)
WAITING_SECONDS: Final = Name(
    "affiant_monitor_waiting_seconds",
    "How long the pane that is judged next has been the next one; 0 when none waits.",
    ("partition",),
)
ROUND_SECONDS: Final = Name(
    "affiant_monitor_round_seconds", "Since the monitor last came round: it counts and judges in rounds."
)
LEADER: Final = Name("affiant_monitor_leader", "1 on the monitor that judges.")
READ_SECONDS: Final = Name(
    "affiant_monitor_age_seconds",
    "Age of the newest record that was counted; 0 when all are.",
    ("partition",),
)
SLO_BAD: Final = Name(
    "affiant_slo_bad_requests",
    "Requests that an objective counts as bad.",
    (*_PACKAGE, "objective"),
    "counter",
)
SLO_ALL: Final = Name(
    "affiant_slo_requests",
    "Requests that an objective looks at.",
    (*_PACKAGE, "objective"),
    "counter",
)
SLO_BUDGET: Final = Name(
    "affiant_slo_budget_ratio", "Share of bad requests that the objective allows.", ("service", "objective")
)
LABEL_UNREAD: Final = Name(
    "affiant_label_unread_records",
    "Records of the log that were not read for labels yet; what labels say is known once all were.",
    ("partition",),
)
LABEL_READING: Final = Name(
    "affiant_label_reading_seconds",
    "Seconds spent on reading the log for labels, and on what they say.",
    (),
    "counter",
)
LABELS_UNMATCHED: Final = Name(
    "affiant_labels_unmatched",
    "Labels that are in no figure, by reason. The service is empty where a label names none that is looked at.",
    ("service", "reason"),
)
LABELS_SHORT: Final = Name(
    "affiant_labels_kept_too_short",
    "1 when answers wait for labels for less time than the policy's coverage looks back.",
    ("service",),
)
LABEL_DELAY: Final = Name(
    "affiant_label_delay_seconds", "From prediction to label, by quantile.", (*_PACKAGE, "quantile")
)
LABEL_COVERAGE: Final = Name(
    "affiant_label_coverage_ratio", "Share of the newest judged cohort that has labels.", _PACKAGE
)
METRIC: Final = Name(
    "affiant_performance",
    "A metric of the newest cohort: value, lower and upper.",
    (*_PACKAGE, "metric", "bound"),
)
LOSS: Final = Name(
    "affiant_performance_loss",
    "Mean loss of the newest labelled rows: before the newest change of it, and since.",
    (*_PACKAGE, "window"),
)
LOSS_CHANGES: Final = Name(
    "affiant_performance_loss_changes",
    "Changes of the mean loss among the newest labelled rows, by ADWIN.",
    _PACKAGE,
)
GROUP_GAP: Final = Name(
    "affiant_group_rate_difference",
    "Largest difference between two groups' rates, of groups that are large enough.",
    (*_PACKAGE, "attribute", "rate"),
)
GROUP_GAP_LEAST: Final = Name(
    "affiant_group_rate_difference_least",
    "By which at least some two groups' rates differ, beyond chance.",
    (*_PACKAGE, "attribute", "rate"),
)
GROUP_RATIO_MOST: Final = Name(
    "affiant_group_rate_ratio_most",
    "What the ratio of some two groups' rates is at most, beyond chance.",
    (*_PACKAGE, "attribute", "rate"),
)
GROUP_RATE: Final = Name(
    "affiant_group_favourable_ratio", "Share of favourable decisions.", (*_PACKAGE, "attribute", "group")
)
GROUP_ROWS: Final = Name("affiant_group_rows", "Decisions in the window.", (*_PACKAGE, "attribute", "group"))
GROUP_LEFT_OUT: Final = Name(
    "affiant_group_left_out",
    "Groups that are not shown, as others have more decisions. What lies between groups is of all of them.",
    (*_PACKAGE, "attribute"),
)
GROUP_UNLOOKED: Final = Name(
    "affiant_group_unlooked",
    "1; an attribute of the policy by which decisions are not looked at, and why not.",
    (*_PACKAGE, "attribute", "reason"),
)
PERFORMANCE_ALARM: Final = Name(
    "affiant_performance_alarm", "1 while a metric breaks its limit.", (*_PACKAGE, "metric", "severity")
)
ROLLBACKS: Final = Name(
    "affiant_controller_rollbacks", "Rollbacks appended, by cause.", ("service", "cause"), "counter"
)
DECISIONS: Final = Name(
    "affiant_controller_decisions", "Alerts decided about, by outcome.", ("service", "outcome"), "counter"
)
WEBHOOKS: Final = Name(
    "affiant_controller_webhooks", "Webhooks, by what came of them.", ("outcome",), "counter"
)
CONTROLLER_READY: Final = Name(
    "affiant_controller_ready", "1 when alerts can be decided about: /readyz says why not."
)
CONTROLLER_WAITING: Final = Name(
    "affiant_controller_waiting_seconds",
    "Since when the alert that waits longest waits for what nobody knows when it comes; a cool-down's end is known.",
    ("service",),
)
CONTROLLER_CERTIFICATE: Final = Name(
    "affiant_controller_certificate_expires_timestamp_seconds",
    "When the TLS certificate that is served ends, since 1970 UTC.",
)
ROLLOUT_WAITING: Final = Name(
    "affiant_rollout_waiting_seconds",
    "For how long the canary that is stuck for longest is; more requests, or time, would not help it.",
    ("service",),
)
ROLLOUT_WEIGHT: Final = Name(
    "affiant_rollout_weight",
    "Share of the requests that a canary answers, by its rollout.",
    ("service", "digest"),
)
