"""A short way for what almost all entries are: flat maps of known keys, in the one encoding.

Reading an entry strictly takes most of a notary's time. What is accepted here is accepted by the strict reader
too, with the same fields; whatever is not, it reads again and says what is wrong.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import cbor2

_MAX_UINT: Final = 2**64 - 1
_INTEGERS: Final = frozenset((int,))
_SHAPES: Final = 1024


class _Never:
    """The type of no value: keys whose values have another form take the long way."""


_NEVER: Final = (_Never, 0, 0)


class Usual:
    """Built of the tables of the format (`entry.py`), so that there is one place for each."""

    def __init__(
        self,
        kinds: Mapping[int, tuple[frozenset[int], frozenset[int]]],
        sizes: Mapping[int, int],
        texts: Mapping[int, int],
        numbers: frozenset[int],
        batch: int,
    ) -> None:
        """Take the tables.

        Args:
            kinds: kind → keys that must, and keys that may, be there.
            sizes: key → bytes that its value has, exactly.
            texts: key → bytes of its text, at most.
            numbers: keys whose value is an unsigned integer.
            batch: the key of three unsigned integers.
        """
        self._kinds = {
            int(kind): (frozenset(map(int, must)), must | may) for kind, (must, may) in kinds.items()
        }
        self._batch = batch
        # Type, and smallest and largest value or length. A text that is not ASCII takes the long way.
        self._rules: dict[int, tuple[Any, int, int]] = {
            **{key: (bytes, size, size) for key, size in sizes.items()},
            **{key: (str, 0, limit) for key, limit in texts.items()},
            **dict.fromkeys(numbers, (int, 0, _MAX_UINT)),
            batch: (list, 3, 3),
        }
        self._shapes: dict[tuple[int, tuple[int, ...]], Sequence[tuple[Any, int, int]]] = {}

    def read(self, raw: bytes) -> dict[int, Any] | None:
        """The fields, or None for whoever reads the long way. MUST accept nothing that the long way refuses."""
        try:
            fields: Any = cbor2.loads(raw)
        except Exception:  # noqa: BLE001 — of any kind, for hostile bytes; the long way says which
            return None
        if type(fields) is not dict or not self._fits(fields):
            return None
        # Types and order are those of the deterministic encoding: so there is one encoding, and it is this one.
        return fields if cbor2.dumps(fields) == raw else None

    def _fits(self, fields: dict[Any, Any]) -> bool:
        """Whether keys ascend and are the kind's, and each value is of its key's form."""
        keys, kind = tuple(fields), fields.get(0)
        if type(kind) is not int or not _INTEGERS.issuperset(map(type, keys)):
            return False
        rules = self._shapes.get((kind, keys))
        if rules is None:
            rules = self._rules_of(kind, keys)
            if rules is None:
                return False
        for value, (wanted, low, high) in zip(fields.values(), rules, strict=True):
            if type(value) is not wanted:
                return False
            if not low <= (value if wanted is int else len(value)) <= high:
                return False
            if wanted is str and not value.isascii():
                return False
        batch = fields.get(self._batch)
        return batch is None or all(type(number) is int and 0 <= number <= _MAX_UINT for number in batch)

    def _rules_of(self, kind: int, keys: tuple[int, ...]) -> Sequence[tuple[Any, int, int]] | None:
        """The rules of these keys in their order, remembered: a journal's entries are of a few shapes."""
        known = self._kinds.get(kind)
        if known is None or list(keys) != sorted(keys) or not (known[0] <= set(keys) <= known[1]):
            return None
        if len(self._shapes) >= _SHAPES:
            self._shapes.clear()
        rules = self._shapes[kind, keys] = [self._rules.get(key, _NEVER) for key in keys]
        return rules
