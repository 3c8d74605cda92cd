"""Late labels: joined with the predictions that they are about, and what they say of a package. Pure.

outcomes = Outcomes("credit")                            one a service
outcomes.predict(package, Task.of(signature), answers)   as answers are read from the log
outcomes.say(label)                                      as labels are
found, waiting = outcomes.joined()                       rows with their truths, by package
cohorts(found[package], 24 * HOUR)                       metrics with intervals, coverage, delays
concept(found[package])                                  whether the error has changed
compare(found[live], found[shadow])                      on the same requests, paired
favoured(found[package], "negative")                     decisions by group (monitoring/groups.py)
"""

from __future__ import annotations

from typing import Final

from .block import Answers, Label, Prediction, answers_of
from .concept import Change, Concept, concept
from .fair import favoured
from .join import Joined, Outcomes
from .performance import Cohort, Compared, Difference, Estimate, cohorts, compare
from .task import Task

HOUR: Final = 3600 * 10**9
"""ns."""

__all__ = [
    "HOUR",
    "Answers",
    "Change",
    "Cohort",
    "Compared",
    "Concept",
    "Difference",
    "Estimate",
    "Joined",
    "Label",
    "Outcomes",
    "Prediction",
    "Task",
    "answers_of",
    "cohorts",
    "compare",
    "concept",
    "favoured",
]
