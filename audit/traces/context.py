"""W3C Trace Context, version 00: `traceparent: 00-<trace id>-<span id>-<flags>`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

TRACEPARENT: Final = "traceparent"
SAMPLED: Final = 1
_FORM: Final = re.compile(rb"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")


@dataclass(frozen=True, slots=True)
class Context:
    """A sampled span: 16 and 8 bytes, neither of them all zero."""

    trace: bytes
    span: bytes

    def header(self) -> bytes:
        """The value of `traceparent`."""
        return b"00-%b-%b-01" % (self.trace.hex().encode(), self.span.hex().encode())


def parse(value: bytes) -> Context | None:
    """The caller's span, when it is sampled; None for anything else, malformed values included."""
    found = _FORM.fullmatch(value)
    if found is None or not int(found[3], 16) & SAMPLED:
        return None
    context = Context(bytes.fromhex(found[1].decode()), bytes.fromhex(found[2].decode()))
    return context if any(context.trace) and any(context.span) else None
