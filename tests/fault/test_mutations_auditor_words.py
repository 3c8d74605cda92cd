"""What the auditor's commands say: each guard taken out of a copy, and a test of them fails."""

# ruff: noqa: E501 — a guard and what takes it out, on a line

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fault.mutation import Mutation, assert_caught, params, run

pytestmark = pytest.mark.fault

COMMANDS = "tests/integration/test_audit_commands.py"
BUNDLES = "tests/unit/cli/test_audit_bundle.py"
MINUTES = "tests/unit/audit/auditor/test_complete.py"
JOURNALS = "tests/fault/attacks/test_strangers_journal.py"
NAMED, FOLLOWED, NOTHING = (
    f"{COMMANDS} -k that_was_asked",
    f"{COMMANDS} -k every_stranger",
    f"{COMMANDS} -k of_nothing",
)
LACKS, TOPICS, GONE = f"{BUNDLES} -k has_not", f"{BUNDLES} -k unless", f"{BUNDLES} -k where_the_log"
INVENTED, RANGE, FORGED, FLOOD = (
    f"{JOURNALS} -k {each}" for each in ("invented", "without", "its_own_key", "flood")
)
SHOWS, SWORN = f"{BUNDLES} -k when_it_is_made", f"{BUNDLES} -k wherever"

COPIED = (
    "audit", "registry", "service", "monitoring", "cli", "tests/__init__.py", "tests/components", "tests/fault/__init__.py",
    "tests/fault/attacks/hands.py", JOURNALS, COMMANDS, BUNDLES, MINUTES,
)  # fmt: skip

COMPLETENESS, COMPLETE = "cli/audit_completeness.py", "audit/auditor/complete.py"
BUNDLE, SELECT = "cli/audit_bundle.py", "audit/auditor/evidence.py"
VERIFY, SAID = "cli/audit_verify.py", "audit/auditor/said.py"

_REFUSED = "                if not (rows or held or follow):\n                    raise ConfigError(_nothing(since, until))\n"
_EXPORTED = "                    _export(textfile, rows, held, before)\n"

MUTATIONS = (
    # ---------------------------------------------------------------- completeness
    Mutation("strangers", COMPLETENESS, "    return sorted({row.journal for row in rows} - {each.now.journal for each in held}) if held else []",
             "    return []", NAMED),
    Mutation("whom one knows", COMPLETENESS, " - {each.now.journal for each in held})", ")", NAMED),
    Mutation("nobody was asked", COMPLETENESS, " for each in held}) if held else []", " for each in held})", NAMED),
    Mutation("strangers, as JSON", COMPLETENESS, "for journal in strangers:\n        typer.echo(json", "for journal in ():\n        typer.echo(json", NAMED),
    Mutation("strangers, for people", COMPLETENESS, "for journal in strangers:\n        typer.echo(\n", "for journal in ():\n        typer.echo(\n", NAMED),
    Mutation("strangers of long ago", COMPLETENESS, "_strangers(rows, held), as_json", "_strangers(shown, held), as_json", FOLLOWED),
    Mutation("the newest minutes", COMPLETENESS, "for row in rows})[-_SHOWN:]", "for row in rows})[:_SHOWN]", FOLLOWED),
    Mutation("the order of time", COMPLETE, "ORDER BY minute, journal", "ORDER BY journal, minute", MINUTES),
    Mutation("a count of nothing", COMPLETENESS, _REFUSED, "", NOTHING),
    Mutation("a file of nothing", COMPLETENESS, _REFUSED, "", NOTHING, also=(_EXPORTED, _EXPORTED + _REFUSED)),
    Mutation("why there is nothing", COMPLETENESS, "    if since is None and until is None:\n        return", "    if False:\n        return", NOTHING),
    # ---------------------------------------------------------------- which partition a bundle is of
    Mutation("a partition that is not there", BUNDLE, "    if not known:\n", "    if False:\n", LACKS),
    Mutation("whose partition is not there", BUNDLE, 'f" of the topic {topic}"', '""', LACKS),
    Mutation("offsets that are not there", SELECT, "    if not 0 <= first < end <= size:\n", "    if False:\n", LACKS),
    Mutation("a range that ends before it begins", BUNDLE, " or int(found[3]) < int(found[2])", "", LACKS),
    Mutation("the topic that is named", BUNDLE, "known = [each for each in known if each.hex() == topic]", "pass", TOPICS),
    Mutation("the log's own", BUNDLE, "[each for each in known if log is not None and each == log.id] or known", "known", TOPICS),
    Mutation("another log in its place", BUNDLE, "[each for each in known if log is not None and each == log.id] or known",
             "[each for each in records.topics if each in known][:1] or known", GONE),
    Mutation("one of several topics", BUNDLE, "    if len(known) != 1:\n", "    if False:\n", GONE),
    Mutation("which topics there are", BUNDLE, '", ".join(each.hex() for each in known)', '""', GONE),
    # ---------------------------------------------------------------- what a bundle shows
    Mutation("what it does not show", BUNDLE, "    for line in shown.not_shown():\n", "    for line in ():\n", SHOWS),
    Mutation("what it does not show, as JSON", BUNDLE, '"not_shown": shown.not_shown()', '"not_shown": []', SHOWS),
    Mutation("over how many records", BUNDLE, "over {journals.asked_sworn:,} of", "over {journals.asked:,} of", SWORN),
    Mutation("what would leave none out", BUNDLE, 'f"; --chain {needed} leaves ', '"" and f"; --chain {needed} leaves ', SWORN),
    Mutation("one record", BUNDLE, "'record' if journals.asked == 1 else 'records'", "'records'", SHOWS),
    # ---------------------------------------------------------------- whose journals were verified
    Mutation("journals", VERIFY, "each.signers[:_SIGNERS]", "each.signers[:0]", INVENTED),
    Mutation("the key of a journal", VERIFY, ", by the key {signer['key']}", "", INVENTED),
    Mutation("where a journal was opened", SAID, '"opened": self._first.get(each.name)', '"opened": 0', INVENTED),
    Mutation("the first opening", SAID, "self._first.setdefault(fields[1], offset)", "self._first[fields[1]] = offset", INVENTED),
    Mutation("where a journal has last signed", SAID, "each.offset if each.signed or each.key else None", "0", INVENTED),
    Mutation("nothing that was signed", SAID, "each.offset if each.signed or each.key else None", "each.offset", RANGE),
    Mutation("an opening that nobody saw", VERIFY, '    if signer["opened"] is None:\n', "    if False:\n", RANGE),
    Mutation("an opening of no key", VERIFY, '    if signer["key"] is None:\n', "    if False:\n", FORGED),
    Mutation("a flood of journals", VERIFY, "each.signers[:_SIGNERS]", "each.signers", FLOOD),
    Mutation("how many more journals", VERIFY, "len(each.signers) - _SIGNERS) > 0:", "len(each.signers) - _SIGNERS) < 0:", FLOOD),
    Mutation("what the JSON has of them", VERIFY, "'them' if kept == others else f'{kept:,} of them'", "'them'", FLOOD),
)  # fmt: skip


@pytest.mark.long
@pytest.mark.parametrize("tests", [COMMANDS, BUNDLES, MINUTES, JOURNALS])
def test_without_a_mutation_the_tests_pass(copy: Path, tests: str) -> None:
    """Else the failures below would show nothing."""
    done = run(copy, tests)
    assert done.returncode == 0, done.stdout[-3000:]


@pytest.mark.parametrize("mutation", params(MUTATIONS))
def test_the_tests_fail_without(copy: Path, mutation: Mutation) -> None:
    """One guard less, one failing test at least."""
    assert_caught(copy, mutation)
