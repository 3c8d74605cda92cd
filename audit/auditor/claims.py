"""What a file of the archive says of its rows, held to the rows: for a file whose bytes are not those that we write.

Readers skip rows by what a footer says of them: how many there are, the least and the greatest value, how many are
null, where they lie. An earlier version wrote other bytes, and so does another version of the library; whoever wants
to hide rows says things that are false. So the same rows are written again, in the same row groups, and:

- whatever both say of the rows MUST be the same: schema, counts, statistics of row groups and of pages;
- whatever says how they lie in the file (places, sizes, encodings) MUST be what its pages are, looked through one by
  one;
- whatever we do not write (bloom filters, page indexes, sorting, metadata of others) MUST NOT be there: nothing of it
  could be held to anything.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any, Final

import pyarrow as pa

from audit.archive import Part
from audit.archive.files import encode_in_groups
from audit.archive.thrift import Struct, read_struct, read_struct_at
from audit.proof.errors import FormatError

_END: Final = 8
# Fields by their numbers in `parquet.thrift`: those that we know. `read_footer` has seen that what it reads of them is
# of the right kind.
_FILE: Final = frozenset({1, 2, 3, 4, 6, 7})
_GROUP: Final = frozenset({1, 2, 3, 5, 6, 7})
_CHUNK: Final = frozenset({2, 3})
_COLUMN: Final = frozenset({1, 2, 3, 4, 5, 6, 7, 9, 11, 12, 13, 16})
_PAGES: Final = {0: frozenset({1, 2, 3, 4, 5}), 2: frozenset({1, 2, 3, 4, 7})}
"""Data pages of the first form, and dictionaries."""
_LEVELS: Final = frozenset({3, 4})
"""Encodings that levels have, which no page need have."""
_OLDER: Final = {1: 5, 2: 6}
"""Statistics: the greatest and the least value under the numbers that they had, and those that they have."""


@dataclass(slots=True)
class _Pages:
    """What the pages of a column of a row group are."""

    values: int = 0
    packed: int = 0
    unpacked: int = 0
    first: int | None = None
    """Where the first data page begins."""
    dictionary: int | None = None
    forms: Counter[tuple[int, int]] = field(default_factory=Counter)
    """Pages by their type and encoding."""
    statistics: dict[tuple[int, int], Struct] = field(default_factory=dict)
    """Of data pages, by their first value and how many they have."""


def false_claims(part: Part, content: bytes, table: pa.Table) -> Iterator[str]:
    """What a file says of its rows, and what is not so, or cannot be held to them.

    Args:
        part: of the archive.
        content: the file, which `open_file` has let pass.
        table: its rows, which MUST be right.

    Raises:
        FormatError: a page is none.
    """
    footer = _footer(content)
    groups = [group[3][1] for group in footer[4][1][1]]
    ours = encode_in_groups(part, table, groups)
    right = _footer(ours)
    yield from _unknown(footer, _FILE, "its footer")
    if _schema(footer) != _schema(right):
        yield "its schema is not that of an archive's file"
        return
    yield from (
        f"field {id_} of its footer is not what its rows give" for id_ in (1, 3) if footer[id_] != right[id_]
    )
    if 7 in footer and footer[7] != right[7]:
        yield "its columns are said to be in another order"
    theirs, own = footer[4][1][1], right[4][1][1]
    if len(theirs) != len(own):
        yield "it has row groups without rows"
        return
    starts = accumulate(groups, initial=0)
    for number, (group, one, start) in enumerate(zip(theirs, own, starts, strict=False)):
        rows = table.slice(start, groups[number])
        for said in _group(part, (content, group), (ours, one), number, rows):
            yield f"row group {number}: {said}"


def _group(
    part: Part, theirs: tuple[bytes, Struct], ours: tuple[bytes, Struct], number: int, rows: pa.Table
) -> Iterator[str]:
    group = theirs[1]
    yield from _unknown(group, _GROUP, "it")
    packed, unpacked, start = 0, 0, None
    for chunk, own in zip(group[1][1][1], ours[1][1][1][1], strict=True):
        name = _name(chunk)
        pages, right = _walk(theirs[0], chunk), _walk(ours[0], own)
        packed, unpacked = packed + pages.packed, unpacked + pages.unpacked
        start = _start(chunk) if start is None else start
        yield from (f"{name}: {said}" for said in _column(chunk, own, pages))
        yield from (f"{name}: {said}" for said in _page_statistics(part, name, pages, right, rows))
    said = {2: (6, unpacked), 5: (6, start), 6: (6, packed)}
    yield from (
        f"field {id_} of it is not what its columns are"
        for id_, found in said.items()
        if group.get(id_, found) != found
    )
    if 7 in group and group[7][1] != number:
        yield "its number is another one"


def _column(chunk: Struct, own: Struct, pages: _Pages) -> Iterator[str]:
    """A column of a row group, but for its pages' statistics."""
    yield from _unknown(chunk, _CHUNK, "it")
    column, right = chunk[3][1], own[3][1]
    yield from _unknown(column, _COLUMN, "it")
    end = _start(chunk) + column[7][1]
    if 2 in chunk and chunk[2][1] not in (0, _start(chunk), column[9][1], end):
        yield "its place is said to be another one"
    if not column[5] == right[5] == (6, pages.values):
        yield "it has another number of values than it says"
    if (
        column[6][1] != pages.unpacked
        or column[9][1] != pages.first
        or column.get(11, (6, None))[1] != pages.dictionary
    ):
        yield "its pages are not where, or what, it says"
    used = {encoding for _, encoding in pages.forms}
    named = set(column[2][1][1])
    if not used <= named <= used | _LEVELS:
        yield "its pages are in other encodings than it says"
    forms = [
        {1: (5, type_), 2: (5, encoding), 3: (5, count)} for (type_, encoding), count in pages.forms.items()
    ]
    if 13 in column and (column[13][0] != 9 or sorted(column[13][1][1], key=str) != sorted(forms, key=str)):
        yield "its pages are not those that it counts"
    yield from _statistics(_struct(column, 12), _struct(right, 12))
    sizes = _struct(right, 16)
    if any(sizes.get(id_) != found for id_, found in _struct(column, 16).items()):
        yield "its sizes and levels are not those of its rows"


def _statistics(said: Struct, right: Struct) -> Iterator[str]:
    """Each of them that is said is what the rows give."""
    if any(right.get(_OLDER.get(id_, id_)) != found for id_, found in said.items()):
        yield "its statistics are not those of its rows: what searches by them may miss rows"


def _page_statistics(part: Part, name: str, pages: _Pages, right: _Pages, rows: pa.Table) -> Iterator[str]:
    """Of each page; where ours begin and end elsewhere, of a row group that has the same rows."""
    for place, said in pages.statistics.items():
        known = right.statistics.get(place)
        if known is None and said:
            first, count = place
            if name not in rows.column_names:
                yield "statistics of a part of it that cannot be held to its rows"
                return
            one = _footer(encode_in_groups(part, rows.select([name]).slice(first, count), [count]))
            known = _struct(one[4][1][1][0][1][1][1][0][3][1], 12)
        wrong = next(_statistics(said, known or {}), None)
        if wrong is not None:
            yield f"values from {place[0]} on: {wrong}"
            return


def _walk(content: bytes, chunk: Struct) -> _Pages:
    """Every page of a column of a row group.

    Raises:
        FormatError: what is in a page's place is none that we write.
    """
    pages, at = _Pages(), _start(chunk)
    end = at + chunk[3][1][7][1]
    while at < end:
        header, after = read_struct_at(content, at)
        type_ = _number(header, 1)
        known = _PAGES.get(type_)
        if known is None or not header.keys() <= known:
            raise FormatError(f"{_name(chunk)}: byte {at}: a page that is none of an archive's file")
        packed, unpacked = _number(header, 3), _number(header, 2)
        inner = _struct(header, 7 if type_ else 5)
        if (
            packed < 0
            or after + packed > end
            or not inner.keys() <= ({1, 2, 3} if type_ else {1, 2, 3, 4, 5})
        ):
            raise FormatError(f"{_name(chunk)}: byte {at}: a page that is not as it should be")
        if type_:
            if pages.dictionary is not None or pages.first is not None or inner.get(3, (1, False))[1]:
                raise FormatError(f"{_name(chunk)}: byte {at}: a second dictionary, a late or a sorted one")
            pages.dictionary = at
        else:
            pages.first = at if pages.first is None else pages.first
            count = _number(inner, 1)
            pages.statistics[pages.values, count] = _struct(inner, 5)
            pages.values += count
        pages.forms[type_, _number(inner, 2)] += 1
        pages.packed, pages.unpacked = (
            pages.packed + after - at + packed,
            pages.unpacked + after - at + unpacked,
        )
        at = after + packed
    return pages


def _footer(content: bytes) -> Struct:
    length = int.from_bytes(content[-_END:-4], "little")
    return read_struct(content[-_END - length : -_END])


def _schema(footer: Struct) -> Sequence[Mapping[int, Any]]:
    """Without the numbers of fields (9), which some versions of the library write and no reader of ours looks at."""
    return [{id_: found for id_, found in each.items() if id_ != 9} for each in footer[2][1][1]]


def _unknown(fields: Struct, known: frozenset[int], what: str) -> Iterator[str]:
    for id_ in sorted(fields.keys() - known):
        yield f"{what} says more than an archive's file says (field {id_}), which nothing can be held to"


def _name(chunk: Struct) -> str:
    return b".".join(chunk[3][1][3][1][1]).decode()


def _start(chunk: Struct) -> int:
    """Where its first page is, the dictionary or not."""
    column = chunk[3][1]
    return int(min(column[id_][1] for id_ in (9, 11) if id_ in column and column[id_][1]))


def _struct(fields: Struct, id_: int) -> Struct:
    found: Struct = fields[id_][1] if id_ in fields else {}
    if not isinstance(found, dict):
        raise FormatError(f"field {id_} is no struct")
    return found


def _number(fields: Struct, id_: int) -> int:
    found = fields[id_][1] if id_ in fields else None
    if not isinstance(found, int):
        raise FormatError(f"field {id_} is no number")
    return int(found)
