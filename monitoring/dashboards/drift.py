"""Drift by feature: bounds, e-values and their limits, sample sizes, what is missing or was never seen."""

from __future__ import annotations

from monitoring import names
from monitoring.names import Name
from registry.policy.behaviour import DISTANCE, INDEX

from .form import RATE, Board, Ground, Panel, Query, Row, Step, Variable, lines, number
from .monitor import PACKAGE, PACKAGES, labels, monitor, of_package

_F = f'{PACKAGES},feature=~"$feature"'
_PAGES, _WARNS = ',severity="page"', ',severity="warn"'
_OF = "{{service}} {{digest}} {{slot}} {{feature}}"
_DRIFT = ("AffiantInputDrift", "AffiantScoreDrift")


def drift(ground: Ground) -> Board:
    """The dashboard."""
    variables = (
        Variable("service", "Service", names.KS_UPPER.name),
        Variable("digest", "Package", names.KS_UPPER.name),
        Variable("slot", "Slot", names.KS_UPPER.name),
        Variable("feature", "Feature", names.KS_UPPER.name),
    )
    return Board(
        "affiant-drift",
        "Affiant: drift by feature",
        "How far what is asked and answered is from the training data, feature by feature, with the bounds of what is "
        "known and the limits of the policy. Scores are features named score:OUTPUT.",
        (_now(), _distance(ground), _values(), monitor(ground), labels()),
        variables,
    )


def _f(name: Name, more: str = "") -> str:
    return f"{name.name}{{{_F}{more}}}"


def _now() -> Row:
    return Row(
        "Now",
        (
            number(
                "Pages",
                "Features and scores whose drift alarm pages now.",
                f"sum({_f(names.ALARM, _PAGES)})",
                unit="none",
                steps=(Step(1, "red"),),
                alerts=_DRIFT,
            ),
            number(
                "Warnings",
                "Features and scores whose drift alarm warns or pages now.",
                f"sum({_f(names.ALARM, _WARNS)})",
                unit="none",
                steps=(Step(1, "orange"),),
                alerts=_DRIFT,
            ),
            number(
                "Rows in the smallest window",
                "Rows that the figures of a package are computed of: with few, chance alone moves them.",
                f"min({of_package(names.WINDOW_ROWS)})",
                unit="none",
            ),
            number(
                "References too small",
                "Packages whose reference has too few rows for the policy's deltas: larger ones were taken.",
                f"sum({of_package(names.UNSUPPORTED)})",
                unit="none",
                steps=(Step(1, "orange"),),
                alerts=("AffiantReferenceSmall",),
            ),
            Panel(
                "References",
                "The reference that each package is compared with: its SHA-256 and its rows.",
                (
                    Query(
                        f"max by (service, digest, slot, rows, sha256) ({of_package(names.REFERENCE)})",
                        PACKAGE,
                    ),
                ),
                unit="none",
                kind="table",
                width=8,
            ),
            Panel(
                "Most drifted",
                "The twenty features whose KS distance is at least so large.",
                (Query(f"topk(20, max by (service, digest, slot, feature) ({_f(names.KS_LOWER)}))", _OF),),
                unit="none",
                kind="table",
                width=24,
                steps=(Step(DISTANCE, "red"),),
            ),
        ),
    )


def _limits(ground: Ground, metric: Name) -> tuple[tuple[str, str], ...]:
    """A line of each service at its policy's limit, where the service has figures."""
    services = {} if ground.policy is None else ground.policy.services
    found: list[tuple[str, str]] = []
    for service, section in sorted(services.items()):
        ks, psi = section.drift.ks, section.drift.psi
        limit = (
            (DISTANCE if ks is None else ks) if metric is names.KS_LOWER else (INDEX if psi is None else psi)
        )
        # A service's name is of a safe alphabet (registry.policy): no quote can end the string.
        chosen = f'{names.KS_LOWER.name}{{service="{service}",service=~"$service"}}'
        found.append((f"0 * max by (service) ({chosen}) + {limit:g}", "limit of {{service}}"))
    if not found:
        limit = DISTANCE if metric is names.KS_LOWER else INDEX
        found.append((f"0 * max({names.KS_LOWER.name}) + {limit:g}", "limit where the policy says none"))
    return tuple(found)


def _distance(ground: Ground) -> Row:
    return Row(
        "Distance from the reference",
        (
            lines(
                "KS distance",
                "Largest difference of the distribution functions of reference and window; the reference's bins leave "
                "it between two bounds. A page wants the lower one above the limit.",
                (_f(names.KS_LOWER), f"{_OF} at least"),
                (_f(names.KS_UPPER), f"{_OF} at most"),
                *_limits(ground, names.KS_LOWER),
                unit="none",
                least=0,
                width=12,
                alerts=_DRIFT,
            ),
            lines(
                "Evidence of drift",
                "Natural logarithm of the e-value, for warnings and for pages, and the limit from which it alarms: it "
                "may be looked at as often as one likes.",
                (_f(names.LOG_E), f"{_OF} {{{{severity}}}}"),
                (of_package(names.LOG_E_LIMIT), f"{PACKAGE} {{{{severity}}}} limit"),
                unit="none",
                width=12,
                alerts=_DRIFT,
            ),
            lines(
                "PSI less its expectation",
                "Population stability index less what chance alone gives with so many rows: near 0 without drift.",
                (_f(names.PSI_DEBIASED), _OF),
                *_limits(ground, names.PSI),
                unit="none",
                width=12,
            ),
            lines(
                "PSI as it is",
                "The population stability index as others compute it: with few rows chance alone makes it large.",
                (_f(names.PSI), _OF),
                unit="none",
                least=0,
                width=12,
            ),
            lines(
                "Alarms",
                "1 while a feature has alarmed; a page is a warning, too.",
                (_f(names.ALARM), f"{_OF} {{{{severity}}}}"),
                unit="none",
                least=0,
                width=12,
                alerts=_DRIFT,
            ),
            lines(
                "Design effect",
                "How much more panes differ than single rows would: at 4, four rows are worth one.",
                (_f(names.EFFECT), _OF),
                unit="none",
                least=0,
                width=12,
            ),
        ),
    )


def _values() -> Row:
    bucket, mean = f"{names.CONFIDENCE.name}_bucket", names.CONFIDENCE.name
    by = "service, digest, slot"
    positive, rows = (f"{each.name}_total{{{PACKAGES}}}" for each in (names.POSITIVE, names.ROWS))
    return Row(
        "Values and sample sizes",
        (
            lines(
                "Missing",
                "Share of missing values in the window.",
                (_f(names.MISSING), _OF),
                unit="percentunit",
                least=0,
            ),
            lines(
                "Out of range",
                "Share of values outside the reference's range: a changed unit is often seen here first.",
                (_f(names.OUTSIDE), _OF),
                unit="percentunit",
                least=0,
            ),
            lines(
                "Never seen",
                "Share of values that are no category of the reference.",
                (_f(names.UNSEEN), _OF),
                unit="percentunit",
                least=0,
            ),
            lines(
                "Features not shown",
                "Features whose figures are left out here, because as many as are shown have drifted further. Alarms "
                "are of all features, and `affiant drift status --all` has all figures.",
                (of_package(names.DRIFT_LEFT_OUT), PACKAGE),
                unit="none",
                least=0,
            ),
            lines(
                "Rows in the window",
                "Rows that the figures are computed of.",
                (of_package(names.WINDOW_ROWS), PACKAGE),
                unit="none",
                least=0,
            ),
            lines(
                "Length of the window",
                "From the window's first pane to its last, by the log's clock.",
                (of_package(names.WINDOW_SECONDS), PACKAGE),
                unit="s",
                least=0,
            ),
            lines(
                "Confidence of predictions",
                "Median and mean of the largest class probability, of all predictions so far.",
                (f"histogram_quantile(0.5, sum by (le, {by}) ({bucket}{{{PACKAGES}}}))", f"{PACKAGE} median"),
                (
                    f"sum by ({by}) ({mean}_sum{{{PACKAGES}}}) / sum by ({by}) ({mean}_count{{{PACKAGES}}})",
                    f"{PACKAGE} mean",
                ),
                unit="percentunit",
                least=0,
                most=1,
            ),
            lines(
                "Positive decisions",
                "Share of the rows that were decided positive, of models that decide between two classes.",
                (
                    f"rate({positive}[{RATE}]) / (rate({rows}[{RATE}]) > 0)",
                    PACKAGE,
                ),
                unit="percentunit",
                least=0,
                most=1,
            ),
        ),
    )
