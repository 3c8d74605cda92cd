"""Whoever reads which partition first: the panes come in one order."""

from __future__ import annotations

from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from monitoring.order import Order


class Pane(NamedTuple):
    partition: int
    number: int
    time: int


@st.composite
def logs(draw: st.DrawFn) -> list[list[Pane]]:
    """Partitions, each with panes whose times do not fall."""
    found = []
    for partition in range(draw(st.integers(1, 4))):
        steps = draw(st.lists(st.integers(0, 3), max_size=6))
        time, panes = 0, []
        for number, step in enumerate(steps):
            time += step
            panes.append(Pane(partition, number, time))
        found.append(panes)
    return found


@st.composite
def readings(draw: st.DrawFn) -> tuple[list[list[Pane]], list[int]]:
    """A log, and from which partition the next pane is read each time."""
    log = draw(logs())
    turns = [partition for partition, panes in enumerate(log) for _ in panes]
    return log, draw(st.permutations(turns))


@given(readings())
def test_the_order_does_not_depend_on_who_was_read_first(reading: tuple[list[list[Pane]], list[int]]) -> None:
    """Time, partition, number; each pane once; nothing is late."""
    log, turns = reading
    order: Order[Pane] = Order(range(len(log)))
    rest = [list(panes) for panes in log]
    given_out: list[Pane] = []
    for turn in turns:
        order.take(rest[turn].pop(0))
        given_out += order.ready()
    for partition in range(len(log)):
        order.read_to_end(partition, 10**6)
    given_out += order.ready()
    assert given_out == sorted(
        (pane for panes in log for pane in panes), key=lambda p: (p.time, p.partition, p.number)
    )
    assert order.late == 0
    assert len(order) == 0


@given(readings())
def test_nothing_is_given_out_that_an_older_pane_could_still_come_before(
    reading: tuple[list[list[Pane]], list[int]],
) -> None:
    """At each moment: no pane that was not taken yet sorts before one that was given out."""
    log, turns = reading
    order: Order[Pane] = Order(range(len(log)))
    rest = [list(panes) for panes in log]
    for turn in turns:
        order.take(rest[turn].pop(0))
        for pane in order.ready():
            for panes in rest:
                assert all(
                    (pane.time, pane.partition, pane.number) < (p.time, p.partition, p.number) for p in panes
                )
