"""Archive files as one lazy Arrow dataset, whatever store they lie in: what a query does not need is not fetched."""

from __future__ import annotations

import io
from typing import Any, Final

import pyarrow as pa
import pyarrow.dataset as ds
from pyarrow.fs import FileInfo, FileSelector, FileSystemHandler, FileType, PyFileSystem

from audit.proof.errors import FormatError

from .bounds import dictionaries
from .files import open_file
from .names import Part
from .reader import Archive
from .schema import PAYLOADS

_FORMAT: Final = ds.ParquetFileFormat(
    default_fragment_scan_options=ds.ParquetFragmentScanOptions(page_checksum_verification=True)
)


def payloads_dataset(archive: Archive) -> ds.Dataset:
    """Rows of all payload files: `schema.PAYLOADS`, and `topic`, `date` and `partition` of their folders.

    Files are read when a scan needs them; errors of the store come out of that scan.
    """
    files = {file.name: file for file in archive.all_files(Part.PAYLOADS)}
    folders = pa.schema([("topic", pa.string()), ("date", pa.string()), ("partition", pa.int64())])
    schema = pa.schema([*folders, *PAYLOADS])
    if not files:
        return ds.dataset(schema.empty_table())
    return ds.dataset(
        list(files),
        schema=schema,
        format=_FORMAT,
        filesystem=PyFileSystem(_Files({name: _Reader(archive, file) for name, file in files.items()})),
        partitioning=ds.partitioning(folders, flavor="hive"),
        partition_base_dir=f"archive/{Part.PAYLOADS}",
    )


class _Reader:
    """Opens one file."""

    def __init__(self, archive: Archive, file: Any) -> None:
        self._archive = archive
        self._file = file

    def open(self) -> pa.PythonFile:
        content = self._archive.content(self._file)
        # A scan decodes what it likes: no value may stand in many rows.
        if dictionaries(open_file(self._file, content).footer):
            raise FormatError(
                f"{self._file.name}: has a dictionary, and is not scanned: its size cannot be told before"
            )
        return pa.PythonFile(io.BytesIO(content), mode="r")


class _Files(FileSystemHandler):  # type: ignore[misc]
    """The archive's files, to be read; nothing else is there, and nothing can be written."""

    def __init__(self, files: dict[str, _Reader]) -> None:
        self._files = files

    def get_type_name(self) -> str:
        return "archive"

    def normalize_path(self, path: str) -> str:
        return path

    def get_file_info(self, paths: list[str]) -> list[FileInfo]:
        return [FileInfo(path, FileType.File if path in self._files else FileType.NotFound) for path in paths]

    def get_file_info_selector(self, selector: FileSelector) -> list[FileInfo]:
        return [FileInfo(path, FileType.File) for path in self._files if path.startswith(selector.base_dir)]

    def open_input_stream(self, path: str) -> pa.PythonFile:
        return self._files[path].open()

    def open_input_file(self, path: str) -> pa.PythonFile:
        return self._files[path].open()

    def _read_only(self, *_: object, **__: object) -> None:
        raise PermissionError("the archive is only read here")

    create_dir = delete_dir = delete_dir_contents = delete_root_dir_contents = _read_only
    delete_file = move = copy_file = open_output_stream = open_append_stream = _read_only
