"""Each guard of labels, from the gateway to the join, is taken out once, in a copy, and the tests must fail."""

# ruff: noqa: E501 — a check and what takes it out, on a line

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fault.mutation import Mutation, assert_caught, copy_code, params, run

pytestmark = [pytest.mark.fault, pytest.mark.timeout(400)]

SAID = "tests/unit/audit/test_labels.py"
GATEWAY = "tests/integration/test_labels.py"
IMPORT = "tests/integration/test_label_import.py"
JOIN = "tests/unit/monitoring/labels/test_join.py"
FIGURES = "tests/unit/monitoring/labels/test_performance.py"
FOLLOW = "tests/unit/monitoring/labels/test_follow.py"
LOOK = "tests/unit/monitoring/labels/test_look.py"
GROUPS = "tests/unit/monitoring/test_groups.py"
COPIED = (
    "audit", "cli", "service", "registry", "monitoring", "examples/credit/german_credit.csv", "tests/__init__.py",
    "tests/conftest.py", "tests/components", "tests/fault/__init__.py", SAID, GATEWAY, IMPORT, "tests/unit/monitoring/labels", GROUPS,
)  # fmt: skip


def check(name: str, file: str, old: str, new: str, tests: str, *, short: bool = False) -> Mutation:
    return Mutation(name, f"{file}.py", old, new, tests, short=short)


MUTATIONS = (
    # ---------------------------------------------------------------- what is a label
    check("a label from the future", "audit/labels", "    if known is not None and known > now + _SKEW:", "    if False:", SAID),
    check("the payload's digest", "audit/labels", "    if not payload_holds(record):", "    if False:", SAID),
    check("a request id that looks like a record", "audit/labels",
          '    return said.target if said.by == "record" else REQUEST + said.target', "    return said.target", SAID),
    # ---------------------------------------------------------------- the gateway
    check("the wait for the disk", "service/labels", "        return list(await asyncio.gather(*pending))",
          '        return ["x"] * len(pending)', f"{GATEWAY} -k before_it_is_durable", short=True),
    check("the key", "service/labels", "        call.caller = gate.keys.authenticate(call.headers, scope)", "        pass", GATEWAY),
    check("too many", "service/labels", "    if not 1 <= len(given) <= MAX_LABELS:", "    if False:", GATEWAY),
    check("members that nobody knows", "service/labels", "        if name not in MEMBERS:", "        if False:", GATEWAY),
    check("a service that is not there", "service/labels", "    if call.route.plan is None:", "    if False:", GATEWAY),
    check("a label is no exchange", "service/labels", "        gate.metrics.labelled(service, len(said))",
          '        gate.metrics.answered(service, "", 200, 0.0)', GATEWAY),
    # ---------------------------------------------------------------- the import
    check("a file with wrong rows", "cli/label_import", "        if wrong:\n            raise typer.Exit(WRONG)\n        return\n",
          "        pass\n", IMPORT),
    check("a journal at its bound", "audit/label_import", "            except JournalFull as error:",
          "            except ZeroDivisionError as error:", IMPORT),
    # ---------------------------------------------------------------- the join
    check("the newest label", "monitoring/labels/said", "            if known >= holds:", "            if False:", JOIN),
    check("known before logged", "monitoring/labels/matched", "np.lexsort((rank, logged, known))", "np.lexsort((rank, known, logged))", JOIN),
    check("another service", "monitoring/labels/join", '        if label.service not in ("", self.service):', "        if False:", JOIN),
    check("rows that are not there", "monitoring/labels/join", "    fits = (row >= 0) & (row < rows)", "    fits = row < rows", JOIN),
    check("an answer that is said again", "monitoring/labels/kept",
          "        first = np.concatenate(([True], record[1:] != record[:-1]))", "        first = np.ones(len(record), bool)", JOIN),
    check("a clock that is ahead", "monitoring/labels/kept", " & (time <= now + _AHEAD)", "", JOIN),
    check("shadows of a record", "monitoring/labels/matched", "            self.located[wanted[found]] = True", "            pass", JOIN),
    check("who serves no more", "monitoring/labels/join", "            if self._serves(package):", "            if True:", JOIN),
    check("packages without an answer left", "monitoring/labels/join", "            self._let_go(package)", "            pass", JOIN),
    check("too many that serve no more", "monitoring/labels/join", "            if total > self.most_requests:", "            if False:", JOIN),
    check("time that goes on", "monitoring/labels/kept", "            return self._aged(now - self.window)", "            return self._parts[0]", JOIN),
    check("labels of what is let go of", "monitoring/labels/said", "            del self._labels[target]\n        self._thin()", "            pass\n        self._thin()", JOIN),
    check("a client's id of what serves no more", "monitoring/labels/join", "                labels.of_package(each)", "                pass", JOIN),
    check("a class that is none", "monitoring/labels/join", "    labels.read[holds[at][~np.isnan(truth[at])]] = True", "    labels.read[holds[at]] = True", JOIN),
    # ---------------------------------------------------------------- figures
    check("pairs", "monitoring/labels/performance", "    influence = after.influence - before.influence",
          "    influence = np.hypot(after.influence, before.influence)", FIGURES),
    check("an AUC of few rows", "monitoring/labels/performance", "    if found.low < found.high or each.most == np.inf:",
          "    if True:", FIGURES),
    check("small groups", "monitoring/groups", "    judged = [(rate, name) for rate, name in rates if rate.rows >= minimum]",
          "    judged = [(rate, name) for rate, name in rates if rate.rows]", GROUPS),
    check("no positive row", "monitoring/labels/metrics", '    if "recall" in found and (f1', "    if (f1", FIGURES),
    check("edges that do not rise", "monitoring/groups",
          '    return "" if all(low < high for low, high in pairwise((-math.inf, *edges))) else FALLING', '    return ""', GROUPS),
    check("values of a category that are too many", "monitoring/groups", " else MANY if len(feature.categories) > MOST_VALUES else", " else", GROUPS),
    # ---------------------------------------------------------------- what the monitor says
    check("what a look runs", "monitoring/labels/follow", " and not self._preparing.is_alive()", "", FOLLOW),
    check("all was read once", "monitoring/labels/follow", "        ready = self.whole and not", "        ready = not", FOLLOW),
    check("every partition's turn", "monitoring/labels/follow", "            self._turn.rotate(-1)", "            pass", FOLLOW),
    check("where the window begins", "monitoring/labels/follow", "                low = middle", "                high = middle", FOLLOW),
    check("what is no time", "monitoring/labels/reading", "    return logged.timestamp if logged.timestamp <= _LATEST_MS else 0",
          "    return logged.timestamp", FOLLOW),
    check("a log time far ahead", "monitoring/labels/reading", "min(now, max(times, default=0))", "max(times, default=0)", f"{FOLLOW} -k far_ahead"),
    check("an answer's log time far ahead", "monitoring/labels/reading",
          "        min(now, max(_time(entries[at]) for at in places.tolist())),", "        max(_time(entries[at]) for at in places.tolist()),", f"{FOLLOW} -k far_ahead"),
    check("the time of what is no entry", "monitoring/labels/reading", " if at not in heads.unreadable)", ")", f"{FOLLOW} -k far_ahead"),
    check("a label of days from now", "monitoring/labels/reading", "        if label.known_ns > now * 1_000_000 + _AHEAD:", "        if False:", FOLLOW),
    check("coverage of what is not kept", "monitoring/labels/look", "    if hours * 3600 <= window:", "    if True:", FOLLOW),
    check("who was not asked about", "monitoring/labels/reading", "            if service in self._policies and digest", "            if digest", FOLLOW),
    check("bad luck", "monitoring/labels/look", "(minimum is not None and interval.high < minimum)", "(minimum is not None and value < minimum)", FOLLOW),
    check("which way is worse", "monitoring/labels/look", "    return _broken(value, interval, -by, None)", "    return _broken(value, interval, by, None)", LOOK),
    check("which metrics are better when they are less", "monitoring/labels/look", "    if metric in LOWER_IS_BETTER:", "    if False:", LOOK),
    check("looking with every label", "monitoring/labels/look", "        return at_all_times(policy.confidence, rows, policy.minimum_labels)",
          "        return policy.confidence", LOOK),
    check("ends of so few resamples", "monitoring/intervals", "    if RESAMPLES * (1 - confidence) / 2 < FEWEST_BEYOND:",
          "    if False:", FIGURES),
    check("a distance that chance makes larger", "monitoring/intervals", "        return Interval(min(value, less) - half, max(value, less) + half)",
          "        return Interval(float(np.mean(found)) - half, max(value, less) + half)", FIGURES),
    check("a distance below 0", "monitoring/labels/performance", "Interval(max(0.0, low), min(1.0, high))", "Interval(low, min(1.0, high))", FIGURES),
    check("a distance above 1", "monitoring/labels/performance", "Interval(max(0.0, low), min(1.0, high))", "Interval(max(0.0, low), high)", FIGURES),
    check("rows of the cohort alone", "monitoring/labels/look", "        rows = rows[(joined.time[rows] >= cohort.start) & (joined.time[rows] < cohort.end)]\n", "", LOOK),
    check("who came first", "monitoring/labels/look", "    shadows = [each for each in others if serving[each] <= serving[package]]",
          "    shadows = others", FOLLOW),
    check("labels enough", "monitoring/labels/look", "if each.labelled >= policy.minimum_labels]", "if True]", FOLLOW),
    check("a cohort's age", "monitoring/labels/look", "if each.end + after <= now]", "if True]", FOLLOW),
    # ---------------------------------------------------------------- shown to people
    check("how many groups are shown", "monitoring/labels/export", "    return ranked[:MOST_GROUPS]", "    return ranked", f"{FOLLOW} -k many_groups"),
    check("groups that differ", "monitoring/labels/export", "group.name not in apart, ", "", f"{FOLLOW} -k many_groups"),
    check("differences by chance", "monitoring/labels/export", " if gap.least > 0 for name", " for name", f"{FOLLOW} -k many_groups"),
    check("a change that came", "monitoring/labels/export", "    if found.concept.newest is not None:", "    if False:", f"{FOLLOW} -k exports"),
    check("pairs share the level", "monitoring/groups", "    shared = 1 - (1 - confidence) / pairs", "    shared = confidence", GROUPS),
    check("what is shown of a difference", "monitoring/groups", "float((high - low - down).max())", "float((high - low).max())", GROUPS),
    check("what is shown of a ratio", "monitoring/groups", "float(((low * high + root) / bottom).min())", "float((low / high).min())", GROUPS),
    check("the near end alarms", "monitoring/labels/export", "            add(names.GROUP_GAP_LEAST, of_rate, gap.least)",
          "            add(names.GROUP_GAP_LEAST, of_rate, gap.value)", f"{FOLLOW} -k groups"),
    check("differences of groups", "monitoring/labels/export", "        for rate, gap in judged.gaps.items():",
          "        for rate, gap in ():", f"{FOLLOW} -k groups"),
    check("why nobody looks", "monitoring/labels/export", "    for attribute, why in found.unlooked.items():",
          "    for attribute, why in ():", f"{FOLLOW} -k nobody_looks"),
)  # fmt: skip


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of what the tests of labels need."""
    copied = copy_code(tmp_path, COPIED)
    ini = (copied / "pytest.ini").read_text()
    (copied / "pytest.ini").write_text(f"{ini}    oci: as in the project\n    cuda: as in the project\n")
    return copied


@pytest.mark.long
@pytest.mark.parametrize("tests", sorted({mutation.tests for mutation in MUTATIONS}))
def test_without_a_mutation_the_tests_pass(copy: Path, tests: str) -> None:
    """Else the failures below would show nothing."""
    done = run(copy, tests)
    assert done.returncode == 0, done.stdout[-3000:]


@pytest.mark.parametrize("mutation", params(MUTATIONS))
def test_the_tests_fail_without(copy: Path, mutation: Mutation) -> None:
    """One guard less, one failing test at least."""
    assert_caught(copy, mutation)
