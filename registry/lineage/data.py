"""Which version of which data: what DVC recorded, held against the bytes that are there, or the bytes' own hash."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from registry.errors import PublishError

if TYPE_CHECKING:
    import pandas as pd

_BLOCK: Final = 1 << 20
_MAX_RECORD: Final = 16 << 20
"""The most bytes of a .dvc file or a dvc.lock that are read."""
_TABLES: Final = frozenset({".csv", ".txt", ".parquet", ".pq"})
_MAX_PROFILED: Final = 256 << 20
"""A table of more bytes is told without a profile: it would have to be held in memory, perhaps ten times over."""


@dataclass(frozen=True, slots=True)
class DataSet:
    """One version of one data set.

    `version` is `sha256:…` of the file's bytes, or `md5:…` as DVC names it. `record` is the file in which DVC
    says so, as it was given or found, and `stage` the stage of a dvc.lock that wrote or read the data. `checked`
    is whether this version was computed here from the bytes; False is DVC's word alone.
    """

    name: str
    version: str
    source: Literal["file", "dvc", "dvc.lock"]
    checked: bool
    sha256: str | None = None
    size: int | None = None
    record: str | None = None
    stage: str | None = None
    profile: Mapping[str, Any] | None = field(default=None, hash=False)
    """See `profile`; None: these are no table that was read."""

    def told(self) -> dict[str, Any]:
        """As it stands in lineage.json. `profile` is there where there is one."""
        found = {
            "name": self.name,
            "version": self.version,
            "source": self.source,
            "checked": self.checked,
            "sha256": self.sha256,
            "bytes": self.size,
            "record": self.record,
            "stage": self.stage,
        }
        return found if self.profile is None else {**found, "profile": dict(self.profile)}


def data_set(path: Path, name: str | None = None, *, profiled: bool = True) -> DataSet:
    """The version of a data file, or of what a .dvc file stands for.

    1. A `.dvc` file: its one output. 2. A file with `FILE.dvc` beside it: that. 3. A file that a dvc.lock names,
    in its directory or above it, up to the work tree's root. 4. The SHA-256 of the bytes.

    MUST hold what DVC recorded against the bytes where they are there, and refuse when they differ: a version
    that names other data than the model was trained on is worse than none.

    Args:
        path: the file.
        name: what to call it; the file's name when None.
        profiled: with the data set's own columns and counts, where it is a table (.csv, .parquet) that is there and can
            be read. False for the training table, whose profile the lineage has elsewhere.

    Raises:
        PublishError: unreadable, no DVC file, a DVC hash that is not MD5, or data that has changed since.
    """
    found, file = _version_of(path, name)
    return replace(found, profile=profile_of(file, found)) if profiled else found


def _version_of(path: Path, name: str | None) -> tuple[DataSet, Path]:
    """The version, and where the bytes should be."""
    if path.suffix == ".dvc":
        return _recorded(path, name)
    if not path.is_file():
        raise PublishError(f"{path}: no such file; a directory's version is that of its .dvc file: name that")
    beside = path.with_name(path.name + ".dvc")
    if beside.is_file():
        return _recorded(beside, name)
    found = _in_lock(path)
    if found is not None:
        lock, stage, output = found
        return _from_dvc(output, path, name, record=lock, stage=stage), path
    sha256 = _hash(path, "sha256")
    return DataSet(name or path.name, f"sha256:{sha256}", "file", True, sha256, path.stat().st_size), path


def profile_of(file: Path, found: DataSet) -> dict[str, Any] | None:
    """None: no table that can be read. What changes meanwhile is refused: a profile is of the version that is named."""
    from registry.table import read_table

    if found.sha256 is None or file.suffix.lower() not in _TABLES or file.stat().st_size > _MAX_PROFILED:
        return None
    try:
        table = read_table(file)
    except PublishError:
        return None
    if table.sha256 != found.sha256:
        raise PublishError(f"{file}: changed while it was read; publish again")
    return profile(table.frame)


def profile(frame: pd.DataFrame) -> dict[str, Any]:
    """The data set's own schema and a profile: counts only, so no cell of anybody's row is in it."""
    columns = [
        {
            "name": str(name),
            "type": _kind(frame[name]),
            "missing": int(frame[name].isna().sum()),
            "distinct": int(frame[name].nunique()),
        }
        for name in frame.columns
    ]
    return {"rows": len(frame), "duplicates": int(frame.duplicated().sum()), "columns": columns}


def _kind(column: pd.Series[Any]) -> str:
    import pandas as pd

    if pd.api.types.is_bool_dtype(column):
        return "boolean"
    if pd.api.types.is_integer_dtype(column):
        return "integer"
    if pd.api.types.is_numeric_dtype(column):
        return "number"
    return "time" if pd.api.types.is_datetime64_any_dtype(column) else "text"


def _recorded(record: Path, name: str | None) -> tuple[DataSet, Path]:
    outputs = _load(record).get("outs")
    if not isinstance(outputs, list) or len(outputs) != 1 or not isinstance(outputs[0], dict):
        raise PublishError(f"{record}: not a .dvc file with one output")
    output = outputs[0]
    path = record.parent / _text(output, "path", record)
    return _from_dvc(output, path, name, record=record, stage=None), path


def _from_dvc(
    output: Mapping[str, Any], path: Path, name: str | None, *, record: Path, stage: str | None
) -> DataSet:
    md5 = output.get("md5")
    # DVC 2 hashed text with its line ends changed, and says no `hash`: such a version cannot be checked here.
    if not isinstance(md5, str) or not _is_md5(md5) or output.get("hash") != "md5":
        raise PublishError(
            f"{record}: {path.name} has no MD5 as DVC 3 writes it (hash: md5); run `dvc commit`"
        )
    checked = path.is_file()
    if checked and _hash(path, "md5") != md5:
        raise PublishError(
            f"{path}: its bytes are not the version md5:{md5} of {record.name}; "
            "`dvc checkout` brings that version back, `dvc commit` records this one"
        )
    size = output.get("size")
    return DataSet(
        name or path.name,
        f"md5:{md5}",
        "dvc" if stage is None else "dvc.lock",
        checked,
        _hash(path, "sha256") if checked else None,
        size if isinstance(size, int) else None,
        record.name,
        stage,
    )


def _is_md5(text: str) -> bool:
    digits = text.removesuffix(".dir")
    return len(digits) == 32 and all(digit in "0123456789abcdef" for digit in digits)


def _in_lock(path: Path) -> tuple[Path, str, Mapping[str, Any]] | None:
    """The nearest dvc.lock's word on a file; who wrote it is asked before who read it."""
    whole = path.resolve()
    for directory in whole.parents:
        lock = directory / "dvc.lock"
        if lock.is_file():
            for kind in ("outs", "deps"):
                for stage, output in _outputs(lock, kind):
                    if (directory / _text(output, "path", lock)).resolve() == whole:
                        return lock, stage, output
        if (directory / ".git").exists():
            return None
    return None


def _outputs(lock: Path, kind: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    stages = _load(lock).get("stages")
    if not isinstance(stages, dict):
        raise PublishError(f"{lock}: not a dvc.lock: it has no stages")
    for stage, content in stages.items():
        listed = content.get(kind) if isinstance(content, dict) else None
        for output in listed if isinstance(listed, list) else ():
            if isinstance(output, dict):
                yield str(stage), output


def _text(output: Mapping[str, Any], key: str, record: Path) -> str:
    value = output.get(key)
    if not isinstance(value, str) or not value:
        raise PublishError(f"{record}: an output without a {key}")
    return value


def _load(record: Path) -> dict[str, Any]:
    import yaml

    try:
        with record.open("rb") as file:
            data = file.read(_MAX_RECORD + 1)
        if len(data) > _MAX_RECORD:
            raise PublishError(f"{record}: longer than {_MAX_RECORD} bytes")
        content = yaml.safe_load(data)
    except OSError as error:
        raise PublishError(f"cannot read {record}: {error.strerror or error}") from error
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise PublishError(f"{record}: not YAML ({type(error).__name__})") from error
    if not isinstance(content, dict):
        raise PublishError(f"{record}: not a file of DVC's")
    return content


def _hash(path: Path, algorithm: Literal["md5", "sha256"]) -> str:
    digest = hashlib.new(algorithm, usedforsecurity=False)  # MD5 is DVC's name of it, not our proof
    try:
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
    except OSError as error:
        raise PublishError(f"cannot read {path}: {error.strerror or error}") from error
    return digest.hexdigest()
