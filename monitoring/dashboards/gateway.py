"""The gateway: what it is asked, what it answers, how fast, and what stands in its way."""

from __future__ import annotations

from .form import BAD, RATE, WARN, Board, Ground, Panel, Query, Row, Step, Variable, lines, number, quantiles

_S = 'service=~"$service"'
_NAMED = f'{_S},service!=""'
"""A path of no service of the plan is nobody's: its refusals have no service."""
_REQUESTS = "affiant_requests_total"


def gateway(ground: Ground) -> Board:
    """The dashboard."""
    limits = ground.limits
    full = (Step(limits.hours_to_full_page, "orange"), Step(limits.hours_to_full_warn, "green"))
    now = Row(
        "Now",
        (
            number(
                "Requests",
                "Requests answered a second, refusals and failures too.",
                f"sum(rate({_REQUESTS}{{{_S}}}[{RATE}]))",
                unit="reqps",
            ),
            number(
                "Ready",
                "1 when every gateway answers predictions, 0 when one does not.",
                "min(affiant_ready)",
                unit="none",
                base="red",
                steps=(Step(1, "green"),),
                alerts=("AffiantNotReady", "AffiantTargetDown", "AffiantTargetGone"),
            ),
            number(
                "Plan behind",
                "1 while something of the plan is not served: not admitted, or not to be loaded.",
                "max(affiant_plan_behind)",
                unit="none",
                steps=WARN,
                alerts=("AffiantPlanBehind",),
            ),
            number(
                "Answers without a record",
                "1 when a gateway runs with the switch of benchmarks that leaves the journal out. Must be 0.",
                "max(affiant_unaudited)",
                unit="none",
                steps=BAD,
                alerts=("AffiantUnaudited",),
            ),
            number("In work", "Requests that are being answered.", "sum(affiant_in_work)", unit="none"),
            number(
                "Workers",
                "Of all gateways; a scrape hears one of each gateway's, and that one says how many they are.",
                "sum(max by (instance) (affiant_workers))",
                unit="none",
            ),
            number(
                "Journal full in",
                "Until the fullest journal is at its bound and requests are refused, at the rate of the last minutes.",
                "min(affiant_journal_hours_to_full)",
                unit="h",
                base="red",
                steps=full,
                alerts=("AffiantJournalFilling",),
            ),
        ),
    )
    return Board(
        "affiant-gateway",
        "Affiant: gateway",
        "What gateways are asked, what they answer, how fast, and what stands in their way.",
        (now, _answers(), _work(), _served()),
        (Variable("service", "Service", _REQUESTS),),
    )


def _answers() -> Row:
    every = f"sum by (service) (rate({_REQUESTS}{{{_NAMED}}}[{RATE}]))"
    failed = f'sum by (service) (rate({_REQUESTS}{{{_NAMED},status=~"5.."}}[{RATE}]))'
    refused = f'sum by (service) (rate({_REQUESTS}{{{_NAMED},status=~"4.."}}[{RATE}]))'
    return Row(
        "Answers",
        (
            lines(
                "Requests by status",
                "Answered requests a second, by HTTP status: 200 answered, 4xx refused for what was asked, 5xx failed.",
                (f"sum by (status) (rate({_REQUESTS}{{{_S}}}[{RATE}]))", "{{status}}"),
                unit="reqps",
            ),
            lines(
                "Share failed and refused",
                "Share of the requests that ended with 5xx (failed) or 4xx (refused).",
                (f"({failed} or 0 * {every}) / ({every} > 0)", "{{service}} failed"),
                (f"({refused} or 0 * {every}) / ({every} > 0)", "{{service}} refused"),
                unit="percentunit",
                least=0,
                alerts=("AffiantGatewayBurn",),
            ),
            lines(
                "Time to answer",
                "From a request's head to its answer, of answers with status 200: their record is durable by then.",
                *quantiles("affiant_request_seconds", _S, "service"),
                unit="s",
                least=0,
            ),
            lines(
                "Answers by package",
                "Predictions answered a second by each package: shows a canary's share, and a rollback.",
                (
                    f'sum by (service, digest) (rate({_REQUESTS}{{{_S},status="200",digest!=""}}[{RATE}]))',
                    "{{service}} {{digest}}",
                ),
                unit="reqps",
            ),
            lines(
                "Counted only",
                "Exchanges a second without a record of their own, by reason; a journal's signed entries count them.",
                (f"sum by (reason) (rate(affiant_counted_only_total[{RATE}]))", "{{reason}}"),
                unit="cps",
            ),
            lines(
                "Labels taken",
                "Outcomes a second that callers have told: each is durable before its answer leaves.",
                (f"sum by (service) (rate(affiant_labels_total{{{_S}}}[{RATE}]))", "{{service}}"),
                unit="cps",
            ),
        ),
    )


def _work() -> Row:
    return Row(
        "Work",
        (
            lines(
                "Rows predicted together",
                "Mean rows of a micro-batch: it grows with the load, and each row becomes cheaper.",
                (
                    (
                        f"sum by (instance) (rate(affiant_batch_rows_sum[{RATE}])) "
                        f"/ sum by (instance) (rate(affiant_batch_rows_count[{RATE}]))"
                    ),
                    "{{instance}}",
                ),
                unit="none",
                least=0,
            ),
            lines(
                "Journal append",
                "From giving a record to the journal until it is on the disk: what the audit costs an answer.",
                *quantiles("affiant_journal_append_seconds", "", "instance"),
                unit="s",
                least=0,
            ),
            lines(
                "Rare things",
                "Since a gateway's start: plans swapped, packages refused or not admitted, keys that failed.",
                ("sum by (instance, event) (affiant_events_total)", "{{instance}} {{event}}"),
                unit="none",
            ),
        ),
    )


def _served() -> Row:
    table = Panel(
        "What answers now",
        "The packages that are loaded, and their share of the answers; a shadow answers nobody.",
        (Query(f"max by (service, digest, slot, runtime, device, batching) (affiant_plan_weight{{{_S}}})"),),
        unit="none",
        kind="table",
        width=24,
    )
    return Row("What is served", (table,))
