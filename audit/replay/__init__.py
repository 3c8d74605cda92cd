"""Replay: logged requests are answered again, by the same model, and held against what was answered then.

The auditor's room knows no model: it is handed a `Predictor` (service/replaying.py is the gateway's own).
`replay` gives a verdict for every answer; `against` says what another model would have answered.

A verdict is about bytes. `identical` can be believed however the bytes came about: the package of the recorded
digest, given the recorded request, wrote the recorded answer again. What is not identical is `within tolerance`
(by the package's own bound, measured on its golden rows where the replay runs) or `different`, and then the
reason is told as far as it is known. `not replayable` is what no model answered (refused and aborted requests),
what cannot be read any more (payloads that are not there), and explanations that the runtime cannot make.
"""

from __future__ import annotations

from .against import Compared, Comparison, against
from .base import Answerer, Difference, Logged, Number, Predictor, Question, Ran, Unanswerable
from .run import replay
from .source import Part, Source
from .verdict import Judged, Summary, Verdict

__all__ = [
    "Answerer",
    "Compared",
    "Comparison",
    "Difference",
    "Judged",
    "Logged",
    "Number",
    "Part",
    "Predictor",
    "Question",
    "Ran",
    "Source",
    "Summary",
    "Unanswerable",
    "Verdict",
    "against",
    "replay",
]
