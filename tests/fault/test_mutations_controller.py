"""What keeps a controller from harm: each rule taken out of a copy, and a test fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fault.mutation import Mutation, assert_caught, params, run

pytestmark = pytest.mark.fault

DECIDE, WEIGH = "monitoring/controller/decide.py", "monitoring/controller/weigh.py"
RUN, WEBHOOK = "monitoring/controller/run.py", "monitoring/controller/webhook.py"
PAGES, SCRAPED = "audit/served.py", "tests/unit/audit/test_served.py"
TOKEN = "monitoring/controller/token.py"
EVIDENCE, GROUND = "monitoring/controller/evidence.py", "monitoring/controller/ground.py"
PLACE, WAITING = "monitoring/controller/place.py", "monitoring/controller/waiting.py"
BURNS, OBJECTIVES = "monitoring/burns.py", "monitoring/slo.py"
REVIEW = "monitoring/controller/review.py"
ALERTMANAGER, SAID = "monitoring/controller/alertmanager.py", "monitoring/controller/said.py"

ON = "tests/unit/monitoring/controller"
SERVED, RENEWED = "audit/served_tls.py", "audit/renewed.py"
MOVED = "tests/unit/monitoring/rollout/test_mover.py"
DECIDED, WORKED = f"{ON}/test_decide.py", f"{ON}/test_run.py"
HEARD, SHOWN, PARSED = f"{ON}/test_webhook.py", f"{ON}/test_evidence.py", f"{ON}/test_alertmanager.py"
THRESHOLD, THRESHOLDS = "monitoring/controller/threshold.py", f"{ON}/test_threshold.py"
SLOW, BURNT = f"{ON}/test_decide_slo.py", "tests/unit/monitoring/test_burns.py"
BUDGETS = "tests/unit/monitoring/test_slo.py"
DAY = "tests/property/test_controller.py"
LOOKS = "tests/integration/test_controller.py"
FETCHED, TOGETHER = "tests/unit/monitoring/rollout/test_fetched.py", "tests/unit/cli/test_together.py"

COPIED = (
    "audit", "registry", "monitoring", "cli", "tests/__init__.py", "tests/components", ON, DAY, BURNT, BUDGETS,
    FETCHED, MOVED, TOGETHER, SCRAPED, "tests/unit/monitoring/conftest.py", "tests/conftest.py", LOOKS,
)  # fmt: skip

MUTATIONS = (
    Mutation(
        "a void event as the latest",
        REVIEW,
        '    return "" if event.void is None else f"it does not count, {event.void}"\n',
        '    return ""\n',
        f"{ON}/test_review.py",
    ),
    Mutation(
        "a tolerance for nothing",
        "monitoring/close.py",
        "rel_tol=TOLERANCE, abs_tol=TOLERANCE)",
        "rel_tol=1.0, abs_tol=1.0)",
        THRESHOLDS,
    ),
    Mutation(
        "figures to the last bit",
        "monitoring/close.py",
        "rel_tol=TOLERANCE, abs_tol=TOLERANCE)",
        "rel_tol=0.0)",
        THRESHOLDS,
    ),
    Mutation(
        "a column that is there twice",
        THRESHOLD,
        '    if len(one["columns"]) != len(signed.columns):\n',
        "    if False:\n",
        THRESHOLDS,
    ),
    Mutation("columns at no threshold", THRESHOLD, "    if unlike:\n", "    if False:\n", THRESHOLDS),
    Mutation(
        "what was signed at a threshold",
        THRESHOLD,
        "for by in (1 - TOLERANCE, 1 + TOLERANCE))]",
        "for by in ())]",
        THRESHOLDS,
    ),
    Mutation(
        "a burn rate that pages by word alone",
        THRESHOLD,
        '    return at and other["bad"]',
        '    return other["bad"]',
        THRESHOLDS,
    ),
    Mutation(
        "the latch of an alarm",
        DECIDE,
        '            return f"this alarm was acted on at offset {event.offset}"\n',
        "            pass\n",
        DECIDED,
    ),
    Mutation(
        "the latch of a digest",
        DECIDE,
        "        if (because.digest, because.slot, because.alert.cause) == "
        "(placed.digest, placed.slot, alarm.cause):\n",
        "        if False:\n",
        DECIDED,
        short=True,
    ),
    Mutation("no end of events that come to nothing", DECIDE, "if void >= ATTEMPTS:", "if False:", DECIDED),
    Mutation("the cool-down", DECIDE, "        if passed < free:\n", "        if False:\n", DECIDED),
    Mutation("the cool-down over a day", DECIDE, "        if passed < free:\n", "        if False:\n", DAY),
    Mutation(
        "rollbacks alone cool down",
        DECIDE,
        'for each in counted if each.content.action == "rollback")',
        'for each in counted if each.content.action in ("deploy", "promote", "rollback"))',
        DECIDED,
    ),
    Mutation(
        "so many a day",
        DECIDE,
        "    if len(recent) >= allowed.maximum_per_day:\n",
        "    if False:\n",
        DECIDED,
    ),
    Mutation(
        "a clock ahead",
        DECIDE,
        "passed = min(now, log) if shown is not None else now",
        "passed = now",
        DECIDED,
    ),
    Mutation("a clock behind", DECIDE, "    if log - now > BEHIND:\n", "    if False:\n", DECIDED),
    Mutation("a clock far ahead", DECIDE, "now - log > BEHIND:\n", "False:\n", DECIDED),
    Mutation("a pause", DECIDE, "    if ground.deployed.paused:\n", "    if False:\n", DECIDED),
    Mutation(
        "what needs nobody",
        DECIDE,
        '        "pass" if late else "refuse",',
        '        "refuse",',
        DECIDED,
    ),
    Mutation(
        "a digest that never answered",
        DECIDE,
        "        and any(meant(alarm, each.content.plan) for each in deployed.counted)\n",
        "",
        DECIDED,
    ),
    Mutation(
        "the second package that breaks its objectives",
        DECIDE,
        "    if alarm.cause == SLO and any(event == came",
        "    if alarm.cause == SLO and any(False",
        SLOW,
    ),
    Mutation("retraining for being slow", DECIDE, "asked and alarm.cause in DRIFT", "asked", SLOW),
    Mutation(
        "all the time of its place",
        WEIGH,
        "    if isinstance(evidence, Burns) and evidence.since != since.logged:\n",
        "    if False:\n",
        SLOW,
    ),
    Mutation(
        "burn rates for drift",
        WEIGH,
        "        return shown.evidence.paging if cause == SLO else ()\n",
        "        return shown.evidence.paging\n",
        SLOW,
    ),
    Mutation("drift for burn rates", WEIGH, "    if cause not in DRIFT:\n", "    if False:\n", SLOW),
    Mutation(
        "that it burns",
        BURNS,
        "for each in self.burns if each.pages)",
        "for each in self.burns)",
        SLOW,
    ),
    Mutation(
        "both windows",
        OBJECTIVES,
        "for each in (long, short)\n",
        "for each in (long,)\n",
        BUDGETS,
    ),
    Mutation(
        "a few bad ones",
        OBJECTIVES,
        "    return long.bad >= MINIMUM_BAD and all(",
        "    return all(",
        BUDGETS,
    ),
    Mutation(
        "what the windows miss",
        BURNS,
        "        if parts and each.first and parts[0].time > begin:\n",
        "        if False:\n",
        BURNT,
        short=True,
    ),
    Mutation("from before its place, in the log", BURNS, "if part.time > begin]", "]", BURNT),
    Mutation(
        "a window of its own",
        BURNS,
        "    if given.reach not in {each.long for each in looked}:\n",
        "    if False:\n",
        BURNT,
    ),
    Mutation(
        "the claimed burn rates",
        "monitoring/controller/burnt.py",
        "        found = again(given, reader)\n",
        "        found = given\n",
        BURNT,
    ),
    Mutation(
        "the newest panes that are left out",
        "monitoring/controller/burnt.py",
        "        _whole(found, topic, reader)\n",
        "",
        BURNT,
    ),
    Mutation(
        "a partition that is left out",
        "monitoring/controller/burnt.py",
        "    if [each.partition for each in ranges] != list(range(len(ranges))) or len(ranges) > topic.partitions:\n",
        "    if len(ranges) > topic.partitions:\n",
        BURNT,
    ),
    Mutation("the causes", DECIDE, "    if alarm.cause not in allowed.causes:\n", "    if False:\n", DECIDED),
    Mutation("a dry run", DECIDE, '"dry_run" if allowed.dry_run else "roll_back"', '"roll_back"', DECIDED),
    Mutation("a warning", DECIDE, 'alarm.severity == "page"', "True", DECIDED),
    Mutation("a resolved one", DECIDE, 'if alarm.status != "firing":', "if False:", DECIDED),
    Mutation(
        "the slot",
        PLACE,
        "        if short and each.slot == alarm.slot and each.digest",
        "        if short and each.digest",
        DECIDED,
    ),
    Mutation(
        "the digest that answers",
        PLACE,
        ".startswith(short)\n",
        '.startswith("")\n',
        DECIDED,
    ),
    Mutation(
        "approval",
        DECIDE,
        "        elif reasons := ground.admitted(digest):\n",
        "        elif reasons := ():\n",
        DECIDED,
        short=True,
    ),
    Mutation(
        "what a rollback has left", DECIDE, "        if digest in left:\n", "        if False:\n", DECIDED
    ),
    Mutation(
        "what a rollback has left, over a day",
        DECIDE,
        "        if digest in left:\n",
        "        if False:\n",
        DAY,
    ),
    Mutation("the same cause", DECIDE, "        elif digest in same:\n", "        elif False:\n", DECIDED),
    Mutation(
        "of what the evidence is",
        WEIGH,
        "    if about != (ground.deployed.service, placed.digest, placed.slot):\n",
        "    if False:\n",
        DECIDED,
    ),
    Mutation("by which policy", WEIGH, " or evidence.policy != ground.policy.digest", "", DECIDED),
    Mutation(
        "from before its place",
        WEIGH,
        "if since is None or shown.begun < since.logged / 1000:",
        "if since is None:",
        DECIDED,
    ),
    Mutation(
        "the newest event",
        WEIGH,
        "    if shown.ended < newest.logged / 1000:\n",
        "    if False:\n",
        DECIDED,
    ),
    Mutation("an old story", WEIGH, "    if far and shown", "    if False and shown", DECIDED),
    Mutation(
        "enough rows",
        WEIGH,
        "    if evidence.window_rows < section.drift.minimum_rows:\n",
        "    if False:\n",
        DECIDED,
    ),
    Mutation("that it pages", WEIGH, 'if each.severity == "page"]', "]", DECIDED),
    Mutation(
        "that it pages for the cause",
        WEIGH,
        "if is_score(each) == (cause == PREDICTION))",
        ")",
        DECIDED,
    ),
    Mutation(
        "the monitor's word",
        EVIDENCE,
        "        found = again(evidence, reader)\n",
        "        again(evidence, reader)\n        found = evidence\n",
        SHOWN,
    ),
    Mutation("which log", EVIDENCE, "    if named != topic.id.hex():\n", "    if False:\n", SHOWN),
    Mutation(
        "a pane twice",
        EVIDENCE,
        "    if len(set(evidence.panes)) != len(evidence.panes):\n",
        "    if False:\n",
        SHOWN,
    ),
    Mutation(
        "how much is read",
        EVIDENCE,
        "    if not 0 < evidence.pane_records",
        "    if False and 0 < evidence.pane_records",
        SHOWN,
    ),
    Mutation(
        "what lies between two panes",
        EVIDENCE,
        "sum(last + 1 - first for first, last in outermost)",
        "len(evidence.panes)",
        SHOWN,
    ),
    Mutation(
        "what others did meanwhile",
        RUN,
        "        grounds, ground, now = self._ground(alarm)  # that took its time: what others did meanwhile counts\n",
        "",
        WORKED,
    ),
    Mutation(
        "what was heard already",
        WAITING,
        "        if (done := self._done.get(key)) is not None and now - done.at < REPEAT:\n",
        "        if False:\n",
        WORKED,
    ),
    Mutation("room", WAITING, "        if not self._room(alarm):\n", "        if False:\n", WORKED),
    Mutation(
        "room for other services",
        WAITING,
        "self._of_service[alarm.service] < MOST_OF_SERVICE and",
        "len(self._waits) < MOST_OF_SERVICE and",
        WORKED,
    ),
    Mutation("room for all", WAITING, " and len(self._waits) < MOST_WAITING\n", "\n", WORKED),
    Mutation(
        "alarms that one answer decides about",
        WAITING,
        '        if self._alike[alike(alarm)] >= MOST_ALIKE:\n            return "duplicate"\n',
        "",
        WORKED,
    ),
    Mutation(
        "warnings in a page's place",
        WAITING,
        "    return alarm.service, alarm.digest, alarm.slot, alarm.cause, alarm.severity\n",
        '    return alarm.service, alarm.digest, alarm.slot, alarm.cause, ""\n',
        WORKED,
    ),
    Mutation("places that are free again", WAITING, "        _less(self._alike, ", "        _ = (", WORKED),
    Mutation(
        "a late alarm whose digest answers again",
        WAITING,
        " and answers(done.late):\n",
        " and False:\n",
        WORKED,
    ),
    Mutation(
        "a late alarm, for ever",
        WAITING,
        " or now - done.at > REMEMBERED:\n",
        ":\n",
        WORKED,
    ),
    Mutation(
        "a late alarm that was resolved",
        WAITING,
        "            self._done.pop(key, None)\n",
        "",
        WORKED,
    ),
    Mutation(
        "an alarm that is told by its fingerprint alone",
        WAITING,
        "alarm.starts_at, alarm.service, alarm.digest, alarm.slot, alarm.cause, alarm.severity,\n",
        'alarm.starts_at, "", "", "", "", "",\n',
        WORKED,
    ),
    Mutation(
        "the role",
        RUN,
        "        if person is None:\n            return _unknown",
        "        if False:\n            return _unknown",
        WORKED,
    ),
    Mutation(
        "once for retraining",
        RUN,
        "        if not set(columns) - grounds.asked_for(alarm.service, digest) or person is None:\n",
        "        if person is None:\n",
        WORKED,
    ),
    Mutation(
        "evidence once a turn", RUN, "        if of not in self._found:\n", "        if True:\n", WORKED
    ),
    Mutation(
        "evidence of one kind for the other",
        RUN,
        "alarm.slot, alarm.cause == SLO, policy)",
        "alarm.slot, False, policy)",
        WORKED,
    ),
    Mutation(
        "predictions first",
        RUN,
        "in sorted(turn, key=lambda each: each.cause != PREDICTION):\n",
        "in turn:\n",
        WORKED,
    ),
    Mutation(
        "counting for what was asked for",
        RUN,
        "if retrain is not None and not wants_evidence(decision) and _said_already(alarm, retrain, grounds):\n",
        "if False:\n",
        WORKED,
    ),
    Mutation(
        "sound evidence for retraining",
        RUN,
        "        if retrain is not None and unsound(retrain, shown, ground) is None:\n",
        "        if retrain is not None:\n",
        WORKED,
    ),
    Mutation(
        "who asked for retraining",
        SAID,
        "        if roots.at(each.offset).person(each.author, CONTROLLER_ROLE, each.offset) is None:\n",
        "        if False:\n",
        WORKED,
    ),
    Mutation("the later of two clocks", GROUND, "at = max(now, newest)", "at = now", DECIDED),
    Mutation("this machine's clock, too", GROUND, "at = max(now, newest)", "at = newest", DECIDED),
    Mutation(
        "another log in its place",
        GROUND,
        "        if self._topic not in (None, topic):\n",
        "        if False:\n",
        WORKED,
    ),
    Mutation(
        "the token",
        WEBHOOK,
        "        same = [hmac.compare_digest(shown, each.encode()) for each in self.tokens() if each]\n",
        "        same = [True]\n",
        HEARD,
    ),
    Mutation(
        "no token", WEBHOOK, " for each in self.tokens() if each]", " for each in self.tokens()]", HEARD
    ),
    Mutation(
        "the token that is there now",
        TOKEN,
        "            token, why = read_token(self._path), ",
        "            token, why = self._token, ",
        HEARD,
    ),
    Mutation("looks without a request", WEBHOOK, "            self.tokens()\n", "            pass\n", HEARD),
    Mutation(
        "who looks without a request",
        "cli/controller.py",
        '        threads.start("token", door.watch)\n',
        "",
        f"{LOOKS} -k without_requests",
    ),
    Mutation("the end of the one before", TOKEN, "self._monotonic() >= self._before[1]", "False", HEARD),
    Mutation(
        "the one before at all",
        TOKEN,
        "            self._before = self._token, self._monotonic() + GRACE\n",
        "",
        HEARD,
    ),
    Mutation(
        "the last good one",
        TOKEN,
        "            token, why = self._token, str(error)",
        '            token, why = "", str(error)',
        HEARD,
    ),
    Mutation("the door", WEBHOOK, "        if not door.opens(environ):\n", "        if False:\n", HEARD),
    Mutation("the size", WEBHOOK, "    if int(length) > MOST_BYTES:\n", "    if False:\n", HEARD),
    Mutation(
        "the certificate",
        WEBHOOK,
        "            return environ.get(PEER) is True\n",
        "            return True\n",
        HEARD,
    ),
    Mutation(
        "whose certificate",
        SERVED,
        "                context.verify_mode = ssl.CERT_OPTIONAL\n",
        "",
        HEARD,
    ),
    Mutation(
        "a certificate that was renewed",
        RENEWED,
        "            if seen == self._good:\n",
        "            if True:\n",
        HEARD,
    ),
    Mutation(
        "the last good certificate",
        RENEWED,
        "        except AuditError as error:\n",
        "        except NotADirectoryError as error:\n",
        HEARD,
    ),
    Mutation(
        "an alarm for who cannot decide",
        WEBHOOK,
        "    if why := controller.trouble():\n        # Who",
        '    if why := "":\n        # Who',
        HEARD,
    ),
    Mutation(
        "since when an alarm waits",
        WAITING,
        "                waits.since = None\n",
        "                pass\n",
        WORKED,
    ),
    Mutation(
        "a rollout that is stuck",
        "monitoring/rollout/mover.py",
        'raise RolloutWaits("; ".join(waits), stuck=bool(barred))',
        'raise RolloutWaits("; ".join(waits))',
        MOVED,
    ),
    Mutation(
        "connections",
        PAGES,
        "        if self._free.acquire(blocking=False):\n",
        "        if True:\n",
        HEARD,
    ),
    Mutation(
        "silence",
        PAGES,
        "            request.settimeout(self.bounds.silence)\n",
        "            request.settimeout(None)\n",
        SCRAPED,
    ),
    Mutation("a core that finds no descriptor", PAGES, "if error.errno in _FULL:", "if False:", SCRAPED),
    Mutation(
        "the bounds of metrics",
        "audit/scrape.py",
        ", bounds=BOUNDS)",
        ")",
        SCRAPED,
    ),
    Mutation(
        "a place that nobody has",
        PAGES,
        "                self._free.release()\n                raise\n",
        "                raise\n",
        HEARD,
    ),
    Mutation(
        "a connection for ever",
        PAGES,
        "        socket.socket.shutdown(request, socket.SHUT_RDWR)\n",
        "        pass\n",
        HEARD,
    ),
    Mutation(
        "a handshake for ever",
        PAGES,
        "do_handshake_on_connect=False",
        "do_handshake_on_connect=True",
        HEARD,
    ),
    Mutation(
        "a comparison that is nested deeply",
        "monitoring/rollout/mover.py",
        "HTTPException, ValueError, RecursionError) as error",
        "HTTPException, ValueError) as error",
        FETCHED,
    ),
    Mutation(
        "a thread that dies alone",
        "audit/together.py",
        "            cause = error\n",
        "            return\n",
        TOGETHER,
    ),
    Mutation("the version", ALERTMANAGER, '    version: Literal["4"]\n', "    version: str\n", PARSED),
    Mutation(
        "labels that are missing",
        ALERTMANAGER,
        "    if missing := sorted(_OURS - labels.keys()):\n",
        "    if missing := ():\n",
        PARSED,
    ),
)


@pytest.mark.long
def test_without_a_mutation_the_tests_pass(copy: Path) -> None:
    """Else the failures below would show nothing."""
    for tests in (f"{ON} {DAY}", f"{LOOKS} -k without_requests"):
        done = run(copy, tests)
        assert done.returncode == 0, done.stdout[-3000:]


@pytest.mark.parametrize("mutation", params(MUTATIONS))
def test_the_tests_fail_without(copy: Path, mutation: Mutation) -> None:
    """One guard less, one failing test at least."""
    assert_caught(copy, mutation)
