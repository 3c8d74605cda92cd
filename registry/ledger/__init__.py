"""What the governance log says, as far as it was read: kept by digest, and read on from where it was.

`mentions` tells quickly what an entry may be about, `index` keeps that, in memory and as bytes for a file, and `ledger`
answers from it: an entry is read whole, and its signature checked, when somebody asks for what it is about.
"""

from .index import Covered, Index, IndexDamaged
from .ledger import Ledger

__all__ = ["Covered", "Index", "IndexDamaged", "Ledger"]
