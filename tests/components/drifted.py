"""A drift report of credit applicants, of whom one attribute has changed its unit: judged for real, without a log.

python -m tests.components.drifted docs/pictures/drift-report.png      # the README's picture: its beginning
"""

from __future__ import annotations

import base64
import sys
import tempfile
from pathlib import Path
from typing import Final

import numpy as np

from monitoring.judging import judged_by
from monitoring.judging.evidence import Where, judge_panes, written
from monitoring.judging.judging import Taken
from monitoring.panes import Of
from monitoring.panes.build import Counting
from monitoring.read import Profile
from monitoring.report import Kept, page, shares_of
from registry.runtimes import load
from registry.table import encode, model_rows
from tests.components.chromium import Chromium
from tests.components.packages import credit_package, credit_table

_PANES: Final = 10
_ROWS: Final = 250
UNIT: Final = "duration_in_month"
"""Told in days from now on, as in the demo."""


def drift_page() -> str:
    """The page."""
    package = credit_package()
    signature, profile = package.signature, Profile.of(package)
    random = np.random.default_rng(11)
    known = encode(credit_table().frame, signature)
    (place,) = (at for at, each in enumerate(signature.features) if each.name == UNIT)
    of = Of("credit", package.digest, "live")
    model = load(package)
    panes = []
    for number in range(_PANES):
        rows = known[random.integers(0, len(known), _ROWS)].copy()
        rows[:, place] *= 30
        counting = Counting.of(profile)
        scores = np.asarray(model.predict(model_rows(rows, signature)), np.float32).reshape(len(rows), -1)
        counting.add(rows, scores, np.full(len(rows), 2_000_000, np.int64))
        panes.append(Taken(0, number, 1_790_000_000_000 + 1000 * number, counting.tally()))
    judging, places = judge_panes(profile, judged_by(None, "credit"), panes)
    evidence = written(of, judging, places, Where("5e" * 16, 256, {}))
    features = {each.name: each for each in signature.features}
    shares = {
        column.name: shares_of(column, counts, features.get(column.name))
        for column, counts in judging.counts()
    }
    return page(
        evidence,
        shares,
        name=signature.name,
        threshold=judging.threshold,
        span="up to 2026-11-26 04:59:58 UTC; the window begins at 2026-11-26 04:59:49 UTC",
        kept=Kept(evidence, "drift.html", "Made 2026-11-26 05:00:00 UTC"),
    )


def picture(file: Path) -> None:
    """The page down to the first plot, as a desk shows it, at two thirds of its size."""
    with tempfile.TemporaryDirectory() as directory, Chromium(Path(directory) / "chromium") as browser:
        path = Path(directory) / "drift.html"
        path.write_text(drift_page(), encoding="utf-8")
        browser.show(1120)
        browser.open(path)
        bottom = browser.evaluate(
            "return document.querySelector('section.column').getBoundingClientRect().bottom"
        )
        clip = {"x": 0, "y": 0, "width": 1105, "height": bottom + 12, "scale": 0.67}
        shot = browser.devtools("Page.captureScreenshot", {"captureBeyondViewport": True, "clip": clip})
        file.write_bytes(base64.b64decode(shot["data"]))


if __name__ == "__main__":
    picture(Path(sys.argv[1]))
