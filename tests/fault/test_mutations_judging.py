"""The judging monitor and rollouts: each rule taken out of a copy, and a test fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fault.mutation import Mutation, assert_caught, params, run

pytestmark = pytest.mark.fault

AGAIN = "monitoring/judging/again.py"
REPORT, ON_REPORT = "cli/drift_report.py", "tests/integration/test_drift_report.py"
COLUMNS, ON_COLUMNS = "monitoring/columns.py", "tests/unit/monitoring/test_columns.py"
JUDGING = "monitoring/judging/judging.py"
AGGREGATE = "monitoring/leading/aggregate.py"
LIFE = "monitoring/leading/life.py"
STATE = "monitoring/leading/state.py"
ORDER = "monitoring/order.py"
INSIDE = "monitoring/inside.py"
COMPARE = "monitoring/rollout/compare.py"
MOVER = "monitoring/rollout/mover.py"
REVIEW = "monitoring/rollout/review.py"
TOLD = "monitoring/rollout/told.py"
QUESTIONS = "monitoring/rollout/questions.py"
SERVED = "monitoring/judging/served.py"
PAGES = "monitoring/pages.py"
ASKING = "monitoring/asking.py"
MEMBERS = "monitoring/members.py"
LEAD = "monitoring/lead.py"
GOVERNED = "monitoring/governed.py"
TAKEOVER = "monitoring/takeover.py"
FEED = "monitoring/store/feed.py"

ON_JUDGING = "tests/unit/monitoring/judging"
ON_LEADING = "tests/unit/monitoring/leading"
ON_MONITOR = "tests/unit/monitoring/test_monitor.py"
ON_ORDER = "tests/unit/monitoring/test_order.py tests/property/test_order.py"
ON_TAKEOVER = "tests/property/test_takeover.py"
ON_BEGINNING = "tests/unit/monitoring/test_takeover.py"
ON_FEED = "tests/unit/monitoring/test_feed.py"
ON_ASKING = "tests/unit/monitoring/test_asking.py"
ON_COMPARE = "tests/unit/monitoring/rollout/test_compare.py"
ON_OBJECTIVES = f"{ON_COMPARE} -k objective"
ON_SCORES = "tests/unit/monitoring/rollout/test_scores.py"
ON_MOVER = "tests/unit/monitoring/rollout/test_mover.py"
ON_PROCESSES = "tests/integration/test_rollout.py"
ON_GIVEN_UP = f"{ON_PROCESSES} -k given_up"
ON_GOVERNED = "tests/unit/monitoring/test_governed.py"
ON_INSIDE = "tests/unit/monitoring/test_inside.py"

COPIED = (
    "audit",
    "cli",
    "monitoring",
    "registry",
    "service",
    "tests/__init__.py",
    "tests/components",
    ON_PROCESSES,
    ON_REPORT,
    "tests/property/test_order.py",
    "tests/property/test_takeover.py",
    "tests/unit/monitoring",
)

MUTATIONS = (
    Mutation(
        "the policy that a rollback was decided by",
        REPORT,
        "    then.take(entries[: min(because.governance_end, found.offset)])\n",
        "    then.take(entries)\n",
        ON_REPORT,
    ),
    Mutation(
        "another policy than the event names",
        REPORT,
        "    if judged.policy != evidence.policy:\n",
        "    if False:\n",
        ON_REPORT,
    ),
    Mutation(
        "when a page was made first",
        REPORT,
        "    return _Found(kept.evidence, judged, source, kept.made,",
        '    return _Found(kept.evidence, judged, source, "Made now",',
        ON_REPORT,
    ),
    Mutation(
        "a page's own policy",
        REPORT,
        "    while found is not None and found.digest != digest:\n",
        "    while False:\n",
        ON_REPORT,
    ),
    Mutation(
        "a feature that is called like a score",
        COLUMNS,
        "    return FEATURE + name if _TAKEN.match(name) else name\n",
        "    return name\n",
        ON_COLUMNS,
    ),
    Mutation("two features of one name", COLUMNS, 'f"(?:{FEATURE})*{SCORE}"', "SCORE", ON_COLUMNS),
    Mutation("a plan that was changed", GOVERNED, "        self._follow_plans()\n", "", ON_GOVERNED),
    Mutation(
        "what the plan of before named",
        GOVERNED,
        "self._planned |= _named_by",
        "self._planned = _named_by",
        ON_GOVERNED,
    ),
    Mutation(
        "the operator's policy that was changed",
        GOVERNED,
        "self._policy_now(), _since",
        "self.policy, _since",
        ON_GOVERNED,
    ),
    Mutation(
        "panes of a takeover that failed",
        TAKEOVER,
        "            self._waits.failed(ALL, str(error))\n",
        "            self._waits.failed(ALL, str(error))\n            self._kept = {}\n",
        ON_BEGINNING,
    ),
    Mutation(
        "all panes of a takeover that waits",
        TAKEOVER,
        "            for number in sorted(kept)[:-KEEP]:\n",
        "            for number in ():\n",
        ON_BEGINNING,
    ),
    Mutation(
        "the newest of them",
        TAKEOVER,
        "            for number in sorted(kept)[:-KEEP]:\n",
        "            for number in list(kept)[:-KEEP]:\n",
        ON_BEGINNING,
    ),
    Mutation(
        "what was polled before an error", FEED, "        if not self._read:\n", "        if True:\n", ON_FEED
    ),
    Mutation(
        "positions before panes are kept",
        FEED,
        "        found, self._read = self._read, []\n",
        "        found = self._read\n",
        ON_FEED,
    ),
    Mutation("a feed that begins anew", FEED, "        self._read = []\n", "", ON_FEED),
    Mutation(
        "takeovers without a pause", TAKEOVER, "if not self._waits.over(ALL):", "if False:", ON_BEGINNING
    ),
    Mutation(
        "a feed an attempt",
        TAKEOVER,
        "self._feed or self._feed_of(topic)",
        "self._feed_of(topic)",
        ON_BEGINNING,
    ),
    Mutation(
        "panes of the log before",
        TAKEOVER,
        "                self._take(feed, 0.0)",
        "                pass",
        ON_BEGINNING,
    ),
    Mutation(
        "a feed that nobody led with",
        "monitoring/monitor.py",
        "        self._takeover.close()\n",
        "",
        ON_BEGINNING,
    ),
    Mutation(
        "a bin that an end cuts",
        INSIDE,
        "inside = (column.edges >= low) & begins",
        "inside = begins",
        ON_INSIDE,
    ),
    Mutation(
        "below the least score", INSIDE, "below = bool(low < column.minimum)", "below = False", ON_INSIDE
    ),
    Mutation("what is no number", INSIDE, "extra.get(each, False)", "extra.get(each, True)", ON_INSIDE),
    Mutation("ends that nothing is held to", INSIDE, " and low > least:", ":", ON_INSIDE),
    Mutation(
        "another interval",
        LIFE,
        "if self.scored is None or self.scored.between != between:",
        "if self.scored is None:",
        ON_INSIDE,
    ),
    Mutation(
        "scores of an interval of before",
        "monitoring/exporter.py",
        "if scored and scored.between == objective.between",
        "if scored",
        ON_INSIDE,
    ),
    Mutation(
        "scores after a restart",
        STATE,
        '        life.scored = Scored.read(content.get("scored"))\n',
        "",
        ON_INSIDE,
    ),
    Mutation(
        "scores of a canary", "monitoring/rollout/tolerances.py", ' if each.name != "scores")', ")", ON_INSIDE
    ),
    Mutation(
        "journals that begin in a pane",
        AGGREGATE,
        "                    found.setdefault(journal.hex(), None)  # none of it was before\n",
        "                    pass\n",
        ON_MONITOR,
        short=True,
    ),
    Mutation("a pane left out", AGAIN, "if place not in told and of in", "if False and of in", ON_MONITOR),
    Mutation(
        "a pane twice", AGAIN, "if len(set(evidence.panes)) != len(evidence.panes):", "if False:", ON_MONITOR
    ),
    Mutation("panes far apart", AGAIN, "if end - first > MOST_BETWEEN:", "if False:", ON_MONITOR),
    Mutation("an ignored feature in a correction", JUDGING, ", ignore=self.judged.ignore", "", ON_JUDGING),
    Mutation(
        "the largest e-values that there were",
        JUDGING,
        "        self._most = np.maximum(self._most, [self._state.log_e_warn, self._state.log_e_page])\n",
        "        self._most = np.maximum(-np.inf, [self._state.log_e_warn, self._state.log_e_page])\n",
        ON_JUDGING,
    ),
    Mutation("an ignored feature", JUDGING, "in self.judged.ignore else", "in () else", ON_JUDGING),
    Mutation(
        "the window's end",
        JUDGING,
        ">= self.judged.window_rows\n            or",
        "> 10**9\n            or",
        ON_JUDGING,
    ),
    Mutation(
        "a page that the panes support",
        LIFE,
        "severity if column.name in self.confirmed",
        "severity if True",
        ON_LEADING,
    ),
    Mutation(
        "each page's own look",
        AGGREGATE,
        "life.tried.get(column, checks) + life.pauses.get(column, 0) for column in waiting",
        "max(life.tried.values(), default=checks) + max(life.pauses.values(), default=0) for column in waiting",
        ON_LEADING,
    ),
    Mutation(
        "looked at again soon",
        AGGREGATE,
        "min(most, max(1, 2 * life.pauses.get(column, 0)))",
        "most",
        ON_LEADING,
    ),
    Mutation(
        "looked at more and more seldom", AGGREGATE, "max(1, 2 * life.pauses.get(column, 0))", "1", ON_LEADING
    ),
    Mutation("an eighth at most", AGGREGATE, "min(most, max(1, 2 *", "min(10**9, max(1, 2 *", ON_LEADING),
    Mutation(
        "pauses after a restart",
        STATE,
        'content.get("pauses", {}).items()}',
        "{}.items()}",
        ON_LEADING,
    ),
    Mutation(
        "a pane whose package was away",
        AGGREGATE,
        "            self._held = pane\n",
        "            self._held = None\n",
        ON_LEADING,
        short=True,
    ),
    Mutation("panes of before it served", AGGREGATE, "or time <= since:", "or False:", ON_LEADING),
    Mutation(
        "a pane that was judged",
        AGGREGATE,
        "if pane.number >= self.taken(pane.partition):",
        "if True:",
        ON_LEADING,
    ),
    Mutation(
        "another log's state",
        STATE,
        'raise DetectError("the state is of another log, or of other panes")',
        "pass",
        ON_LEADING,
    ),
    Mutation("a silent partition", ORDER, "known <= pane.time", "known < 0", ON_ORDER),
    Mutation("bursts", "monitoring/judging/evidence.py", "    judging.prime(panes)\n", "", ON_JUDGING),
    Mutation(
        "each step by itself",
        AGGREGATE,
        "                rollout.offset, rollout.moved,\n",
        "                rollout.offset, before.rollout.moved,\n",
        ON_LEADING,
    ),
    Mutation("a void event's rest", MOVER, "now + backoff(", "now - backoff(", ON_MOVER),
    Mutation(
        "enough requests", COMPARE, "if canary.requests < limits.minimum_requests:", "if False:", ON_COMPARE
    ),
    Mutation(
        "looking often",
        COMPARE,
        "back=limits.false_stop / _STEPS / _QUESTIONS / _SLOTS",
        "back=0.5",
        ON_COMPARE,
    ),
    Mutation(
        "a canary that is not shown to be good",
        COMPARE,
        "if not each.good",
        "if each.bad",
        ON_COMPARE,
        short=True,
    ),
    Mutation("moving by few", COMPARE, "move=limits.false_move / _STEPS / _SLOTS", "move=0.9", ON_COMPARE),
    Mutation(
        "every score",
        COMPARE,
        "enumerate(zip(canary.scores, live.scores, strict=True))",
        "enumerate(zip(canary.scores[:1], live.scores[:1], strict=True))",
        ON_COMPARE,
    ),
    Mutation(
        "requests that came together",
        COMPARE,
        "return max(1.0, effect * answered / rows) if rows else max(1.0, effect)",
        "return 1.0",
        ON_COMPARE,
    ),
    Mutation(
        "rows of one request",
        COMPARE,
        "return max(1.0, effect * answered / rows) if rows else max(1.0, effect)",
        "return max(1.0, effect)",
        ON_COMPARE,
    ),
    Mutation("the slowest hundredth", COMPARE, "0.99, limits.p99", "0.5, limits.p99", ON_COMPARE),
    Mutation(
        "what cannot be shown of times",
        COMPARE,
        "max(allowed, resolution(seconds))",
        "allowed",
        ON_COMPARE,
    ),
    Mutation(
        "a canary that answers nothing",
        COMPARE,
        "elif not canary.requests and live.requests >= limits.minimum_requests:",
        "elif False:",
        ON_COMPARE,
    ),
    Mutation("its objectives", COMPARE, "if counted.bad >= MINIMUM_BAD and", "if False and", ON_OBJECTIVES),
    Mutation("scores that nobody knows", COMPARE, "    if not columns:\n", "    if False:\n", ON_COMPARE),
    Mutation(
        "the lower bound of a difference",
        "monitoring/rollout/questions.py",
        "    at_least = max(0.0, float(lower[0] - upper[1]))\n",
        "    at_least = max(0.0, float(upper[0] - lower[1]))\n",
        ON_COMPARE,
    ),
    Mutation(
        "the upper bound of a distance",
        "monitoring/rollout/questions.py",
        "return Found(at_least, float(max(inside, at_cuts)))",
        "return Found(at_least, at_least)",
        ON_COMPARE,
    ),
    Mutation(
        "what lies within a part", QUESTIONS, "float(max(inside, at_cuts))", "float(at_cuts)", ON_SCORES
    ),
    Mutation("parts of one value", QUESTIONS, "[~single].max()", ".max()", ON_SCORES),
    Mutation(
        "a bin that a cut divides",
        QUESTIONS,
        "lower, upper = bounds(surely, rows, levels.move)[0], bounds(perhaps, rows, levels.move)[1]",
        "lower, upper = bounds(surely, rows, levels.move)[0], bounds(surely, rows, levels.move)[1]",
        ON_SCORES,
    ),
    Mutation(
        "where a bin begins",
        "monitoring/leading/scores.py",
        'np.searchsorted(cuts, column.edges, side="right")',
        'np.searchsorted(cuts, column.edges[1:], side="left"), [len(cuts)]',
        ON_SCORES,
    ),
    Mutation(
        "atoms cut off",
        "monitoring/leading/scores.py",
        "[found, atoms, [_before",
        "[found, [_before",
        ON_SCORES,
    ),
    Mutation(
        "atoms among the parts",
        "monitoring/leading/scores.py",
        "        if len(found) < parts:\n",
        "        if True:\n",
        ON_SCORES,
    ),
    Mutation(
        "parts of many scores",
        "monitoring/leading/scores.py",
        ", _BOUND // scores))",
        ", _MOST))",
        f"{ON_SCORES} -k reads_a_comparison",
    ),
    Mutation("parts of before", REVIEW, "if told.coarse else cuts_of", "if False else cuts_of", ON_PROCESSES),
    Mutation(
        "a controller of before", REVIEW, 'any(each.get("within") for each in signed)', "True", ON_PROCESSES
    ),
    Mutation(
        "which parts have one value",
        REVIEW,
        "(counts, again.newest, alone) ==",
        "(counts, again.newest, said.comparison.get('single')) ==",
        ON_PROCESSES,
    ),
    Mutation("figures of another time", TOLD, "elif abs(age) > STALE:", "elif False:", ON_MOVER),
    Mutation("a clock that is ahead", TOLD, "elif abs(age) > STALE:", "elif age > STALE:", ON_MOVER),
    Mutation("no pane at all", TOLD, "if not self.newest:", "if False:", ON_MOVER),
    Mutation("panes that wait", TOLD, "if self.waiting > BEHIND:", "if False:", ON_MOVER),
    Mutation("a thing told once", MOVER, '_NUMBERS.sub("", what)', "what", ON_MOVER),
    Mutation("drift that pages", TOLD, "if self.pages:", "if False:", ON_MOVER),
    Mutation(
        "what pages of the canary",
        "monitoring/answers.py",
        'if severity == "page")',
        "if severity)",
        ON_LEADING,
    ),
    Mutation(
        "a canary without steps",
        MOVER,
        "for rollout in (() if deployed.paused else deployed.canaries)",
        "for rollout in (() if deployed.paused else deployed.canaries) if rollout.left",
        ON_MOVER,
    ),
    Mutation("no step left", MOVER, "    if not rollout.left:\n", "    if False:\n", ON_MOVER),
    Mutation(
        "what is compared without steps",
        "registry/deployment/steps.py",
        "Rollout(each, left, seconds, logged, logged, offset, alone) for each in canaries)",
        "Rollout(each, left, seconds, logged, logged, offset, alone) for each in canaries if content.steps)",
        ON_GOVERNED,
    ),
    Mutation(
        "a comparison of other bins",
        STATE,
        "== [known.parts] * 2",
        "!= []",
        ON_LEADING,
    ),
    Mutation(
        "counts that were signed", REVIEW, "(signed, told.newest,", "(counts, told.newest,", ON_PROCESSES
    ),
    Mutation(
        "another log's comparison", REVIEW, "if told.topic != topic.id.hex():", "if False:", ON_PROCESSES
    ),
    Mutation("a step that begins late", REVIEW, "if begin and time_of", "if False and time_of", ON_PROCESSES),
    Mutation("ranges that are no panes", REVIEW, "if begin % size or end % size or", "if", ON_PROCESSES),
    Mutation("figures that were signed", REVIEW, "held_.alike, held_.how", "True, held_.how", ON_PROCESSES),
    Mutation("a question that says otherwise", REVIEW, "    if unlike:\n", "    if False:\n", ON_PROCESSES),
    Mutation(
        "what was decided at a tolerance",
        REVIEW,
        "        came_of = concluded(tuple(asked), came_of.waits, came_of.missed)\n",
        "",
        ON_PROCESSES,
    ),
    Mutation(
        "canaries that nobody compares",
        "monitoring/answers.py",
        'if of.slot != "canary" or (of.service',
        "if True or (of.service",
        ON_LEADING,
    ),
    Mutation(
        "requests of another canary",
        LIFE,
        'slots = _SIDES if self.rollout.alone else ("live",)',
        "slots = _SIDES",
        ON_LEADING,
        short=True,
    ),
    Mutation(
        "panes that do not tell canaries apart",
        LIFE,
        "if pane.time <= self.rollout.moved or not (self.rollout.alone or pane.tells_apart(service)):",
        "if pane.time <= self.rollout.moved:",
        ON_LEADING,
    ),
    Mutation(
        "another canary's state",
        STATE,
        'return service if rollout.alone else f"{service}@{rollout.digest}"',
        "return service",
        ON_LEADING,
    ),
    Mutation("one of several goes alone", MOVER, "    if rollout.alone:\n", "    if True:\n", ON_MOVER),
    Mutation(
        "which canary is asked about",
        MOVER,
        "None if rollout.alone else rollout.digest)",
        "None)",
        ON_MOVER,
    ),
    Mutation(
        "a scrape that reads the log",
        GOVERNED,
        "        return self._policy\n",
        "        found = self._follower.grounds.ledger.policy\n"
        "        return None if found is None else found.policy\n",
        ON_GOVERNED,
        short=True,
    ),
    Mutation(
        "a canary that did not stand there",
        REVIEW,
        "if each.alone or each.digest == digest]",
        "]",
        ON_PROCESSES,
    ),
    Mutation(
        "another step's comparison",
        REVIEW,
        "whose == (canary.digest, canary.offset, canary.moved)",
        "True",
        ON_PROCESSES,
    ),
    Mutation(
        "what pages when a step is reviewed",
        REVIEW,
        "*told.waits(at), *came_of.reasons",
        "*came_of.reasons",
        ON_PROCESSES,
    ),
    Mutation(
        "what came before a comparison",
        LIFE,
        "            reached.setdefault(journal.hex(), sequence)\n",
        "            reached[journal.hex()] = sequence\n",
        ON_LEADING,
    ),
    Mutation(
        "where a comparison begins",
        LIFE,
        "        first, _ = self.ranges.get(pane.partition, (pane.first, pane.end))\n",
        "        first = pane.first\n",
        ON_LEADING,
    ),
    Mutation("what live needs", MOVER, "if not waits and rollout.left[0] == 1 and", "if False and", ON_MOVER),
    Mutation(
        "a step waited for in vain", MOVER, "if not overdue(told,", "if True or overdue(told,", ON_MOVER
    ),
    Mutation("given up too soon", MOVER, "now - limits.give_up)", "now)", ON_MOVER),
    Mutation("given up by figures of before", MOVER, " and not any(told.unknown(now))", "", ON_MOVER),
    Mutation(
        "given up without need",
        REVIEW,
        'return "give up" if overdue(told, canary, limits_of(ground), at) else ""',
        'return "give up"',
        ON_GIVEN_UP,
    ),
    Mutation(
        "a step as if given up",
        REVIEW,
        'content.action == "rollback" and said.given_up is not None',
        "said.given_up is not None",
        ON_GIVEN_UP,
    ),
    Mutation("objectives of live", COMPARE, "least > burnt > most:", "least > burnt:", ON_OBJECTIVES),
    Mutation(
        "objectives that are not shown to be missed",
        COMPARE,
        "least > burnt > most:",
        "one.bad / one.requests > burnt > most:",
        ON_OBJECTIVES,
    ),
    Mutation("a few bad ones", COMPARE, "one.bad >= MINIMUM_BAD and least", "least", ON_OBJECTIVES),
    Mutation(
        "rows together in objectives",
        COMPARE,
        'by = effect if objective.name == "confidence" else fewer',
        "by = 1",
        ON_OBJECTIVES,
    ),
    Mutation(
        "another rollout's figures",
        MOVER,
        "!= wanted:",
        "== (None, None):",
        ON_MOVER,
    ),
    Mutation("since when it serves", SERVED, "now.get(of, event.logged)", "event.logged", ON_GOVERNED),
    Mutation(
        "headers of their own",
        PAGES,
        "headers = list(_JSON)",
        "headers = _KEPT",
        ON_MONITOR,
        also=("Start = Callable", "_KEPT: Any = list(_JSON)\nStart = Callable"),
    ),
    Mutation(
        "figures of what is kept alone",
        AGGREGATE,
        "            life.forget(pane.partition, self.next[pane.partition] - REACH)\n",
        "            pass\n",
        ON_TAKEOVER,
    ),
    Mutation(
        "a window of what is kept",
        JUDGING,
        "            if self.window_rows >= self.judged.window_rows:\n                break\n",
        "            break\n",
        ON_TAKEOVER,
    ),
    Mutation(
        "a page that the limits of now support",
        LIFE,
        "            self.confirmed, self.tried, self.pauses = set(), {}, {}\n",
        "            pass\n",
        ON_TAKEOVER,
    ),
    Mutation(
        "another rule", JUDGING, "if judged.limits.rule != before.limits.rule:", "if False:", ON_TAKEOVER
    ),
    Mutation(
        "what a policy does not change",
        JUDGING,
        "if self._detector.page.delta != detector.page.delta:",
        "if True:",
        ON_TAKEOVER,
    ),
    Mutation(
        "the limits of a state",
        STATE,
        "life.judging.judged.written()",
        "aggregate._judged_by(of.service).written()",
        ON_TAKEOVER,
    ),
    Mutation(
        "a store under the lock",
        "monitoring/held.py",
        "            self._wanted.add(whom)\n            raise NotHere",
        "            self._found[whom] = found = self._packages.get(service, digest)\n            return found\n"
        "            raise NotHere",
        ON_MONITOR,
    ),
    Mutation(
        "since when the next pane waits",
        LEAD,
        "since if known == number else now",
        "now",
        ON_MONITOR,
    ),
    Mutation(
        "panes that are missed", AGGREGATE, "            if known:\n", "            if False:\n", ON_LEADING
    ),
    Mutation("one hop", PAGES, "asking is None or _ENVIRON in environ", "asking is None", ON_ASKING),
    Mutation("redirects", "audit/direct.py", "build_opener(NoRedirects, ", "build_opener(", ON_ASKING),
    Mutation("other schemes", MEMBERS, "https?://(?:", "[a-z]+://(?:", ON_ASKING),
    Mutation("long answers", ASKING, " or len(body) > self._most:", ":", ON_ASKING),
    Mutation(
        "a pane that was read in a round that failed",
        LEAD,
        "            for pane in panes:  # at once: the feed gives each of them once\n"
        "                self.aggregate.take(pane)\n"
        "        ends = self.ends(clock)\n",
        "            pass\n        ends = self.ends(clock)\n"
        "        for pane in panes:\n            self.aggregate.take(pane)\n",
        ON_MONITOR,
    ),
)


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
