"""From the log's entries to matrices: what packages were asked, and what they answered.

    heads     a batch's entries as columns
    blocks    the payloads of one package's answers as matrices
    external  what they need and the log does not have
    answers   scores out of a response
    packages  what is needed of a package, and where it is had from
    reasons   why a record could not be counted

Nothing that stands in a log can raise an error here, or stop what is behind it: it is counted by reason.
"""

from __future__ import annotations

from .blocks import Block, BlockReader
from .external import External, Opener
from .heads import HeadReader, Heads, Whose
from .packages import Named, Packages, Profile, StorePackages
from .reasons import Reason

__all__ = [
    "Block",
    "BlockReader",
    "External",
    "HeadReader",
    "Heads",
    "Named",
    "Opener",
    "Packages",
    "Profile",
    "Reason",
    "StorePackages",
    "Whose",
]
