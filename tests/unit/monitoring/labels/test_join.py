"""Which rows have a truth: by record, by the client's id, in shadows, after corrections; and within bounds."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from monitoring.labels import Joined, Outcomes, Prediction, Task
from monitoring.labels.matched import Fits
from monitoring.panes import Of
from tests.unit.monitoring.labels.streams import (
    LIVE,
    SECOND,
    SHADOW,
    START,
    answers,
    label,
    prediction,
    record,
)

BINARY = Task("binary", ("good", "bad"), 0.5)


def joined(
    predictions: list[Prediction], labels: list[Any], task: Task = BINARY, **bounds: int
) -> tuple[dict[Of, Joined], int, Outcomes]:
    """All of it taken, in the order given."""
    outcomes = Outcomes("credit", **bounds)  # type: ignore[arg-type]
    for one in predictions:
        outcomes.predict(one.package, task, answers(one))
    for one in labels:
        outcomes.say(one)
    found, fits = outcomes.joined()
    return dict(found), fits.waiting, outcomes


def joined_of(predictions: list[Prediction], labels: list[Any]) -> tuple[Any, Fits]:
    """The same, with what is in no figure."""
    return joined(predictions, labels)[2].joined()


def truths(found: dict[Of, Joined], package: Of = LIVE) -> list[float | None]:
    """In the order of the rows."""
    return [None if math.isnan(one) else one for one in found[package].truth.tolist()]


def test_a_label_finds_its_record_and_its_row() -> None:
    """Among several, of which others have none."""
    found, waiting, _ = joined(
        [prediction(1, [0.1]), prediction(2, [0.2, 0.3, 0.4]), prediction(3, [0.5])],
        [label(3, "bad"), label(2, "good", row=1), label(9, "bad")],
    )
    assert truths(found) == [None, None, 0.0, None, 1.0]
    assert waiting == 1
    assert found[LIVE].known.tolist() == [0, 0, START + 3600 * SECOND, 0, START + 3600 * SECOND]


def test_a_label_without_a_row_is_not_guessed_to_be_of_any() -> None:
    """Of an answer of several rows, or of a row that it does not have."""
    found, waiting, _ = joined(
        [prediction(1, [0.1, 0.2]), prediction(2, [0.3])],
        [label(1, "bad"), label(2, "bad", row=1), label(2, "good", row=0)],
    )
    assert truths(found) == [None, None, 0.0]
    assert found[LIVE].rowless == 2
    assert waiting == 0


def test_a_clients_id_names_the_first_answer_to_it_in_each_package() -> None:
    """A retry counts as one without a label; of another service's requests nothing is known here."""
    predictions = [
        prediction(1, [0.1], request_id="a"),
        prediction(2, [0.2], request_id="a"),
        prediction(3, [0.3], request_id="b"),
        prediction(4, [0.4], request_id="a", package=SHADOW),
    ]
    said = [label("a", "bad"), label("b", "bad", service="other"), label("c", "bad")]
    found, waiting, outcomes = joined(predictions, said)
    assert truths(found) == [1.0, None, None]
    assert truths(found, SHADOW) == [1.0]
    assert (waiting, outcomes.foreign) == (1, 1)


def test_a_label_of_a_live_answers_record_holds_for_its_shadow() -> None:
    """Both are of one request: of one journal and one time of arrival; and the other way round."""
    predictions = [
        prediction(1, [0.1]),
        prediction(7, [0.9], package=SHADOW, time_ns=START + SECOND),
        prediction(2, [0.2]),
        prediction(8, [0.8], package=SHADOW, time_ns=START + 2 * SECOND),
        prediction(9, [0.7], package=SHADOW, time_ns=START + SECOND, record_id=record(9, bytes(16))),
    ]
    found, waiting, _ = joined(predictions, [label(1, "bad"), label(8, "good")])
    assert truths(found) == [1.0, 0.0]
    shadow = found[SHADOW]
    assert dict(zip(shadow.scores[:, 0].round(1).tolist(), truths(found, SHADOW), strict=True)) == {
        np.float32(0.9).round(1): 1.0, np.float32(0.7).round(1): None, np.float32(0.8).round(1): 0.0,
    }  # fmt: skip
    assert waiting == 0


def test_of_several_labels_the_one_that_was_known_last_holds() -> None:
    """Then the one that was logged last; by whichever name; each row counts once."""
    one = prediction(1, [0.1], request_id="a")
    old, new = label(1, "good", known_ns=START + 1), label("a", "bad", known_ns=START + 2)
    late = label("a", "good", known_ns=START + 2, logged_ms=START // 10**6 + 9)
    early = label(1, "good", known_ns=START + 1, logged_ms=START // 10**6 + 99)
    for said, truth in (
        ([old], 0.0), ([old, new], 1.0), ([new, old], 1.0), ([new, old, new, new], 1.0),
        ([late, new, old], 0.0), ([new, late], 0.0), ([new, early], 1.0), ([early, new], 1.0),
    ):  # fmt: skip
        found, _, _ = joined([one], list(said))
        assert truths(found) == [truth], said
        assert int(found[LIVE].labelled.sum()) == 1
    assert joined([one], [new, old, new, new])[2].repeated == 2


def test_answers_that_are_said_again_are_there_once() -> None:
    """As after a replay of the log."""
    outcomes = Outcomes("credit")
    for _ in range(3):
        outcomes.predict(LIVE, BINARY, answers(prediction(1, [0.1, 0.2]), prediction(2, [0.3])))
        outcomes.say(label(2, "bad"))
        assert truths(dict(outcomes.joined()[0])) == [None, None, 1.0]


@pytest.mark.parametrize(
    ("task", "value", "truth"),
    [
        (BINARY, "bad", 1.0), (BINARY, "good", 0.0), (BINARY, True, 1.0), (BINARY, False, 0.0),
        (BINARY, "nobody", None), (BINARY, 1, None), (Task("binary", ("0", "1")), 1, 1.0),
        (Task("binary", ("0", "1")), "1.0", 1.0),
        (Task("binary", ("0", "1")), 0.0, 0.0), (Task("binary", ("0", "1")), 0.5, None),
        (Task("multiclass", ("a", "b", "c")), "c", 2.0), (Task("multiclass", ("1", "2", "3")), 3, 2.0),
        (Task("multiclass", ("true", "false", "x")), True, 0.0), (Task("multiclass", ("1", "2", "3")), True, None),
        (Task("regression"), 2.5, 2.5), (Task("regression"), "2.5", 2.5), (Task("regression"), "much", None),
        (Task("regression"), True, None), (Task("regression"), "nan", None), (Task("regression"), "inf", None),
    ],
)  # fmt: skip
def test_a_labels_value_is_a_class_or_a_number_of_the_task(
    task: Task, value: Any, truth: float | None
) -> None:
    """And what is none is counted, and is no truth."""
    found, _, _ = joined([prediction(1, [[0.5] * task.outputs])], [label(1, value)], task)
    assert truths(found) == [truth]
    assert found[LIVE].unreadable == int(truth is None)
    assert bool(found[LIVE].known[0]) == (truth is not None)


def test_true_and_one_stay_two_labels() -> None:
    """Although Python takes them for one key."""
    found, _, _ = joined([prediction(1, [0.1]), prediction(2, [0.2])], [label(1, 1), label(2, True)])
    assert truths(found) == [None, 1.0]


def test_only_the_newest_are_kept() -> None:
    """By number, and by age in the log's time; what a clock far ahead says pushes nothing out."""
    predictions = [prediction(n, [n / 100]) for n in range(50)]
    said = [label(n, "bad", known_ns=START + n) for n in range(50)]
    found, _, outcomes = joined(predictions, said, most_requests=10, most_labels=5)
    assert found[LIVE].scores[:, 0].tolist() == [np.float32(n / 100) for n in range(40, 50)]
    assert truths(found) == [None] * 5 + [1.0] * 5
    assert outcomes.dropped == (40, 45)
    found, _, _ = joined(predictions, [], window=9 * SECOND)
    assert len(found[LIVE].time) == 9
    ahead = prediction(99, [0.99], time_ns=START + 10 * 86_400 * SECOND)
    ahead = type(ahead)(
        **{**{name: getattr(ahead, name) for name in ahead.__slots__}, "logged_ms": START // 10**6}
    )
    found, _, _ = joined([*predictions, ahead], [], window=86_400 * SECOND)
    assert len(found[LIVE].time) == 50


def test_what_serves_no_more_is_not_joined_and_still_leads_to_its_shadows() -> None:
    """A label of a record of the package before is about the same request; and it looks not like a label of nobody."""
    outcomes = Outcomes("credit")
    outcomes.predict(LIVE, BINARY, answers(prediction(1, [0.1]), prediction(2, [0.2], request_id="a")))
    outcomes.predict(SHADOW, BINARY, answers(prediction(7, [0.9], package=SHADOW, time_ns=START + SECOND)))
    outcomes.serve([SHADOW], 0)
    outcomes.say(label(1, "bad"))
    outcomes.say(label("a", "bad"))
    outcomes.say(label(99, "bad"))
    found, fits = outcomes.joined()
    assert set(found) == {SHADOW}
    assert truths(dict(found), SHADOW) == [1.0]
    assert fits == Fits(waiting=1, no_row=0, no_class=0)
    outcomes.serve([LIVE, SHADOW], 0)  # it was brought back: what it answered is there
    assert truths(dict(outcomes.joined()[0])) == [1.0, 1.0]


def test_answers_and_labels_age_by_what_is_now_whoever_answers() -> None:
    """A package that answers no more goes as a whole when its answers are too old; so does what was said of them."""
    outcomes = Outcomes("credit", window=100 * SECOND)
    outcomes.predict(LIVE, BINARY, answers(*(prediction(n, [0.1]) for n in range(10))))
    outcomes.say(label(1, "bad", known_ns=START + 1 * SECOND))
    outcomes.say(label(5, "bad", known_ns=START + 5 * SECOND))
    for after, kept in ((103, 7), (105, 5), (108, 2), (120, 0)):
        outcomes.serve([SHADOW], (START + after * SECOND) // 10**6)
        found, fits = outcomes.joined()
        assert (dict(found), fits) == ({}, Fits(0, 0, 0)), after
        assert outcomes.dropped == (10 - kept, 0)
    assert list(outcomes) == []


def test_of_what_serves_no_more_no_more_is_kept_than_of_one_that_does() -> None:
    """However many have served: the newest."""
    outcomes = Outcomes("credit", most_requests=10)
    outcomes.serve([LIVE], 0)
    for number in range(6):
        package = Of("credit", f"sha256:{number:064x}", "live")
        outcomes.predict(
            package, BINARY,
            answers(*(prediction(100 * number + n, [0.1], package=package) for n in range(4))),
        )  # fmt: skip
    assert [int(each.digest[7:], 16) for each in outcomes] == [4, 5]
    outcomes.predict(LIVE, BINARY, answers(*(prediction(n, [0.1]) for n in range(9))))
    assert [int(each.digest[7:], 16) for each in outcomes if each != LIVE] == [4, 5]
    outcomes.serve([], 0)  # it was older, and more
    assert [int(each.digest[7:], 16) for each in outcomes] == [4, 5]
    assert outcomes.dropped == (25, 0)


def test_each_label_that_is_in_no_figure_is_counted_once() -> None:
    """Though live and its shadow both answered; what is a row or a class of one of them is none of these."""
    time = {"time_ns": START + SECOND}
    predictions = [
        prediction(1, [0.1, 0.2]),
        prediction(7, [0.3, 0.4], package=SHADOW, **time),
        prediction(2, [0.5]),
        prediction(8, [0.5], package=SHADOW, time_ns=START + 2 * SECOND),
    ]
    said = [
        label(1, "bad"), label(1, "nobody", row=1), label(2, "nobody", known_ns=START),
        label(2, "good", row=0, known_ns=START + 1), label("x", "bad"), label(1, "bad", row=2),
    ]  # fmt: skip
    _, fits = joined_of(predictions, said)
    assert fits == Fits(waiting=1, no_row=2, no_class=1)
