"""The page of attacks is what the tests do."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
NOT_ATTACKS = {
    "test_a_notary_at_work_is_no_attacker",
    "test_a_notary_that_begins_while_the_names_are_read_has_its_note",
    "test_buckets_of_one_name_at_two_endpoints_are_two_stores",
    "test_a_store_as_a_notary_leaves_it_is_without_a_flaw",
    "test_of_a_range_without_the_opening_no_key_is_told",
    "test_payloads_that_are_kept_elsewhere_are_looked_at_there",
    "test_the_trees_of_a_topic_are_those_that_there_are",
    "test_what_is_found_beyond_the_bound_is_counted",
    "test_a_log_that_has_all_is_without_a_flaw",
    "test_what_was_sealed_as_a_hole_need_not_be_in_the_log",
    "test_what_a_notary_has_sealed_is_without_a_flaw_or_a_remark",
    "test_a_record_that_was_shipped_twice_has_its_receipt",
    "test_a_sound_log_is_without_a_flaw",
    "test_an_untouched_log_is_without_a_flaw",
    "test_another_writer_of_the_same_is_a_remark",
    "test_every_tree_of_a_store_is_looked_at",
    "test_sequences_are_what_the_log_counts",
    "test_the_archive_tells_which_byte_of_an_entry_is_wrong",
}


def test_each_attack_of_the_page_has_its_test_and_each_test_its_line() -> None:
    """Neither side names what the other does not have."""
    page = (ROOT / "docs" / "attacks.md").read_text()
    _head, _line, *lines = [line for line in page.splitlines() if line.startswith("|")]
    shown = [re.fullmatch(r"\|.*\| `([\w/.]+)` \|", line) for line in lines]
    assert all(shown), [line for line, found in zip(lines, shown, strict=True) if not found]
    named = [found[1] for found in shown if found]
    # What is not here is a whole file of tests.
    listed = [name for name in named if name.startswith("test_")]
    for file in set(named) - set(listed):
        assert re.search(r"^def test_", (ROOT / file).read_text(), re.MULTILINE), file
    done = {
        name
        for file in (ROOT / "tests" / "fault" / "attacks").glob("test_*.py")
        for name in re.findall(r"^def (test_\w+)\(", file.read_text(), re.MULTILINE)
    }
    assert len(listed) == len(set(listed))
    assert set(listed) == done - NOT_ATTACKS
    assert done >= NOT_ATTACKS


def test_the_page_has_the_attacks_that_were_asked_for() -> None:
    """In these words."""
    attacks = " ".join(
        re.findall(r"^\| ([^|]+) \|", (ROOT / "docs" / "attacks.md").read_text(), re.MULTILINE)
    )
    for word in (
        "drop", "swap", "insert", "truncate the head", "truncate the tail", "rewrite an answer in the sidecar",
        "roll back the checkpoint", "under the valid key", "recreate the topic", "of the archive", "change a package",
        "flip any byte",
    ):  # fmt: skip
        assert word in attacks
