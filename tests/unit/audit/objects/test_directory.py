"""A directory that somebody else has filled: what is no object is named, never waited for, never taken whole."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from audit.errors import ObjectsUnavailable
from audit.objects.directory import DirectoryObjects
from audit.objects.limits import MAX_OBJECT, NoObject
from audit.proof.errors import FormatError
from audit.proof.tiles import MAX_BUNDLE, MAX_TILE
from tests.components.process import wait_until


def sparse(path: Path, size: int) -> None:
    """A file that is all hole."""
    path.touch()
    os.truncate(path, size)


def a_socket(path: Path) -> None:
    """A socket that nobody listens on; its name must be short."""
    here = Path.cwd()
    os.chdir(path.parent)
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
    finally:
        os.chdir(here)


ODD: dict[str, Callable[[Path], None]] = {
    "a pipe": os.mkfifo,
    "a folder": Path.mkdir,
    "a socket": a_socket,
    "a device without an end": lambda path: path.symlink_to("/dev/zero"),
    "a link to itself": lambda path: path.symlink_to(path.name),
    "a file of five gigabytes": lambda path: sparse(path, 5 << 30),
}


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("name", ["t/0/tile/0/000", "t/0/tile/entries/000.p/7", "archive/x.parquet"])
def test_what_is_no_object_is_named_and_not_waited_for(tmp_path: Path, odd: str, name: str) -> None:
    """A verifier takes it as a flaw, a writer as a store that is of no use."""
    path = tmp_path / name
    path.parent.mkdir(parents=True)
    ODD[odd](path)
    objects = DirectoryObjects(tmp_path)
    with pytest.raises(NoObject, match=path.name) as raised:
        objects.get(name)
    assert isinstance(raised.value, FormatError)
    assert isinstance(raised.value, ObjectsUnavailable)
    with pytest.raises(NoObject, match=path.name):
        objects.open(name)


@pytest.mark.parametrize(
    ("name", "limit"),
    [("t/0/tile/0/000", MAX_TILE), ("t/0/tile/entries/x001/000", MAX_BUNDLE), ("t/0/checkpoint", MAX_OBJECT)],
)
def test_an_object_may_be_as_large_as_its_name_allows(tmp_path: Path, name: str, limit: int) -> None:
    """A byte more is refused before it is read."""
    path = tmp_path / name
    path.parent.mkdir(parents=True)
    sparse(path, limit)
    objects = DirectoryObjects(tmp_path)
    opened = objects.open(name)
    assert opened is not None
    opened.close()
    if limit < MAX_OBJECT:
        stored = objects.get(name)
        assert stored is not None
        assert len(stored.content) == limit
    sparse(path, limit + 1)
    with pytest.raises(NoObject, match=f"at most {limit}"):
        objects.get(name)


def test_a_file_whose_size_is_not_said_is_read_whole(tmp_path: Path) -> None:
    """As those of /proc: their file system says 0."""
    (tmp_path / "a").symlink_to("/proc/self/mountinfo")
    stored = DirectoryObjects(tmp_path).get("a")
    assert stored is not None
    assert stored.content == Path("/proc/self/mountinfo").read_bytes() != b""


def test_who_puts_a_files_size_and_time_right_does_not_put_its_mark_right(tmp_path: Path) -> None:
    """The system sets the time of the last change of a file's state, and nobody else does."""
    path = tmp_path / "a"
    path.write_bytes(b"before")
    about = path.stat()
    before = list(DirectoryObjects(tmp_path).marks("", lambda _: True))

    def written_again() -> bool:
        path.write_bytes(b"after!")
        os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))
        return path.stat().st_ctime_ns != about.st_ctime_ns  # the system's clock goes in steps

    wait_until(written_again, what="the system's clock goes on")
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (about.st_size, about.st_mtime_ns)
    after = list(DirectoryObjects(tmp_path).marks("", lambda _: True))
    assert ([name for name, _ in after], after == before) == (["a"], False)


def test_links_among_folders_do_not_multiply_them(tmp_path: Path) -> None:
    """Forty folders with two links each to the next one would be 2 ** 40 names."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a/file").touch()
    (tmp_path / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "a/again").symlink_to(tmp_path / "a")
    with pytest.raises(NoObject, match="again"):
        list(DirectoryObjects(tmp_path).list("a"))
    (tmp_path / "a/again").unlink()
    (tmp_path / "a/moved").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere/file").touch()
    assert list(DirectoryObjects(tmp_path).list("a")) == ["a/file", "a/moved/file"]
