"""A gateway is asked until each of its workers was heard, or nothing is said of it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from itertools import count

import pytest

from audit.auditor.gateways import EACH, LEAST, workers_of
from audit.errors import ConfigError, LogUnavailable

URL = "http://gateway.test:3000/"


def ident(journal: str) -> str:
    """As long as an id."""
    return journal.rjust(32, "0")


def page(journal: str, *, workers: int | None, answers: int = 0, sequence: int = 5, epoch: int = 1) -> str:
    """What a worker's /metrics say."""
    journal = ident(journal)
    lines = [f"affiant_journal_epoch {epoch}.0", f"affiant_journal_sequence {sequence}.0"]
    if workers is not None:
        lines.append(f'affiant_workers{{journal="{journal}"}} {workers}.0')
    if answers:
        lines.append(f'affiant_recorded_answers_total{{journal="{journal}",status="200"}} {answers}.0')
    return "\n".join(lines) + "\n"


def served(draw: Callable[[int], str]) -> tuple[Callable[[str], str], list[str]]:
    """Gives `draw` the number of the request, from 0; and keeps what was asked for."""
    numbers, asked, lock = count(), [], threading.Lock()

    def get(url: str) -> str:
        with lock:
            asked.append(url)
            return draw(next(numbers))

    return get, asked


@pytest.mark.parametrize("workers", [1, 2, 8])
def test_each_worker_is_heard_although_one_takes_most(workers: int) -> None:
    """The first takes nine of ten requests; one that has answered nothing yet is heard as well."""
    others = [page(f"{number}", workers=workers, answers=number) for number in range(workers)]
    get, asked = served(lambda number: others[number // 10 % workers if number % 10 == 0 else 0])
    heard = workers_of(URL, get)
    assert [(each.journal, each.answers) for each in heard] == [(ident(f"{n}"), n) for n in range(workers)]
    assert set(asked) == {"http://gateway.test:3000/metrics"}
    assert LEAST + 4 * workers <= len(asked) <= LEAST + EACH * workers


def test_a_worker_that_is_never_heard_is_an_outage() -> None:
    """What it has answered is not known, so nothing is said of the gateway."""
    get, asked = served(lambda _: page("a", workers=2, answers=7))
    with pytest.raises(LogUnavailable, match="1 of 2 workers were heard"):
        workers_of(URL, get)
    assert len(asked) == LEAST + EACH * 2


def test_of_a_worker_the_newest_counts() -> None:
    """Requests that are answered together come in no order."""
    said = [
        page("a", workers=1, answers=3, sequence=9),
        page("a", workers=1, answers=2, sequence=9),
        page("a", workers=1, answers=9, sequence=8),
        page("a", workers=1, epoch=0, answers=50, sequence=4),
    ]
    get, _ = served(lambda number: said[number % 4])
    assert [each.answers for each in workers_of(URL, get)] == [3]


@pytest.mark.parametrize("journals", ["ab", "abc"])
def test_several_gateways_behind_one_address_are_none(journals: str) -> None:
    """Which of them have been heard whole nobody could tell."""
    get, _ = served(lambda number: page(journals[number % len(journals)], workers=1))
    with pytest.raises(LogUnavailable, match="give the address of each"):
        workers_of(URL, get)


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        (page("a", workers=None, answers=1), LogUnavailable, "an earlier version"),
        (page("a", workers=None), LogUnavailable, "an earlier version"),
        ("up 1\n", ConfigError, "not a gateway's with a journal"),
    ],
)
def test_what_does_not_say_how_many_it_has_is_refused(text: str, error: type[Exception], words: str) -> None:
    """It would be heard in part and told as whole."""
    with pytest.raises(error, match=words):
        workers_of(URL, lambda _: text)
