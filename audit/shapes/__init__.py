"""Entries that are alike are read together: thousands at once, as the columns of a matrix of their bytes.

A journal's entries are of a few shapes: the same keys, with values of the same forms and lengths, so that each field
stands in the same place. What one of them is was read strictly (audit/proof/entry.py); that others are of its shape
is seen by comparing bytes, and then their fields are columns. Whoever reads one entry has no use for this.
"""

from .alike import Alike, Sorted, Sorter
from .shape import Shape

__all__ = ["Alike", "Shape", "Sorted", "Sorter"]
