"""From counted panes to what is said of them.

limits     a policy's section, as the detectors take it
judging    one package: panes in, standings and figures out
evidence   the same over a range of panes, begun anew: what anybody can compute again
served     since when a package has its place
"""

from .evidence import Basis, evidence_of_panes
from .judging import Judging
from .limits import Judged, judged_by

__all__ = ["Basis", "Judged", "Judging", "evidence_of_panes", "judged_by"]
