"""Rows of the drift dashboard: the monitor's own work, late labels, groups."""

from __future__ import annotations

from monitoring import names
from monitoring.names import Name

from .form import RATE, Ground, Row, Step, above, lines, number

PACKAGES = 'service=~"$service",digest=~"$digest",slot=~"$slot"'
"""The packages that the reader has chosen."""
PACKAGE = "{{service}} {{digest}} {{slot}}"


def of_package(name: Name) -> str:
    """A metric of the chosen packages."""
    return f"{name.name}{{{PACKAGES}}}"


def monitor(ground: Ground) -> Row:
    """The monitor's own work."""
    limits = ground.limits
    return Row(
        "Monitor",
        (
            number(
                "Monitors that judge",
                "Exactly one should: with none nobody sees drift.",
                f"sum({names.LEADER.name})",
                unit="none",
                base="red",
                steps=(Step(1, "green"), Step(2, "orange")),
                alerts=("AffiantNoMonitor", "AffiantTwoMonitors"),
            ),
            number(
                "Panes judged late",
                "Panes that were judged after younger ones, since the monitor's start.",
                f"sum({names.LATE.name}_total)",
                unit="none",
                steps=(Step(1, "orange"),),
                alerts=("AffiantMonitorLate",),
            ),
            lines(
                "Age of what was counted",
                "Age of the newest record that was counted, while there are newer ones; else 0.",
                (names.READ_SECONDS.name, "partition {{partition}}"),
                unit="s",
                least=0,
                steps=above(limits.monitor_seconds_warn, limits.monitor_seconds_page),
                alerts=("AffiantMonitorBehind",),
            ),
            lines(
                "Records not counted yet",
                "Records of the log that the monitor has not counted.",
                (names.LAG.name, "partition {{partition}}"),
                unit="none",
                least=0,
            ),
            lines(
                "Panes that wait to be judged",
                "Counted and not judged yet, by partition: a few, while one partition waits for the others' times.",
                (names.WAITING.name, "partition {{partition}}"),
                unit="none",
                least=0,
            ),
            lines(
                "How long judging has stood",
                "How long the next pane of a partition has been the next one: judging that goes on keeps it near 0.",
                (names.WAITING_SECONDS.name, "partition {{partition}}"),
                unit="s",
                least=0,
                steps=above(limits.monitor_seconds_warn, limits.monitor_seconds_page),
                alerts=("AffiantJudgeWaits",),
            ),
            lines(
                "Since the last round",
                "Since each monitor last came round; it counts and judges several times a second.",
                (names.ROUND_SECONDS.name, "{{instance}}"),
                unit="s",
                least=0,
                steps=above(limits.monitor_seconds_warn, limits.monitor_seconds_page),
                alerts=("AffiantMonitorStalled",),
            ),
            lines(
                "Panes missed",
                "Panes that were kept no more when it was their turn, since this monitor leads: no figure has them.",
                (f"sum({names.MISSED.name}_total)", "missed"),
                unit="none",
                least=0,
                alerts=("AffiantPanesMissed",),
            ),
            lines(
                "Position in the log",
                "The next offset that is read.",
                (names.POSITION.name, "partition {{partition}}"),
                unit="none",
            ),
            lines(
                "Rows counted",
                "Rows counted so far, by package.",
                (f"{names.ROWS.name}_total{{{PACKAGES}}}", PACKAGE),
                unit="none",
            ),
            lines(
                "Panes judged",
                "Checks so far, by package: what the policy's rate of false alarms is counted in.",
                (f"{names.CHECKS.name}_total{{{PACKAGES}}}", PACKAGE),
                unit="none",
            ),
            lines(
                "Records that could not be counted",
                "By reason: poisoned or unknown records are counted here, and stop nothing.",
                (f"sum by (reason) ({names.UNREADABLE.name}_total)", "{{reason}}"),
                unit="none",
                alerts=("AffiantMonitorUnreadable",),
            ),
            lines(
                "Requests by objective",
                "Requests a second that objectives look at, as the monitor reads them from the log.",
                (
                    f"sum by (service, objective) (rate({names.SLO_ALL.name}_total[{RATE}]))",
                    "{{service}} {{objective}}",
                ),
                unit="reqps",
            ),
        ),
    )


def labels() -> Row:
    """What labels say, and how groups fare."""
    return Row(
        "Labels and groups",
        (
            lines(
                "Performance",
                "A metric of the newest cohort that has labels: its value, and the bounds of what is known.",
                (of_package(names.METRIC), f"{PACKAGE} {{{{metric}}}} {{{{bound}}}}"),
                unit="none",
                alerts=("AffiantPerformance",),
            ),
            lines(
                "Performance alarms",
                "1 while a metric breaks the policy's limit.",
                (of_package(names.PERFORMANCE_ALARM), f"{PACKAGE} {{{{metric}}}} {{{{severity}}}}"),
                unit="none",
                least=0,
                alerts=("AffiantPerformance",),
            ),
            lines(
                "Labels that came",
                "Share of the newest judged cohort that has labels.",
                (of_package(names.LABEL_COVERAGE), PACKAGE),
                unit="percentunit",
                least=0,
                most=1,
                alerts=("AffiantLabelsLate",),
            ),
            lines(
                "Delay of labels",
                "From prediction to label, by quantile.",
                (of_package(names.LABEL_DELAY), f"{PACKAGE} {{{{quantile}}}}"),
                unit="s",
                least=0,
            ),
            lines(
                "Labels in no figure",
                "By reason: waiting for an answer that was not met, of a row or a class that there is not, said again, "
                "too many, encrypted without a key, or none at all.",
                (f'{names.LABELS_UNMATCHED.name}{{service=~"$service|"}}', "{{service}} {{reason}}"),
                unit="none",
                least=0,
                alerts=("AffiantLabelsLate",),
            ),
            lines(
                "Labels come too late to be looked at",
                "1 where answers are let go of before the policy's coverage is judged: late labels alarm nobody.",
                (f'{names.LABELS_SHORT.name}{{service=~"$service"}}', "{{service}}"),
                unit="none",
                least=0,
                alerts=("AffiantLabelsNotKept",),
            ),
            lines(
                "Mean loss",
                "Of the newest labelled rows: before its newest change, and since; without a change, of all of them.",
                (of_package(names.LOSS), f"{PACKAGE} {{{{window}}}}"),
                unit="none",
                least=0,
            ),
            lines(
                "Changes of the loss",
                "How often the mean loss changed among the newest labelled rows: a hint for people.",
                (of_package(names.LOSS_CHANGES), PACKAGE),
                unit="none",
                least=0,
            ),
            lines(
                "Records not read for labels",
                "Of the log's second reading, by partition: what labels say is known once it reached the end.",
                (names.LABEL_UNREAD.name, "partition {{partition}}"),
                unit="none",
                least=0,
            ),
            lines(
                "Time spent on labels",
                "Share of the monitor's time that goes to reading for labels, and to what they say.",
                (f"rate({names.LABEL_READING.name}_total[{RATE}])", "{{instance}}"),
                unit="percentunit",
                least=0,
            ),
            lines(
                "Rates of groups that differ most",
                "Largest difference between two groups: of favourable decisions, and of right and wrong ones. What is "
                "shown of it, chance left out, is what alarms.",
                (of_package(names.GROUP_GAP), f"{PACKAGE} {{{{attribute}}}} {{{{rate}}}}"),
                (of_package(names.GROUP_GAP_LEAST), f"{PACKAGE} {{{{attribute}}}} {{{{rate}}}}, shown"),
                unit="percentunit",
                least=0,
                alerts=("AffiantGroupsDiffer",),
            ),
            lines(
                "Ratio of groups that differ most",
                "What the ratio of two groups' rates is at most, chance left out; 1: none is shown to differ.",
                (of_package(names.GROUP_RATIO_MOST), f"{PACKAGE} {{{{attribute}}}} {{{{rate}}}}"),
                unit="percentunit",
                least=0,
                most=1,
                alerts=("AffiantGroupsDiffer",),
            ),
            lines(
                "Favourable decisions by group",
                "Share of favourable decisions of each group of the policy's attributes.",
                (of_package(names.GROUP_RATE), f"{PACKAGE} {{{{attribute}}}} {{{{group}}}}"),
                unit="percentunit",
                least=0,
                most=1,
                alerts=("AffiantGroupsDiffer",),
            ),
            lines(
                "Decisions by group",
                "Decisions in the window, by group: small groups are shown, and not judged.",
                (of_package(names.GROUP_ROWS), f"{PACKAGE} {{{{attribute}}}} {{{{group}}}}"),
                unit="none",
                least=0,
            ),
            lines(
                "Groups not shown",
                "Groups that are left out here, because others have more decisions. Differences are of all groups.",
                (of_package(names.GROUP_LEFT_OUT), f"{PACKAGE} {{{{attribute}}}}"),
                unit="none",
                least=0,
            ),
            lines(
                "Attributes that nobody looks at",
                "1 for each attribute of the policy by which decisions are not looked at, and why not.",
                (of_package(names.GROUP_UNLOOKED), f"{PACKAGE} {{{{attribute}}}}: {{{{reason}}}}"),
                unit="none",
                least=0,
                alerts=("AffiantGroupUnlooked",),
            ),
        ),
    )
