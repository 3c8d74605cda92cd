"""Messages of a trouble that lasts: one of each kind, and no more remembered than there is room for."""

from __future__ import annotations

from audit.news import MOST, News


def letters(number: int) -> str:
    """A word of its own for each number, without a digit."""
    return "".join(chr(ord("a") + int(digit)) for digit in str(number))


def test_messages_that_differ_in_their_numbers_alone_are_one() -> None:
    """Until it is forgotten."""
    news = News()
    assert [news(f"port {at}: object at {at + 4096:#x} is away") for at in range(3)] == [True, False, False]
    assert news("refused")
    assert [news.forget(), news.forget()] == [True, False]
    assert news("refused")


def test_a_source_that_says_something_else_each_time_takes_no_more_room() -> None:
    """What it says again and again stays known; what was said least lately is forgotten."""
    news = News()
    assert news("refused")
    for at in range(1000):
        assert news(f"trace {letters(at)}")
        assert not news("refused")
        assert len(news._said) <= MOST
    assert not news(f"trace {letters(1000 - MOST + 1)}")
    assert news(f"trace {letters(0)}")
