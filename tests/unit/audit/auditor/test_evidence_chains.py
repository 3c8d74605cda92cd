"""Which entries a bundle takes along so that gateways swear to its records: under a budget, most for least."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from inspect import signature
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.archive import Archive, Part
from audit.auditor.chains import BUDGET, Place, choose
from audit.auditor.evidence import Held, Selection, make_bundle, select_range, select_records, select_who
from audit.auditor.index import Index
from audit.auditor.records import Records
from audit.config import load
from audit.proof.bundle import parse_bundle_file
from audit.proof.evidence import Shown, verify_bundle
from audit.proof.record import parse_record
from audit.trees import configured_trees
from cli.audit_bundle import bundle as command

sys.path.insert(0, str(Path(__file__).resolve().parents[4] / "bench"))
from harness import sealed as harness

SIZE, EVERY = 1_050, 100
"""Records; a heartbeat after so many: nothing is signed after record 1,000."""
PLACE: Place = (bytes(16), 0)
JOURNAL = b"\x01" * 16
OTHER = b"\x02" * 16


# ---------------------------------------------------------------- the choice


def chosen(wanted: list[int], signed: list[int], budget: int) -> tuple[set[int], list[int]]:
    """Sequences that are taken along besides those asked for, and signed entries that are there alone."""
    spans, ends, _ = choose({PLACE: {JOURNAL: wanted}}, {PLACE: {JOURNAL: signed}}, budget)
    taken = {each for span in spans for each in range(span.first, span.signed + 1)}
    return taken - set(wanted), [span.signed for span in ends]


def test_each_record_is_led_to_the_next_signed_entry_of_its_journal() -> None:
    """Records between the same two signatures share the way; what is asked for costs nothing."""
    assert chosen([3, 5, 12], [0, 7, 15, 20], 99) == ({4, 6, 7, 13, 14, 15}, [])
    assert chosen([3, 4, 5, 6, 7], [7], 0) == (set(), [])
    assert chosen([7], [0, 7], 0) == (set(), [])


def test_what_is_not_signed_yet_costs_nothing() -> None:
    """There is no entry that it could be led to."""
    assert chosen([8, 9], [0, 7], 99) == (set(), [])
    assert chosen([8, 9], [], 99) == (set(), [])


def test_the_budget_goes_where_it_brings_most_records_under_a_signature() -> None:
    """The near ones of each signature first; a dear one with many cheap ones behind it is not passed by."""
    near_and_far = [40, 90, 140, 190, 240, 290]
    assert chosen(near_and_far, [100, 200, 300], 30) == (
        {*range(91, 101), *range(191, 201), *range(291, 301)}, [300],
    )  # fmt: skip
    many = [*range(10, 40), 140]
    assert chosen(many, [50, 150], 11) == (set(range(40, 51)), [150])
    assert chosen(many, [50, 150], 21) == ({*range(40, 51), *range(141, 151)}, [])


def test_a_journal_whose_records_are_left_out_shows_that_it_signed_later() -> None:
    """Its signed entry after the last of them is there alone: who reads the bundle sees why."""
    assert chosen([3, 13, 23], [10, 20, 30], 6) == (set(), [30])
    spans, ends, _ = choose({PLACE: {JOURNAL: [3], OTHER: [4]}}, {PLACE: {JOURNAL: [10], OTHER: [10]}}, 6)
    assert [(span.journal, span.first) for span in spans] == [(OTHER, 4)]
    assert [(span.journal, span.first, span.signed) for span in ends] == [(JOURNAL, 10, 10)]


def test_the_trees_of_a_bundle_share_the_budget() -> None:
    """Where the way is shorter it is taken, whichever partition that is in."""
    elsewhere: Place = (bytes(16), 1)
    wanted = {PLACE: {JOURNAL: [3]}, elsewhere: {JOURNAL: [3, 4]}}
    signed = {PLACE: {JOURNAL: [10]}, elsewhere: {JOURNAL: [10]}}
    for budget, places in ((5, []), (6, [elsewhere]), (12, [elsewhere]), (13, [PLACE, elsewhere])):
        made = choose(wanted, signed, budget)
        assert [span.place for span in made.spans] == places
        assert {span.place for span in made.ends} == {PLACE, elsewhere} - set(places)
        assert made.needed == 13


@given(
    st.sets(st.integers(0, 80), min_size=1, max_size=12), st.sets(st.integers(0, 80), max_size=6), st.integers(0, 60)
)  # fmt: skip
def test_no_budget_is_exceeded_and_none_is_wasted(wanted: set[int], signed: set[int], budget: int) -> None:
    """What is taken leads to signatures without a gap; where all fits, all is taken."""
    taken, _ = chosen(sorted(wanted), sorted(signed), budget)
    assert len(taken) <= budget
    there = taken | wanted
    led = {each for each in wanted if _is_led(each, there, signed)}
    needed = {each for record in wanted if (way := _way(record, signed)) for each in way} - wanted
    assert taken <= {each for record in led for each in _way(record, signed)}, "nothing for nobody"
    assert choose({PLACE: {JOURNAL: sorted(wanted)}}, {PLACE: {JOURNAL: sorted(signed)}}, 0).needed == len(
        needed
    )
    if len(needed) <= budget:
        assert taken == needed


def _way(record: int, signed: set[int]) -> range:
    stop = min((each for each in signed if each >= record), default=record - 1)
    return range(record, stop + 1)


def _is_led(record: int, there: set[int], signed: set[int]) -> bool:
    way = _way(record, signed)
    return bool(way) and set(way) <= there


def test_the_command_has_the_same_budget() -> None:
    """Its help is shown without what reads an index."""
    assert signature(command).parameters["chain"].default == BUDGET


# ---------------------------------------------------------------- bundles of a sealed log


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[harness.SealedLog, Records]]:
    """One journal, a heartbeat each hundred records; fifty callers by turns."""
    root = tmp_path_factory.mktemp("chains") / "log"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(harness, "HEARTBEAT", EVERY)
        made = harness.write_sealed_log(root, SIZE, tail=60)
    trees = configured_trees(load(root / "affiant.toml"))
    with Index(root / "index", trees.trust.name) as index:
        records = Records(trees, Archive(trees.objects), index)
        records.refresh()
        yield made, records


def shown(
    world: tuple[harness.SealedLog, Records], selection: Selection, budget: int = BUDGET
) -> tuple[Shown, bytes, list[tuple[str, int, int]]]:
    """What the bundle shows, the bundle, and what was said while it was made: (what, of how many, done)."""
    said: list[list] = []

    def begin(what: str, total: int):
        said.append([what, total, 0])

        def done(count: int, at: int = len(said) - 1) -> None:
            said[at][2] += count

        return done

    made = make_bundle(
        world[1], selection, lambda _: Held(None), by="test", clock=lambda: datetime(2026, 1, 2, tzinfo=UTC),
        budget=budget, begin=begin,
    )  # fmt: skip
    raw = made.bundle.encode()
    found = verify_bundle(raw, world[0].vkey)
    assert found.flaws == []
    return found, raw, [tuple(each) for each in said]


def a_caller(world: tuple[harness.SealedLog, Records]) -> tuple[str, list[int]]:
    """The caller of record 40, and its offsets: the 40th and the 90th of each hundred."""
    (caller,) = world[1].index.select('SELECT caller FROM entries WHERE "offset" = 40')[0]
    rows = world[1].index.select('SELECT "offset" FROM entries WHERE caller = ? ORDER BY ALL', [caller])
    offsets = [each for (each,) in rows]
    assert offsets == list(range(40, SIZE, 50))
    return caller, offsets


def test_a_callers_records_come_with_their_gateways_signatures(world) -> None:
    """All but the one that no heartbeat follows yet; the payloads of others stay where they are."""
    caller, offsets = a_caller(world)
    found, raw, _ = shown(world, select_who(world[1], "caller", caller))
    journals = found.journals
    assert (journals.asked, journals.asked_sworn) == (21, 20)
    assert (journals.left_out, journals.not_signed, journals.no_key) == (0, 1, 0)
    (tree,) = parse_bundle_file(raw)[0].trees
    there = [each.offset for each in tree.records]
    assert there == sorted(
        {0, 1_040, *(at for record in offsets[:-1] for at in _way(record, set(range(0, 1_001, EVERY))))}
    )
    assert {each.offset for each in tree.records if parse_record(each.record).payload} <= set(offsets)
    assert any("1: no later entry that their gateway has signed" in line for line in found.not_shown())


def test_a_budget_is_of_the_whole_bundle_and_what_it_left_out_is_counted(world) -> None:
    """The record before each heartbeat costs ten entries, the one before it fifty more."""
    caller, offsets = a_caller(world)
    for budget, sworn in ((0, 0), (9, 0), (10, 1), (35, 3), (100, 10), (148, 10), (149, 11), (590, 20)):
        found, raw, _ = shown(world, select_who(world[1], "caller", caller), budget)
        assert (found.journals.asked_sworn, found.journals.left_out) == (sworn, 20 - sworn), budget
        assert found.journals.not_signed == 1
        (tree,) = parse_bundle_file(raw)[0].trees
        alone = (
            0 if sworn == 20 else 1
        )  # the signed entry after the last that is left out, when it is not there
        assert len(tree.records) <= len(offsets) + 1 + budget + alone
    assert any(
        "the entries from them" in line
        for line in shown(world, select_who(world[1], "caller", caller), 10)[0].not_shown()
    )


def test_a_range_ends_with_the_next_signature(world) -> None:
    """It was cut off at its last record before."""
    found, raw, _ = shown(world, select_range(world[1], world[0].tree.topic, 0, 130, 151))
    assert (found.journals.asked, found.journals.asked_sworn, found.complete) == (21, 21, True)
    (tree,) = parse_bundle_file(raw)[0].trees
    assert [each.offset for each in tree.records] == [0, *range(130, 201)]
    assert found.without_payload == 0, "of those that were asked for none is without its payload"


def test_a_record_far_from_its_signature_is_led_to_it(world) -> None:
    """As far as the budget goes; there is no other bound."""
    one = select_records(world[1], [world[0].record(101)])
    assert shown(world, one, 99)[0].journals.asked_sworn == 1
    found = shown(world, one, 98)[0]
    assert (found.journals.asked_sworn, found.journals.left_out) == (0, 1)


@pytest.mark.timeout(30)
def test_no_range_of_a_file_is_walked(world) -> None:
    """Its name may say any: one that says all offsets that there are holds nobody up."""
    made, records = world
    last = records.archive.files(Part.PAYLOADS, made.tree.topic, 0)[-1]
    odd = made.store / replace(last, first=last.end, end=(1 << 63) - 1).name
    odd.parent.mkdir(parents=True, exist_ok=True)
    odd.write_bytes(b"")
    try:
        for offset, gone in (
            (7, 0),
            (SIZE - 2, 1),
        ):  # in front of it, and within its range, where there is nothing
            assert shown(world, select_records(records, [made.record(offset)]))[0].without_payload == gone
    finally:
        odd.unlink()


def test_records_are_named_once(world) -> None:
    """However often they were asked for; in the order in which they were."""
    names = [world[0].record(each) for each in (7, 5, 7, 5)]
    found, raw, _ = shown(world, select_records(world[1], names))
    assert parse_bundle_file(raw)[0].selection["value"] == ",".join(names[:2])
    assert found.trees[0].records == 2
    assert found.complete


def test_the_report_says_over_how_many_no_gateway_has_signed(world) -> None:
    """In the words of the verifier, with the reasons."""
    caller, _ = a_caller(world)
    found, raw, _ = shown(world, select_who(world[1], "caller", caller), 10)
    text = parse_bundle_file(raw)[0].report.decode()
    assert "20 of these 21" in text
    for why in found.journals.why():
        assert why.replace("'", "&#x27;") in text


def test_what_is_done_is_said_stage_by_stage(world) -> None:
    """Of how many, and never more than that."""
    caller, offsets = a_caller(world)
    said = shown(world, select_who(world[1], "caller", caller))[2]
    assert [what for what, *_ in said] == ["records", "signatures", "payloads", "proofs"]
    way = 590 + len(offsets) - 1  # what is asked for is on it, too; nothing leads from the last record yet
    assert [total for _, total, _ in said] == [len(offsets), way, len(offsets), len(offsets) + 591]
    assert [done for *_, done in said] == [total for _, total, _ in said]
