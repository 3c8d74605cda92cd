"""What waits, what is late."""

from __future__ import annotations

from typing import NamedTuple

from monitoring.order import Order


class Pane(NamedTuple):
    partition: int
    number: int
    time: int


def test_a_lone_partition_waits_for_nobody() -> None:
    """Its panes come in their own order at once."""
    order: Order[Pane] = Order([3])
    order.take(Pane(3, 0, 5))
    assert list(order.ready()) == [Pane(3, 0, 5)]


def test_a_silent_partition_holds_the_others_until_it_was_read_to_its_end() -> None:
    """Then it is known to have nothing older."""
    order: Order[Pane] = Order([0, 1])
    order.take(Pane(0, 0, 5))
    assert list(order.ready()) == []
    order.read_to_end(1, 5)
    assert list(order.ready()) == []  # something of that very moment may come
    order.read_to_end(1, 6)
    assert list(order.ready()) == [Pane(0, 0, 5)]


def test_a_late_pane_is_given_out_and_counted() -> None:
    """Nothing is dropped because somebody's clock was wrong."""
    order: Order[Pane] = Order([0, 1])
    order.read_to_end(1, 100)
    order.take(Pane(0, 0, 50))
    assert list(order.ready()) == [Pane(0, 0, 50)]
    order.read_to_end(0, 200)
    order.take(Pane(1, 0, 40))
    assert list(order.ready()) == [Pane(1, 0, 40)]
    assert order.late == 1
