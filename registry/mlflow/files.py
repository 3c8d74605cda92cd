"""The files of a run, or of a logged model, read through the server: wherever it keeps them, it has the keys to it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import PurePosixPath
from typing import Any, Final, Literal

from registry.errors import NotFound, PublishError, StoreDamaged

from .answers import number
from .client import Client

MAX_FILES: Final = 1000
PACKAGES: Final = "affiant"
"""The directory of a logged model in which an MLflow store keeps packages: made after the model, and no part of it."""
_MAX_DEPTH: Final = 16


@dataclass(frozen=True, slots=True)
class File:
    """One file. `size` is what the server says, before anything is read; 0 when it does not say."""

    path: str
    """Relative to where the listing began."""
    size: int
    directory: bool = False


@dataclass(frozen=True, slots=True)
class Files:
    """Artifacts below `root` of a run or a logged model. `of` is the run's id, or the logged model's (m-…)."""

    client: Client
    kind: Literal["run", "model"]
    of: str
    root: str = ""

    def below(self, path: str) -> Files:
        """Those below a directory of these. Raises PublishError: no path that stays inside."""
        return Files(self.client, self.kind, self.of, self.whole(path))

    def whole(self, path: str) -> str:
        """A path of these from the run's or the logged model's own root."""
        return _join(self.root, path)

    def read(self, path: str, limit: int) -> bytes:
        """A file's bytes, at most `limit`. Raises NotFound, DigestMismatch (longer)."""
        return self.client.read(*self._address(path), limit, path or self.root)

    def digest(self, path: str, limit: int) -> tuple[str, int]:
        """A file's SHA-256 in hex, and its length."""
        return self.client.digest(*self._address(path), limit, path or self.root)

    def listing(self, path: str = "") -> list[File]:
        """What is directly in a directory; nothing when it is a file, or not there."""
        whole = self.whole(path)
        if self.kind == "run":
            found = self.client.pages("artifacts/list", "files", run_id=self.of, path=whole or None)
        else:
            call = f"logged-models/{self.of}/artifacts/directories"
            found = self.client.pages(call, "files", artifact_directory_path=whole or None)
        return [self._file(each) for each in found]

    def walk(self) -> tuple[list[File], bool]:
        """The files in all directories but `PACKAGES`, by path, and whether these are all: `MAX_FILES` are told."""
        found = list(islice(self._walk("", 0), MAX_FILES + 1))
        return sorted(found[:MAX_FILES], key=lambda file: file.path), len(found) <= MAX_FILES

    def find(self, path: str) -> File | None:
        """The file at that path, by the listing of its directory; None: there is no file."""
        parent = str(PurePosixPath(path).parent)
        listed = self.listing("" if parent == "." else parent)
        return next((each for each in listed if each.path == path and not each.directory), None)

    def _walk(self, path: str, depth: int) -> Iterator[File]:
        if depth > _MAX_DEPTH:
            raise PublishError(f"{self.of}: artifacts more than {_MAX_DEPTH} directories deep")
        for each in self.listing(path):
            if self.kind == "model" and self.whole(each.path) == PACKAGES:
                continue
            if each.directory:
                yield from self._walk(each.path, depth + 1)
            else:
                yield each

    def _file(self, told: dict[str, Any]) -> File:
        path = told.get("path")
        inside = isinstance(path, str) and (not self.root or path.startswith(self.root + "/"))
        if not inside or ".." in PurePosixPath(str(path)).parts:
            raise StoreDamaged(f"{self.client.server}: a listing of {self.of} names a file outside of it")
        below = str(path)[len(self.root) + 1 :] if self.root else str(path)
        return File(below, number(told.get("file_size")) or 0, told.get("is_dir") is True)

    def _address(self, path: str) -> tuple[str, dict[str, str]]:
        whole = self.whole(path)
        if not whole:
            raise NotFound(f"{self.of}: no file is named")
        if self.kind == "run":
            return "get-artifact", {"run_id": self.of, "path": whole}
        return (
            f"ajax-api/2.0/mlflow/logged-models/{self.of}/artifacts/files",
            {"artifact_file_path": whole},
        )


def _join(root: str, path: str) -> str:
    parts = PurePosixPath(path).parts
    if ".." in parts or path.startswith("/"):
        raise PublishError(f"{path!r}: a path inside the artifacts is wanted")
    return "/".join(part for part in (root, "/".join(part for part in parts if part != ".")) if part)
