"""What alerts are made by, taken out of a copy one by one: a test fails without each."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fault.mutation import Mutation, assert_caught, params, run

pytestmark = pytest.mark.fault

LIMITS, SLOS, PATH = "monitoring/alerts/limits.py", "monitoring/alerts/slos.py", "monitoring/alerts/path.py"
EVALUATE, STANDING, OUTBOX = (f"monitoring/alerts/{name}.py" for name in ("evaluate", "standing", "outbox"))
ON = "tests/unit/monitoring/alerts"
CASES, TOLD, NAMED = f"{ON}/test_cases.py", f"{ON}/test_outbox.py", f"{ON}/test_names.py"
SCOPE, SCOPED = "monitoring/alerts/scope.py", f"{ON}/test_scope.py"
COMMAND, EXPORTED, BUDGETS = (
    "tests/unit/cli/test_alerts.py",
    "tests/unit/monitoring/test_exporter.py",
    "tests/unit/monitoring/test_slo.py",
)
TOLD_OF, ALONE = "tests/unit/cli/test_monitor_alerts.py", f"{ON}/test_embedded.py"
EMBEDDED, MONITOR = "monitoring/alerts/embedded.py", "cli/monitor_alerts.py"
COPIED = (
    "audit", "registry", "monitoring", "service", "cli", "tests/__init__.py", "tests/components", ON, COMMAND, EXPORTED,
    BUDGETS, "tests/unit/monitoring/conftest.py", TOLD_OF, "tests/unit/monitoring/controller",
)  # fmt: skip

MUTATIONS = (
    Mutation(
        "the gateway's name for its requests",
        SLOS,
        '"affiant_requests_total"',
        '"affiant_request_total"',
        NAMED,
    ),
    Mutation("the gateway's label of a status", SLOS, 'Match("status", "=~"', 'Match("code", "=~"', NAMED),
    Mutation("a bucket as it is written", SLOS, "str(float(bound))", 'f"{bound:.3e}"', NAMED),
    Mutation(
        "what wakes people is worse than what warns them",
        LIMITS,
        "            if (page >= warn) if what in _LEFT else (page <= warn):\n",
        "            if False:\n",
        COMMAND,
    ),
    Mutation(
        "what is left is worse when it is less",
        LIMITS,
        '_LEFT: Final = ("hours_to_full", "expiry_days")\n',
        "_LEFT: Final[tuple[str, ...]] = ()\n",
        COMMAND,
    ),
    Mutation(
        "the limits of the settings, for rules",
        LIMITS,
        "    return limits(given, configured_limits(load(path)))\n",
        "    return limits(given)\n",
        COMMAND,
    ),
    Mutation(
        "a certificate of the controller that was renewed",
        MONITOR,
        "poster(address, token=token, tls=tls)",
        "poster(address, token=token, tls=lambda first=tls(): first)",
        TOLD_OF,
    ),
    Mutation(
        "a controller that shows the certificate of before",
        MONITOR,
        "poster(address, token=token, tls=tls)",
        "poster(address, token=token, tls=lambda: client_tls(config, controller))",
        TOLD_OF,
    ),
    Mutation(
        "a file that was changed",
        "audit/renewed.py",
        "            if seen == self._good:",
        "            if True:",
        TOLD_OF,
    ),
    Mutation(
        "where people are now",
        MONITOR,
        'Followed("affiant.alerts", "[monitor] people_webhook_file", file, address)',
        "address()",
        TOLD_OF,
    ),
    Mutation(
        "the limits of the settings, for the monitor",
        "cli/monitor_alerts.py",
        "groups_of(policy, self._limits)",
        "groups_of(policy)",
        COMMAND,
    ),
    Mutation(
        "a warning that asks for no action",
        SLOS,
        'action if whose and rate.severity == "page" else {},',
        "action if whose else {},",
        CASES,
    ),
    Mutation(
        "what failed names no package",
        SLOS,
        'action if whose and rate.severity == "page" else {},',
        'action if rate.severity == "page" else {},',
        CASES,
    ),
    Mutation("a shadow's answers", SLOS, '"live|canary"', '".*"', CASES),
    Mutation(
        "whose answers they are",
        "monitoring/exporter.py",
        "                (short(of.digest), of.slot),\n",
        '                ("", of.slot),\n',
        EXPORTED,
    ),
    Mutation(
        "how many features have figures",
        "monitoring/exporter.py",
        "    return ranked[:MOST_COLUMNS]\n",
        "    return ranked\n",
        EXPORTED,
    ),
    Mutation(
        "calm features in their order",
        "monitoring/exporter.py",
        "-(each.ks_lower // ALIKE)",
        "-each.ks_lower",
        EXPORTED,
    ),
    Mutation(
        "an alarm of a feature without figures",
        "monitoring/exporter.py",
        "if stands or each.name in there:",
        "if each.name in there:",
        EXPORTED,
        short=True,
    ),
    Mutation(
        "a budget that cannot be spent so fast",
        "monitoring/slo.py",
        "    return min(factor * budget, (1 + budget) / 2)\n",
        "    return factor * budget\n",
        BUDGETS,
    ),
    Mutation(
        "figures of one installation alone",
        SCOPE,
        "        figures=tuple(_narrowed(each, matches) for each in rule.figures),\n",
        "",
        SCOPED,
    ),
    Mutation(
        "rules of one installation alone",
        SCOPE,
        "matches=(*matches, *each.matches)",
        "matches=each.matches",
        SCOPED,
    ),
    Mutation("labels that rules use themselves", SCOPE, " & {*_used(groups)}", " & set()", SCOPED),
    Mutation(
        "the controller of one installation alone",
        "monitoring/alerts/routes.py",
        """, *(f'{each.label}="{each.value}"' for each in of)],""",
        "],",
        COMMAND,
    ),
    Mutation("what is no refusal", PATH, '"refuse|dry_run"', '"refuse|dry_run|pass"', CASES),
    Mutation("the short window", EVALUATE, "        and short.get(key, -math.inf) > burn.limit\n", "", CASES),
    Mutation("a few bad ones", EVALUATE, "        and bad.get(key, -math.inf) >= burn.minimum\n", "", CASES),
    Mutation(
        "another monitor that takes over", STANDING, "if now - active.left < rule.keep:", "if False:", CASES
    ),
    Mutation("a condition that has to last", STANDING, " and now - active.since >= rule.wait", "", CASES),
    Mutation(
        "an end of which nobody knew the beginning",
        OUTBOX,
        "        if alert.ends is not None and kept.told is None:\n",
        "        if False:\n",
        TOLD,
    ),
    Mutation(
        "what the controller may not act on, for people",
        OUTBOX,
        "return cls(wanted=_everything,",
        "return cls(wanted=for_controller,",
        TOLD_OF,
        short=True,
    ),
    Mutation("a warning beside its page", OUTBOX, "_thing(alert) not in muted", "True", TOLD),
    Mutation("what is seldom", OUTBOX, "repeat if seldom is None else seldom", "repeat", TOLD),
    Mutation(
        "the record's way without a policy",
        MONITOR,
        "all_of = path_groups(self._limits) if policy is None or not leads",
        "all_of = () if policy is None",
        TOLD_OF,
    ),
    Mutation(
        "what is not read here",
        MONITOR,
        "        without = self._unread if leads",
        "        without = frozenset() if leads",
        TOLD_OF,
    ),
    Mutation(
        "a file that nobody has written yet",
        "monitoring/alerts/written.py",
        "        except FileNotFoundError:\n            return []\n",
        "        except NotADirectoryError:\n            return []\n",
        TOLD_OF,
    ),
    Mutation(
        "a job that is there",
        EVALUATE,
        "if key not in there}",
        "}",
        CASES,
    ),
    Mutation(
        "a controller that is ready, where the policy counts on one",
        "monitoring/alerts/rules.py",
        "path_groups(limits, rolls_back=rolls_back)",
        "path_groups(limits)",
        CASES,
    ),
    Mutation("one that judges", MONITOR, "self._alone or self._monitor.leads", "True", TOLD_OF),
    Mutation(
        "an alert that another monitor goes on with",
        MONITOR,
        "self._embedded.leave if lost else self._embedded.follow",
        "self._embedded.follow",
        TOLD_OF,
    ),
    Mutation(
        "whose metrics they are",
        MONITOR,
        "        found = ssl.create_default_context(cafile=certificate)\n",
        "        found = ssl._create_unverified_context()\n",
        TOLD_OF,
    ),
    Mutation(
        "metrics of who shows the certificate of before",
        MONITOR,
        "        return kept[0]()\n",
        "        return made()\n",
        TOLD_OF,
    ),
    Mutation(
        "a page through a proxy, or where it is sent",
        EMBEDDED,
        "    plain = direct()\n",
        "    plain = urllib.request.build_opener()\n",
        ALONE,
    ),
    Mutation(
        "what is not told as ended",
        EMBEDDED,
        "            sender.forget(left)\n",
        "            sender.tell(left)\n",
        ALONE,
    ),
    Mutation(
        "what fires, in the log",
        EMBEDDED,
        "            elif known.get(frozenset(alert.labels.items())) != alert.starts:\n",
        "            elif False:\n",
        ALONE,
    ),
    Mutation(
        "whom a stranger's text calls",
        "monitoring/alerts/chat.py",
        "    found = escape(printable(text",
        "    found = str(printable(text",
        f"{ON}/test_chat.py",
        also=("[:_MOST], quote=False)", "[:_MOST])"),
    ),
)


@pytest.mark.long
def test_without_a_mutation_the_tests_pass(copy: Path) -> None:
    """Else the failures below would show nothing."""
    done = run(copy, f"{ON} {COMMAND} {EXPORTED} {BUDGETS}")
    assert done.returncode == 0, done.stdout[-3000:]


@pytest.mark.parametrize("mutation", params(MUTATIONS))
def test_the_tests_fail_without(copy: Path, mutation: Mutation) -> None:
    """One guard less, one failing test at least."""
    assert_caught(copy, mutation)
