"""How large an object can be, by its name. A store may have been filled by somebody else: what is larger than an object
of its name can be MUST NOT be read, as it could take all memory.
"""

from __future__ import annotations

import re
from typing import Final

from audit.errors import ObjectsUnavailable
from audit.proof.errors import FormatError
from audit.proof.tiles import size_limit

MAX_OBJECT: Final = 1 << 30
"""Bytes: twice what an archive file may have ([notary] archive_bytes)."""
MAX_NOTE: Final = 4096
"""Bytes of a note in `topics/`: one has less than 100."""
_TILE: Final = re.compile(r"(?:.*/)?(tile/(?:entries|[0-9]{1,2})/.*)", re.ASCII)


class NoObject(FormatError, ObjectsUnavailable):  # noqa: N818 — says what was found
    """What lies at an object's name is none: for a verifier a flaw of that name, for a writer a store of no use."""


def limit_of(name: str) -> int:
    """The bytes that an object of this name can have, at most."""
    if name.startswith("topics/"):
        return MAX_NOTE
    tile = _TILE.fullmatch(name)
    return MAX_OBJECT if tile is None else size_limit(tile[1])
