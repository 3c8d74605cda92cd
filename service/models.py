"""Which package answers: the deployment plan, and the immutable map of what is loaded for it.

A request pins what it found in the map when it arrived and keeps it, whatever is swapped meanwhile.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import accumulate
from types import MappingProxyType
from typing import Final

import orjson

from audit.proof.cbor import data, text, uint
from audit.proof.entry import Slot
from registry.runtimes.base import Model
from registry.signature import Signature

from .batching import Batcher
from .rows import RowReader
from .settings import PlanSettings

SLOTS: Final = {"live": Slot.LIVE, "canary": Slot.CANARY, "shadow": Slot.SHADOW}
_GOLDEN_RATIO: Final = 0.6180339887498949
"""Steps of this part of 1 fill the unit interval evenly, however many were taken (Weyl's sequence)."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model that was loaded once, whatever services use it, with what every request of it needs."""

    model: Model
    digest: str
    digest_bytes: bytes
    signature: Signature
    reader: RowReader
    batcher: Batcher
    schema: bytes
    """The schema hash, as CBOR."""
    header: tuple[bytes, bytes]
    """Affiant-Model."""
    digest_json: bytes
    """The digest as a JSON text."""

    @classmethod
    def of(cls, model: Model, batcher: Batcher, max_rows: int) -> Loaded:
        """Prepare what is the same in every request."""
        return cls(
            model=model,
            digest=model.digest,
            digest_bytes=bytes.fromhex(model.digest.removeprefix("sha256:")),
            signature=model.signature,
            reader=RowReader(model.signature, max_rows),
            batcher=batcher,
            schema=data(model.schema_hash),
            header=(b"affiant-model", model.digest.encode()),
            digest_json=orjson.dumps(model.digest),
        )


class ShareOnly(PlanSettings):
    """An entry of a canary that may answer its share of the requests and no more: nobody MUST get it by asking for its
    digest. A plan that admission has looked at has it in place of what the settings or the log say.
    """


@dataclass(frozen=True, slots=True)
class Served:
    """A loaded model in a slot of a service's plan: what a request pins."""

    loaded: Loaded
    slot: int
    weight: float
    fields: bytes
    """Keys 7 to 10 of an answer's entry: service, package, slot and status 200, as CBOR."""
    by_digest: bool = True
    """Whether whoever asks for its digest gets it."""

    @classmethod
    def of(cls, service: str, loaded: Loaded, slot: int, weight: float, *, by_digest: bool = True) -> Served:
        """Prepare what is the same in every entry of it."""
        fields = (
            b"\x07",
            text(service),
            b"\x08",
            data(loaded.digest_bytes),
            b"\x09",
            uint(slot),
            b"\x0a",
            uint(200),
        )
        return cls(loaded, slot, weight, b"".join(fields), by_digest)


@dataclass(slots=True)
class ServicePlan:
    """What answers for one service. Only `turn` ever changes."""

    name: str
    name_json: bytes
    answering: tuple[Served, ...]
    """Live first, then canaries."""
    bounds: tuple[float, ...]
    """Upper bounds of their parts of [0, 1)."""
    shadows: tuple[Served, ...]
    turn: int = 0
    lone: Served | None = field(default=None)
    """The live one, when nothing else answers."""

    def choose(self, key: str | None) -> Served:
        """Live or a canary, by weight.

        Deterministic: a key always falls to the same one, so that a person meets the same model, and a retry asks it
        again; without a key requests take turns, evenly after any number of them. A key that falls to the only canary
        still does when its share has grown: canaries have the upper end of the interval. Of several it need not: where
        one grows, the others lie elsewhere in it.
        """
        if self.lone is not None:
            return self.lone
        if key is not None:
            # Of the service, too: who is in one service's canary is not for that in another's.
            digest = sha256(b"%b\x00%b" % (self.name.encode(), key.encode())).digest()
            point = int.from_bytes(digest[:8], "big") / 2**64
        else:
            self.turn += 1
            point = self.turn * _GOLDEN_RATIO % 1.0
        for served, bound in zip(self.answering, self.bounds, strict=True):
            if point < bound:
                return served
        return self.answering[-1]

    def version(self, digest: str) -> Served | None:
        """The live or canary package of that digest."""
        return next((served for served in self.answering if served.loaded.digest == digest), None)


Plan = Mapping[str, ServicePlan]
EMPTY: Final[Plan] = MappingProxyType({})


def build_plan(entries: tuple[PlanSettings, ...], loaded: Mapping[str, Loaded]) -> Plan:
    """The map for these entries; every digest of them is in `loaded`."""
    plan = {}
    for name in dict.fromkeys(entry.service for entry in entries):
        own = [
            Served.of(
                name,
                loaded[entry.digest],
                int(SLOTS[entry.slot]),
                entry.weight,
                by_digest=not isinstance(entry, ShareOnly),
            )
            for entry in entries
            if entry.service == name
        ]
        answering = tuple(
            sorted(
                (one for one in own if one.slot != Slot.SHADOW), key=lambda one: (one.slot, one.loaded.digest)
            )
        )
        total = sum(one.weight for one in answering)
        plan[name] = ServicePlan(
            name=name,
            name_json=orjson.dumps(name),
            answering=answering,
            bounds=tuple(accumulate(one.weight / total for one in answering)),
            shadows=tuple(one for one in own if one.slot == Slot.SHADOW),
            lone=answering[0] if len(answering) == 1 else None,
        )
    return MappingProxyType(plan)
