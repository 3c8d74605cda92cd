"""What a page keeps of where it came from, so that the page alone is enough to make it again.

Nothing of it is believed: where the records are is taken from it, and what they say is counted and judged again.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from html import escape, unescape
from shlex import join
from typing import Final

from pydantic import ValidationError

from audit.invalid import first_problem
from audit.proof.errors import FormatError
from monitoring.figures import Evidence, evidence_of

_PLACE: Final = re.compile(r'<pre class="kept">([^<]*)</pre>')
_AGAIN: Final = "again.html"


@dataclass(frozen=True, slots=True)
class Kept:
    """See the module."""

    evidence: Evidence
    """Topic, panes and policy; its figures are left out."""
    file: str
    """The page's own name."""
    made: str
    """When, for people: the word of whoever made it first."""
    event: int | None = None
    """The offset of the rollback that it is of."""

    @property
    def command(self) -> str:
        """What makes these very bytes again. Of a rollback its event is enough, of anything else the page."""
        begin = ("affiant", "drift", "report", self.evidence.service)
        if self.event is not None:
            return join((*begin, "--event", str(self.event), "--out", self.file))
        return join((*begin, "--again", self.file, "--out", _AGAIN))


def kept_as_html(kept: Kept) -> str:
    """For a page."""
    bare = kept.evidence.model_copy(update={"columns": (), "rows": 0, "window_rows": 0})
    content = {
        "event": kept.event, "evidence": bare.model_dump(mode="json"), "file": kept.file, "made": kept.made,
    }  # fmt: skip
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return (
        f'<details><summary>as the command reads it</summary><pre class="kept">{escape(text)}</pre></details>'
    )


def kept_of(page: str) -> Kept:
    """What a page keeps.

    Raises:
        FormatError: it is no page of a drift report, or one that kept nothing.
    """
    found = _PLACE.findall(page)
    if len(found) != 1:
        raise FormatError("it is no page of `affiant drift report` that says which records it is of")
    try:
        content = json.loads(unescape(found[0]))
        event, file, made = content["event"], content["file"], content["made"]
        evidence = evidence_of(content["evidence"])
    except ValidationError as error:
        raise FormatError(f"what the page keeps: {first_problem(error)}") from error
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise FormatError("what the page keeps is not what this command has written") from error
    if not (isinstance(file, str) and isinstance(made, str) and isinstance(event, int | None)):
        raise FormatError("what the page keeps is not what this command has written")
    return Kept(evidence, file, made, event)
