"""Whether two names are one person's: a name is what somebody wrote, and people write theirs in more than one way."""

from __future__ import annotations

import re
from typing import Final
from unicodedata import category, normalize

_UNSEEN: Final = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
"""Characters that nothing is drawn for, beyond those of the categories Cc and Cf."""


def folded(name: str) -> str:
    """A name as it is compared: without case, width, what is not seen, and space about it or more than one within.

    Letters of other scripts that look alike stay different.
    """
    text = normalize("NFKC", normalize("NFKC", name).casefold())
    spaced = " ".join(_UNSEEN.sub("", text).split())
    seen = "".join(each for each in spaced if category(each) not in ("Cc", "Cf"))
    return " ".join(seen.split())
