"""Recent traffic as a data set: what a service was asked, out of the log, for packages that were not asked it.

A record holds the input as the package that answered was given it: a category is a code of *that* package. Another
package is asked the same only when it takes the same: then columns are found by their names, and codes by the
categories' texts.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from registry.signature import Feature, Signature

from .base import CannotJudge

Inputs = NDArray[np.float32]
_SHOWN: Final = 5


class Span(NamedTuple):
    """Offsets of a partition: from `first` up to, not including, `end`."""

    partition: int
    first: int
    end: int


@dataclass(frozen=True, slots=True)
class Answered:
    """What one package was asked in the spans."""

    digest: str
    signature: Signature
    inputs: Inputs
    """[n, width] as it was given them, by partition and offset."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """All that a service was asked in some ranges of the log, by clients: shadows are asked it a second time, and
    explanations are of what was asked. A pure function of topic, spans and service.
    """

    topic: str
    """Its id, hex."""
    service: str
    spans: tuple[Span, ...]
    answered: tuple[Answered, ...]
    """By digest."""
    unread: Mapping[str, int]
    """Why an answer's input is not here (erased, encrypted, …) → answers."""
    strangers: int
    """Entries that name a package which nobody ever deployed: no client's, and not among the answers."""
    requests: int
    """Answers whose input is here."""
    began: int
    """When the log took the first and the last of them: ms since 1970 UTC; 0 where there are none."""
    ended: int
    read: float
    """When the log was read, seconds since 1970 UTC, to the millisecond."""

    @property
    def rows(self) -> int:
        """Of all packages."""
        return sum(len(each.inputs) for each in self.answered)

    @property
    def sha256(self) -> str:
        """Of the ranges, and of every row as it was recorded: who reads the same ranges gets the same."""
        head = {"topic": self.topic, "service": self.service, "spans": [list(each) for each in self.spans]}
        whole = sha256(json.dumps(head, sort_keys=True, separators=(",", ":")).encode())
        for each in self.answered:
            rows = np.ascontiguousarray(each.inputs, "<f4").tobytes()
            whole.update(f"\n{each.digest} {len(each.inputs)}\n".encode())
            whole.update(rows)
        return whole.hexdigest()

    def told(self) -> dict[str, Any]:
        """Where it stands, as JSON: all that somebody needs to read it again. The last offset is one of them."""
        return {
            "topic": self.topic,
            "ranges": [
                {"partition": each.partition, "first": each.first, "last": each.end - 1}
                for each in self.spans
            ],
            "packages": {each.digest: len(each.inputs) for each in self.answered},
            "requests": self.requests,
            "unread": dict(self.unread),
            "strangers": self.strangers,
            "began": self.began,
            "ended": self.ended,
            "read": round(self.read * 1000),
            "sha256": self.sha256,
        }


def asked_of(traffic: Traffic, signature: Signature) -> Inputs:
    """The rows as a package of that signature would have been given them, [n, width], by digest, partition, offset.

    Raises:
        CannotJudge: it takes something else than was asked, or would have refused rows that were answered; says what.
    """
    found = [_translated(each, signature) for each in traffic.answered]
    return np.concatenate(found) if found else np.empty((0, signature.width), np.float32)


def _translated(answered: Answered, signature: Signature) -> Inputs:
    _check_schema(answered.signature, signature, answered.digest)
    places = {feature.name: place for place, feature in enumerate(answered.signature.features)}
    rows = np.empty((len(answered.inputs), signature.width), np.float32)
    refused: list[str] = []
    for place, feature in enumerate(signature.features):
        was = answered.signature.features[places[feature.name]]
        column = answered.inputs[:, places[feature.name]]
        rows[:, place] = _recoded(column, was, feature, refused) if feature.type == "category" else column
        absent = int(np.isnan(column).sum())
        # To two packages that let unknown categories through as missing, that is what it may have been.
        let = feature.type == "category" and was.unknown == feature.unknown == "missing"
        if absent and not feature.missing and not let:
            refused.append(f"{feature.name!r} was missing in {absent} rows, and must be there")
    if refused:
        raise CannotJudge(f"it would refuse what was answered: {_few(refused)}")
    return rows


def _check_schema(was: Signature, now: Signature, digest: str) -> None:
    """The same names, and a category where there was one. Ranges and order are not the schema's."""
    asked, wanted = ({each.name: each for each in one.features} for one in (was, now))
    wrong = [f"it wants {name!r}, which nobody was asked for" for name in wanted if name not in asked]
    wrong += [f"{name!r} was asked, and it does not take it" for name in asked if name not in wanted]
    wrong += [
        f"{name!r} was a {asked[name].type}, and is a {each.type} to it"
        for name, each in wanted.items()
        if name in asked and (asked[name].type == "category") != (each.type == "category")
    ]
    if wrong:
        raise CannotJudge(f"its schema is not that of {digest}, which answered: {_few(wrong)}")


def _recoded(column: Inputs, was: Feature, now: Feature, refused: list[str]) -> Inputs:
    """Codes of one package as those of another; what it does not know is missing to it, where it lets that through."""
    codes = {text: code for code, text in enumerate(now.categories)}
    known = np.array([codes.get(text, -1) for text in was.categories], np.float32)
    there = ~np.isnan(column)
    places = column[there]
    if ((places < 0) | (places >= len(known)) | (places != np.trunc(places))).any():
        raise CannotJudge(f"{now.name!r}: a recorded code is none of the package's that answered")
    found = np.full(len(column), np.nan, np.float32)
    found[there] = known[places.astype(np.intp)]
    unknown = found == -1
    if unknown.any() and now.unknown == "refuse":
        texts = sorted({was.categories[int(code)] for code in column[unknown]})
        named = ", ".join(map(repr, texts[:_SHOWN]))
        refused.append(f"{now.name!r} was {named} in {int(unknown.sum())} rows, which it does not know")
    found[unknown] = np.nan
    return found


def _few(sentences: list[str]) -> str:
    more = f"; and {len(sentences) - _SHOWN} more" if len(sentences) > _SHOWN else ""
    return "; ".join(sentences[:_SHOWN]) + more
