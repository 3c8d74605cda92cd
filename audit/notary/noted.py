"""The notary's note of a topic that it seals: `topics/topic=<topic name>`, JSON, `{"id": "<32 hex digits>",
"partitions": <n>, "begun": <n>, "writer": "<16 hex digits>"}`.

It is written before the topic's first tree, and again when partitions are added, and when their trees are begun: the
first `begun` partitions have had a state, and the governance log says so (topics.py). `writer` is drawn by a process,
4 bytes, by which of two that begin at once one finds that it is not alone; behind them are 4 of the SHA-256 of
`id partitions begun writer`, so that a byte that is flipped is seen. Notes of earlier versions have neither. A topic
that is made again is noticed by the note. Nobody signs it: who reads it MUST take it for a stranger's.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from hashlib import sha256
from typing import Annotated, Final, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from audit.log.local import MOST_PARTITIONS
from audit.objects.limits import MAX_NOTE
from audit.proof.errors import FormatError

TOPICS: Final = "topics/"
_NAME: Final = re.compile(r"topics/topic=([A-Za-z0-9._-]{1,194})", re.ASCII)


class _Form(BaseModel):
    """What is in the file, and nothing else."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    id: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
    partitions: Annotated[int, Field(ge=1, le=MOST_PARTITIONS)]
    begun: Annotated[int, Field(ge=0, le=MOST_PARTITIONS)] = 0
    writer: Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{16})?$")] = ""

    @model_validator(mode="after")
    def _no_more_than_there_are(self) -> Self:
        if self.begun > self.partitions:
            raise ValueError("more partitions are begun than there are")
        if self.writer and self.writer != _checked(self.id, self.partitions, self.begun, self.writer[:8]):
            raise ValueError("the note is not as its writer wrote it")
        return self


@dataclass(frozen=True, slots=True)
class Noted:
    """Which topic was sealed last under a name, and how many partitions it had."""

    topic: bytes
    """The topic's id, 16 bytes."""
    partitions: int
    """1 to `MOST_PARTITIONS`."""
    begun: int = 0
    """So many of them, the first ones, have had a state: one that has none has lost it."""
    writer: str = ""
    """Which process has written it: 8 hex digits, or empty."""

    def encode(self) -> bytes:
        """The note's bytes.

        Raises:
            FormatError: there are more partitions than a note may say: nobody could read it again.
        """
        writer = self.writer and _checked(self.topic.hex(), self.partitions, self.begun, self.writer)
        more = {"begun": self.begun, "writer": writer}
        said = {"id": self.topic.hex(), "partitions": self.partitions, **{k: v for k, v in more.items() if v}}
        raw = json.dumps(said).encode()
        if Noted.decode(raw) != self:
            raise FormatError("the note of a topic would not be read as it was written")
        return raw

    @classmethod
    def decode(cls, raw: bytes) -> Noted:
        """A note that anybody may have written.

        Raises:
            FormatError: too long, no JSON, or not these two members within their bounds.
        """
        if len(raw) > MAX_NOTE:
            raise FormatError(f"{len(raw)} bytes, a note has at most {MAX_NOTE}")
        try:
            form = _Form.model_validate_json(raw)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False, include_context=False)[0]
            where = ".".join(str(each) for each in first["loc"] if each in _Form.model_fields)
            raise FormatError(
                f"{where or 'the note'}: {first['msg']}; want an id of 32 hex digits, and 1 to {MOST_PARTITIONS} "
                "partitions"
            ) from error
        return cls(bytes.fromhex(form.id), form.partitions, form.begun, form.writer[:8])


def _checked(topic: str, partitions: int, begun: int, writer: str) -> str:
    said = f"{topic} {partitions} {begun} {writer}"
    return writer + sha256(said.encode()).hexdigest()[:8]


def note_name(topic: str) -> str:
    """The object that has the note of the topic of that name."""
    return f"{TOPICS}topic={topic}"  # no part of an object's name begins with a dot, a topic's may


def noted_topic(name: str) -> str | None:
    """The topic's name by the object's; None when no note has that name."""
    found = _NAME.fullmatch(name)
    return None if found is None else found[1]
