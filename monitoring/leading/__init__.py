"""The monitor that leads: judges what all monitors have counted.

life        one package in its slot; a canary beside live
aggregate   panes in, standings and evidence out
state       what a restart goes on from
"""

from .aggregate import Aggregate
from .life import Comparing, Life, Told
from .state import restore, state_of

__all__ = ["Aggregate", "Comparing", "Life", "Told", "restore", "state_of"]
