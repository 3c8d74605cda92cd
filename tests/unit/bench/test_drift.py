"""What bench/drift.py counts with: episodes, delays and their median."""

from __future__ import annotations

import numpy as np
from harness import drift
from harness.drift_rules import PANE, WIDTH, Default, Evidently, Fixed, Judged, Tolerance, normal, watched


class Scripted:
    """Alarms on the first feature at given checks; answers only at every second one."""

    name, every = "scripted", 2 * PANE

    def __init__(self, fires: set[int]) -> None:
        self.fires, self.check = fires, -1

    def take(self, block: np.ndarray) -> np.ndarray | None:
        assert block.shape == (PANE, WIDTH)
        self.check += 1
        return None if self.check % 2 == 0 else np.arange(WIDTH) == (0 if self.check in self.fires else -1)


def silent(_: str) -> None:
    pass


def test_an_episode_is_counted_where_it_begins() -> None:
    """Three checks in a row are one; a pane without a check neither ends nor begins one."""
    found = drift._episodes([lambda: Scripted({1, 3, 5, 9})], 12, 0, silent)
    assert found == {"scripted": (12 * PANE, 2)}


def test_a_delay_is_counted_to_the_end_of_the_pane_that_alarmed() -> None:
    """From the first shifted record; a feature that never alarmed is missed and later than all."""
    found = drift._delays([lambda: Scripted({43})], 1.0, 1, silent)["scripted"]
    assert found[0] == 4 * PANE
    assert np.isinf(found[1:]).all()
    assert drift._said(found[:1]) == "1,000"
    assert drift._said(found) == "never (97% missed)"
    assert drift._said(np.array([250.0, 500.0, np.inf])) == "500 (33% missed)"
    assert drift._said(found[1:]) == "never"


def test_the_policies_see_the_same_panes_and_check_when_they_say() -> None:
    """A fixed window answers at every fourth pane, ours at each; one σ is seen by all of them within two windows."""
    of = watched(0)
    for policy in (Fixed(of, "KS p < 0.05"), Fixed(of, "PSI ≥ 0.2"), Tolerance(of, 0.03), Judged(of, 4)):
        answers = [policy.take(normal(900 + check, PANE) + np.float32(1)) for check in range(8)]
        assert [answer is not None for answer in answers] == [
            (check + 1) * PANE % policy.every == 0 for check in range(8)
        ]
        assert answers[-1].all()
    assert Evidently.every == Fixed.every == 1_000


def test_the_defaults_are_the_products() -> None:
    """Panes of 256 out of blocks of 250, and a window of eight: it answers as one does that is given those."""
    of = watched(0)
    ours, same = Default(of), Judged(of, 8)
    assert (ours.every, "in 2,000, every 256" in ours.name) == (256, True)
    stream = np.concatenate([normal(800 + at, PANE) + np.float32(at > 11) for at in range(24)])
    for at in range(24):
        found = ours.take(stream[at * PANE : (at + 1) * PANE])
        begin, end = at * PANE // 256, (at + 1) * PANE // 256
        wanted = [same.take(stream[pane * 256 : (pane + 1) * 256]) for pane in range(begin, end)]
        assert (found is not None) == bool(wanted)
        assert found is None or (found == wanted[-1]).all()
    assert found is None or found.all()
    assert same.take(stream[-256:]).all()
