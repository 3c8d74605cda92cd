"""The rules of the record's own way, from the gateway's journal to the sealed log, and of the monitor and controller.

What a service's policy says changes none of them; limits do. Metrics of the other rooms are named here by their text:
their modules need libraries that a monitor does not. A test holds that each is exported.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from audit.certificates import LOG_CERTIFICATE
from monitoring import names

from .form import Gone, Group, Labels, Level, Match, Nobody, Rose, Rule, Select, Severity, Since, Until
from .limits import Limits

DAY, HOUR, MINUTE = 86_400, 3600, 60
JOURNAL: Final[Labels] = ("instance", "journal")
TREE: Final[Labels] = ("topic", "partition")
PROCESS: Final[Labels] = ("instance",)

APPROVAL_EXPIRES: Final = "affiant_approval_expires_timestamp_seconds"
"""Of what is to answer now, by service and digest, s since 1970 UTC (`monitoring.alerts.expiry`)."""
CERTIFICATE_EXPIRES: Final = "affiant_gateway_certificate_expires_timestamp_seconds"
"""Of the gateway's TLS certificate, s since 1970 UTC."""
CERTIFICATES: Final = (
    ("gateway", CERTIFICATE_EXPIRES, "the certificate of {instance} ends in {value} s"),
    ("controller", names.CONTROLLER_CERTIFICATE.name, "the controller's certificate ends in {value} s"),
    ("log", LOG_CERTIFICATE, "the certificate that {instance} shows the brokers ends in {value} s"),
)
"""Whose they are, their metrics, and what is said."""
MIRROR_SECONDS: Final = 15 * MINUTE
"""A copy that is so far behind is told of. It is nobody's record: there is no limit of it in a policy."""
STUCK_SECONDS: Final = 15 * MINUTE
"""An alarm that waits for nobody knows what, or a rollout that is stuck, is told of then: by itself neither ends."""
UNREADY_SECONDS: Final = 5 * MINUTE
"""A component that is being replaced is no news."""
NO_CONTROLLER: Final = "AffiantNoController"
COMPLETENESS: Final = frozenset(
    {"AffiantRecordsMissing", "AffiantAnswersUnrecorded", "AffiantCompletenessOld"}
)
"""By what `affiant audit completeness --textfile` writes."""
JOBS: Final = "affiant.*|"
"""Jobs whose absence is told; where the monitor evaluates itself there are no jobs."""


def path_groups(limits: Limits, *, rolls_back: bool = False) -> Iterator[Group]:
    """The groups, in the order of a record's way. `rolls_back`: a policy counts on a controller."""
    yield Group("affiant-gateway", tuple(_gateway(limits)))
    yield Group("affiant-sidecar", tuple(_sidecar(limits)))
    yield Group("affiant-notary", tuple(_notary(limits)))
    yield Group("affiant-completeness", tuple(_completeness(limits)), 60)
    yield Group("affiant-expiry", tuple(_expiry(limits)), 60)
    yield Group("affiant-monitor", tuple(_monitor(limits)))
    yield Group("affiant-controller", tuple(_controller(rolls_back=rolls_back)))


def _both(
    alert: str, select: Select, by: Labels, limits: tuple[float, float], summary: str, *, below: bool = False
) -> Iterator[Rule]:
    """A page and a warning on one number."""
    grave: tuple[tuple[Severity, float], ...] = (("page", limits[1]), ("warn", limits[0]))
    for severity, limit in grave:
        level = Level(select, by, "<" if below else ">", limit, "min" if below else "max")
        yield Rule(alert, level, severity, summary, wait=30)


def _switch(
    alert: str, metric: str, by: Labels, severity: Severity, summary: str, *, on: bool = True, wait: int = 0
) -> Rule:
    """A gauge that is 1, or 0 where `on` is false."""
    level = Level(Select(metric), by, "==", 1, "max") if on else Level(Select(metric), by, "==", 0, "min")
    return Rule(alert, level, severity, summary, wait=wait)


def _gateway(limits: Limits) -> Iterator[Rule]:
    yield Rule(
        "AffiantTargetDown",
        Level(Select("up", (Match("job", "=~", JOBS),)), ("job", "instance"), "==", 0, "min"),
        "page",
        "{job} {instance} does not answer a scrape",
        wait=MINUTE,
    )
    yield _switch(
        "AffiantNotReady", "affiant_ready", PROCESS, "page", "the gateway {instance} answers no predictions",
        on=False, wait=MINUTE,
    )  # fmt: skip
    yield _switch(
        "AffiantUnaudited",
        "affiant_unaudited",
        PROCESS,
        "page",
        "the gateway {instance} answers without a record",
    )
    yield _switch(
        "AffiantPlanBehind", "affiant_plan_behind", PROCESS, "warn",
        "something of the plan is not served by {instance}", wait=5 * MINUTE,
    )  # fmt: skip
    yield from _both(
        "AffiantJournalFilling",
        Select("affiant_journal_hours_to_full"),
        PROCESS,
        (limits.hours_to_full_warn, limits.hours_to_full_page),
        "the journal of {instance} is full in {value} hours, and refuses requests then",
        below=True,
    )
    for where, metric in (
        ("gateway", "affiant_governance_seconds"), ("sidecar", "affiant_sidecar_governance_seconds")
    ):  # fmt: skip
        yield Rule(
            "AffiantGovernanceOld",
            Level(Select(metric), PROCESS, ">", limits.governance_seconds_warn),
            "warn",
            "what {instance} knows of the governance log is {value} s old",
            {"copy": where},
            wait=30,
        )
    yield Rule(
        "AffiantTargetGone",
        Gone(Select("up", (Match("job", "=~", JOBS),)), ("job",), DAY),
        "page",
        "nothing of {job} is there any more to be scraped",
        wait=UNREADY_SECONDS,
    )


def _sidecar(limits: Limits) -> Iterator[Rule]:
    yield from _both(
        "AffiantUnshipped",
        Select("affiant_sidecar_oldest_unshipped_seconds"),
        JOURNAL,
        (limits.unshipped_seconds_warn, limits.unshipped_seconds_page),
        "the oldest record of journal {journal} that the log has not acknowledged is {value} s old",
    )
    yield from _both(
        "AffiantUnsealed",
        Select("affiant_sidecar_oldest_unsealed_seconds"),
        JOURNAL,
        (limits.unsealed_seconds_warn, limits.unsealed_seconds_page),
        "the oldest record of journal {journal} that is not proved to be sealed is {value} s old",
    )
    yield _switch(
        "AffiantShippingStopped", "affiant_sidecar_alarm", JOURNAL, "page",
        "shipping of journal {journal} has stopped until a person looks",
    )  # fmt: skip
    yield _switch(
        "AffiantSealNotBelieved", "affiant_sidecar_seal_alarm", JOURNAL, "page",
        "what is sealed of journal {journal} is not believed, or is not what was shipped",
    )  # fmt: skip
    yield Rule(
        "AffiantMirrorBehind",
        Level(Select("affiant_sidecar_mirror_oldest_seconds"), JOURNAL, ">", MIRROR_SECONDS),
        "warn",
        "the oldest record of journal {journal} that is not copied to Fluentd is {value} s old",
        wait=30,
    )
    yield Rule(
        "AffiantMirrorDropped",
        Rose(Select("affiant_sidecar_mirror_dropped_records_total"), JOURNAL, HOUR),
        "warn",
        "{value} records of journal {journal} were freed before they were copied to Fluentd",
    )


def _notary(limits: Limits) -> Iterator[Rule]:
    yield Rule(
        "AffiantNotaryAlarm",
        Rose(Select("affiant_notary_alarms_total"), (*TREE, "alarm"), HOUR),
        "page",
        "the notary has found something wrong in {topic}/{partition}: {alarm}",
    )
    yield _switch(
        "AffiantNotaryHeld", "affiant_notary_held", TREE, "page",
        "nothing is sealed of {topic}/{partition}", wait=MINUTE,
    )  # fmt: skip
    yield _switch(
        "AffiantNotSealing", "affiant_notary_sealing", ("instance", "log"), "page",
        "the notary has not found the topic of {log}", on=False, wait=2 * MINUTE,
    )  # fmt: skip
    yield from _both(
        "AffiantNotaryBehind",
        Select("affiant_notary_lag_seconds"),
        TREE,
        (limits.notary_seconds_warn, limits.notary_seconds_page),
        "the oldest record of {topic}/{partition} that is not sealed is {value} s old",
    )
    yield Rule(
        "AffiantCheckpointOld",
        Level(Select("affiant_notary_checkpoint_age_seconds"), TREE, ">", limits.checkpoint_seconds_warn),
        "warn",
        "the newest checkpoint of {topic}/{partition} was renewed {value} s ago",
        wait=30,
    )
    yield Rule(
        "AffiantWitnessMissing",
        Level(Select("affiant_notary_witnesses_missing"), TREE, ">", 0),
        "warn",
        "{value} witnesses do not vouch for {topic}/{partition}",
        wait=15 * MINUTE,
    )
    yield Rule(
        "AffiantAlarmsUntold",
        Level(Select("affiant_notary_alarms_untold"), TREE, ">", 0),
        "warn",
        "{value} alarms of {topic}/{partition} are not in the governance log",
        wait=10 * MINUTE,
    )


def _completeness(limits: Limits) -> Iterator[Rule]:
    yield Rule(
        "AffiantRecordsMissing",
        Level(Select("affiant_audit_missing"), ("journal",), ">", 0),
        "page",
        "{value} entries of journal {journal} are recorded and not sealed",
    )
    yield Rule(
        "AffiantAnswersUnrecorded",
        Level(Select("affiant_audit_unrecorded"), ("journal",), ">", 0),
        "page",
        "{value} answers of journal {journal} have no sealed entry",
    )
    yield Rule(
        "AffiantCompletenessOld",
        Since(Select("affiant_audit_looked_seconds"), (), limits.completeness_hours_warn * HOUR),
        "warn",
        "completeness was not looked at for {value} s",
    )
    yield Rule(
        "AffiantCompletenessOld",
        Nobody(Select("affiant_audit_looked_seconds")),
        "warn",
        "nothing is known of any look at completeness",
        {"looked": "never"},
        wait=round(limits.completeness_hours_warn * HOUR),
    )


def _expiry(limits: Limits) -> Iterator[Rule]:
    days: tuple[tuple[Severity, float], ...] = (
        ("page", limits.expiry_days_page),
        ("warn", limits.expiry_days_warn),
    )
    for severity, left in days:
        yield Rule(
            "AffiantApprovalExpires",
            Until(Select(APPROVAL_EXPIRES), ("service", "digest"), left * DAY),
            severity,
            "an approval of {digest} for {service} ends in {value} s",
        )
    for whose, metric, summary in CERTIFICATES:
        for severity, left in days:
            yield Rule(
                "AffiantCertificateExpires",
                Until(Select(metric), PROCESS, left * DAY),
                severity,
                summary,
                {"certificate": whose},
            )


def _monitor(limits: Limits) -> Iterator[Rule]:
    yield Rule(
        "AffiantNoMonitor",
        Nobody(Select(names.LEADER.name)),
        "page",
        "no monitor judges: drift is not seen",
        wait=2 * MINUTE,
    )
    yield Rule(
        "AffiantTwoMonitors",
        Level(Select(names.LEADER.name), (), ">", 1, "sum"),
        "warn",
        "{value} monitors judge",
        wait=2 * MINUTE,
    )
    yield from _both(
        "AffiantMonitorBehind",
        Select(names.READ_SECONDS.name),
        ("partition",),
        (limits.monitor_seconds_warn, limits.monitor_seconds_page),
        "the newest record of partition {partition} that was counted is {value} s old, and there are newer ones",
    )
    yield from _both(
        "AffiantJudgeWaits",
        Select(names.WAITING_SECONDS.name),
        ("partition",),
        (limits.monitor_seconds_warn, limits.monitor_seconds_page),
        "the next pane of partition {partition} has waited {value} s to be judged",
    )
    yield from _both(
        "AffiantMonitorStalled",
        Select(names.ROUND_SECONDS.name),
        PROCESS,
        (limits.monitor_seconds_warn, limits.monitor_seconds_page),
        "the monitor {instance} has not come round for {value} s",
    )
    yield Rule(
        "AffiantPanesMissed",
        Rose(Select(f"{names.MISSED.name}_total"), (), 10 * MINUTE),
        "warn",
        "{value} panes were kept no more when it was their turn to be judged",
    )
    yield Rule(
        "AffiantMonitorUnreadable",
        Rose(Select(f"{names.UNREADABLE.name}_total"), ("reason",), 10 * MINUTE),
        "warn",
        "{value} records could not be counted: {reason}",
    )
    yield Rule(
        "AffiantMonitorLate",
        Rose(Select(f"{names.LATE.name}_total"), (), 10 * MINUTE),
        "warn",
        "{value} panes were judged after younger ones",
    )


def _controller(*, rolls_back: bool) -> Iterator[Rule]:
    if rolls_back:
        yield Rule(
            NO_CONTROLLER,
            Nobody(Select(names.CONTROLLER_READY.name)),
            "page",
            "no controller can decide: nothing is rolled back by itself",
            wait=UNREADY_SECONDS,
        )
    yield Rule(
        "AffiantRollbackWaits",
        Level(Select(names.CONTROLLER_WAITING.name), ("service",), ">", STUCK_SECONDS),
        "warn",
        "a controller was told of {service} {value} s ago, and cannot decide whether to roll it back",
    )
    yield Rule(
        "AffiantRolloutWaits",
        Level(Select(names.ROLLOUT_WAITING.name), ("service",), ">", STUCK_SECONDS),
        "warn",
        "a canary of {service} has been stuck for {value} s: it neither moves nor goes back by itself",
    )
    yield Rule(
        "AffiantRolledBack",
        Rose(Select(f"{names.ROLLBACKS.name}_total"), ("service", "cause"), 10 * MINUTE),
        "warn",
        "{service} was rolled back for {cause}",
    )
    yield Rule(
        "AffiantRollbackRefused",
        Rose(
            Select(f"{names.DECISIONS.name}_total", (Match("outcome", "=~", "refuse|dry_run"),)),
            ("service", "outcome"),
            10 * MINUTE,
        ),
        "warn",
        "the controller was told of {service}, and did not roll it back: {outcome}",
    )
    yield Rule(
        "AffiantWebhookRefused",
        Rose(
            Select(
                f"{names.WEBHOOKS.name}_total",
                (Match("outcome", "!~", "accepted|duplicate|resolved|unready"),),
            ),
            ("outcome",),
            10 * MINUTE,
        ),
        "warn",
        "{value} webhooks came to the controller that it did not take: {outcome}",
    )
