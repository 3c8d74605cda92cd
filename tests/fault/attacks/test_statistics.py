"""Rows that are right, in files of the archive that say something false of them: whoever searches would miss them.

A footer can be written by anybody, and says itself who wrote it.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from itertools import cycle
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from audit.archive import Archive, Part
from audit.archive.files import WRITER, read_file
from audit.archive.thrift import Struct, Type, read_struct, read_struct_at
from audit.auditor.claims import false_claims
from audit.proof.errors import FormatError
from tests.components.sealed import SealedLog, sealed_log
from tests.components.thrift import footer_of, with_footer, write_struct
from tests.fault.attacks.hands import copy, flaws, named, verified
from tests.fault.attacks.test_attacks import archive_file

OTHER = b"parquet-cpp-arrow version 25.0.1"
Change = Callable[[Struct], None]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> SealedLog:
    return sealed_log(tmp_path_factory.mktemp("sound"), archive_records=8)


@pytest.fixture
def log(sound: SealedLog, tmp_path: Path) -> SealedLog:
    """A copy, to be attacked."""
    return copy(sound, tmp_path)


def group(footer: Struct) -> Struct:
    return footer[4][1][1][0]  # type: ignore[no-any-return]


def chunk(footer: Struct, name: str) -> Struct:
    return next(each for each in group(footer)[1][1][1] if each[3][1][3][1][1] == [name.encode()])


def column(footer: Struct, name: str = "service") -> Struct:
    return chunk(footer, name)[3][1]  # type: ignore[no-any-return]


def statistics(footer: Struct, name: str = "service") -> Struct:
    return column(footer, name)[12][1]  # type: ignore[no-any-return]


def put(at: Callable[[Struct], Struct], id_: int, type_: Type, value: Any) -> Change:
    """A field that says something else, or that is said now."""

    def change(footer: Struct) -> None:
        fields = at(footer)
        fields[id_] = (type_, value)
        ordered = sorted(fields.items())
        fields.clear()
        fields.update(ordered)

    return change


def hidden(footer: Struct) -> None:
    for id_ in (5, 6):
        statistics(footer)[id_] = (Type.BINARY, b"aaaaaa")


INDEX = (Type.LIST, (Type.STRUCT, [{1: (Type.I32, 0), 2: (Type.BOOL, False), 3: (Type.BOOL, False)}]))
CHANGES: dict[str, Change] = {
    "least and greatest": hidden,
    "as they were called once": put(statistics, 1, Type.BINARY, b"aaaaaa"),
    "how many are null": put(statistics, 3, Type.I64, 8),
    "how many are different": put(statistics, 4, Type.I64, 0),
    "a field of statistics that nobody knows": put(statistics, 9, Type.I64, 0),
    "values of a column": put(column, 5, Type.I64, 7),
    "metadata of a column": put(column, 8, Type.LIST, (Type.STRUCT, [])),
    "a bloom filter": put(column, 14, Type.I64, 4),
    "an index of columns": put(lambda footer: chunk(footer, "service"), 6, Type.I64, 4),
    "an index of offsets": put(lambda footer: chunk(footer, "service"), 4, Type.I64, 4),
    "levels": put(lambda footer: column(footer)[16][1], 3, Type.LIST, (Type.I64, [8, 0])),
    "pages by their encoding": put(column, 13, Type.LIST, (Type.STRUCT, [])),
    "encodings": put(column, 2, Type.LIST, (Type.I32, [0, 3, 8, 9])),
    "unpacked bytes": put(column, 6, Type.I64, 1),
    "rows are sorted": put(group, 4, INDEX[0], INDEX[1]),
    "where a row group is": put(group, 5, Type.I64, 1 << 40),
    "how large it is": put(group, 6, Type.I64, 1 << 40),
    "which it is": put(group, 7, Type.I16, 1),
    "metadata": put(lambda footer: footer, 5, Type.LIST, (Type.STRUCT, [{1: (Type.BINARY, b"ARROW:schema")}])),
    "the order of values": put(lambda footer: footer, 7, Type.LIST, (Type.STRUCT, [{}])),
    "the format": put(lambda footer: footer, 1, Type.I32, 1),
    "a type": lambda footer: put(lambda _: footer[2][1][1][1], 6, Type.I32, 9)(footer),
}  # fmt: skip


def rewritten(raw: bytes, change: Change, writer: bytes = OTHER) -> bytes:
    """With another footer, in the name of another writer."""
    footer = deepcopy(read_struct(footer_of(raw)))
    change(footer)
    footer[6] = (Type.BINARY, writer)
    return with_footer(raw, write_struct(footer))


def relative(log: SealedLog, path: Path) -> str:
    return path.relative_to(log.store).as_posix()


def test_another_writer_of_the_same_is_a_remark(log: SealedLog) -> None:
    """What is found below is found because it is false."""
    path, _ = archive_file(log, Part.ENTRIES)
    path.write_bytes(rewritten(path.read_bytes(), lambda _: None))
    found = verified(log)
    assert (found.flaws, found.archive_files) == ([], 2)
    (said,) = found.remarks
    assert said.path == relative(log, path)
    assert "25.0.1" in said.message


def test_statistics_of_another_writer_are_held_to_the_rows(log: SealedLog) -> None:
    """Whoever wrote them: the file's own word for it is anybody's. DuckDB sees no row of the service then."""
    path, table = archive_file(log, Part.ENTRIES)
    (service,) = set(table.column("service").drop_null().to_pylist())
    query = f"SELECT leaf FROM read_parquet('{path}') WHERE service = '{service}'"  # noqa: S608
    assert len(duckdb.sql(query).fetchall()) == table.num_rows - 3
    path.write_bytes(rewritten(path.read_bytes(), hidden))
    assert duckdb.sql(query).fetchall() == []
    flaw = named(flaws(log, log=False), "archive", path=relative(log, path))
    assert "service" in flaw.message
    assert verified(log).archive_files == 1


def test_whatever_readers_skip_rows_by_is_held_to_the_rows(sound: SealedLog) -> None:
    """Each of it, in the name of our own version of the library and of another."""
    path, table = archive_file(sound, Part.ENTRIES)
    file, raw = Archive(sound.objects).files(Part.ENTRIES, sound.topic.id, 0)[0], path.read_bytes()
    writers = (OTHER, f"parquet-cpp-arrow version {pa.__version__}".encode())
    for writer in writers:
        assert list(false_claims(Part.ENTRIES, rewritten(raw, lambda _: None, writer), table)) == []
    for writer, (what, change) in zip(cycle(writers), CHANGES.items(), strict=False):
        content = rewritten(raw, change, writer)
        try:
            read_file(file, content)  # as the verification does, first
        except FormatError:
            continue
        assert list(false_claims(Part.ENTRIES, content, table)), what


@pytest.mark.parametrize("part", [Part.PAYLOADS, Part.CHECKPOINTS])
def test_the_same_of_payloads_and_of_checkpoints(log: SealedLog, part: Part) -> None:
    """Whose rows are what they are beside the entries."""
    path, _ = archive_file(log, part)
    name = "offset" if part is Part.PAYLOADS else "size"
    path.write_bytes(
        rewritten(path.read_bytes(), put(lambda footer: statistics(footer, name), 3, Type.I64, 1))
    )
    named(flaws(log, log=False), "archive", path=relative(log, path))


def test_statistics_of_a_page_are_held_to_the_rows(log: SealedLog) -> None:
    """They stand in the page's header, which its checksum does not cover."""
    path, table = archive_file(log, Part.ENTRIES)
    raw = path.read_bytes()
    at = column(read_struct(footer_of(raw)))[9][1]
    _, end = read_struct_at(raw, at)
    (service,) = set(table.column("service").drop_null().to_pylist())
    header = raw[at:end].replace(service.encode(), b"a" * len(service))
    assert header != raw[at:end]
    path.write_bytes(raw[:at] + header + raw[end:])
    assert "service" in named(flaws(log, log=False), "archive", path=relative(log, path)).message


def test_a_column_that_no_notary_writes_is_told(log: SealedLog) -> None:
    """The rows that are compared are right."""
    path, table = archive_file(log, Part.ENTRIES)
    more = table.append_column("verdict", pa.array(["none"] * table.num_rows))
    pq.write_table(more, path, store_schema=False)
    assert "schema" in named(flaws(log, log=False), "archive", path=relative(log, path)).message


def test_pages_that_are_split_otherwise_are_held_to_their_rows(log: SealedLog) -> None:
    """Another version of the library may do so: right is a remark, wrong is not. This one does not."""
    path, table = archive_file(log, Part.PAYLOADS)
    plain = {"store_schema": False, "compression": "zstd", "version": "2.6", "use_dictionary": False}
    pq.write_table(table, path, **plain, data_page_size=1, write_batch_size=3)  # type: ignore[arg-type]
    assert (
        "no version known here" in named(flaws(log, log=False), "archive", path=relative(log, path)).message
    )
    path.write_bytes(path.read_bytes().replace(WRITER.encode(), OTHER))
    assert flaws(log, log=False) == []
    raw = path.read_bytes()
    header, end = read_struct_at(raw, 4)
    assert header[5][1][1][1] == 3
    least = header[5][1][5][1]
    least[5] = least[6] = least[1] = least[2]
    path.write_bytes(raw[:4] + write_struct(header) + raw[end:])
    assert "offset" in named(flaws(log, log=False), "archive", path=relative(log, path)).message
