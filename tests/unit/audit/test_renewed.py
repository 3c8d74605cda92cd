"""What is made of files that are renewed: taken at once, tried again where it failed, and each reason told once."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from audit.errors import ConfigError
from audit.objects.believing import Believing
from audit.renewed import Renewed
from audit.served_tls import ServedTls
from tests.components.certificates import Authority


class Clock:
    """One that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@contextmanager
def no_descriptor() -> Iterator[None]:
    """Nothing can be opened in this process."""
    bounds = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.open(os.devnull, os.O_RDONLY)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, bounds[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, bounds)


def put(path: Path, content: bytes) -> None:
    """A whole file in its place."""
    new = path.with_name("new")
    new.write_bytes(content)
    new.replace(path)


def test_what_failed_is_tried_again_once_a_second_and_told_once(tmp_path: Path) -> None:
    """Though the file stays as it is; one that is another one is tried at once."""
    file, clock = tmp_path / "file", Clock()
    wrong, tries, told = [""], [], []

    def make() -> bytes:
        tries.append(clock.now)
        if wrong[0]:
            raise ConfigError(wrong[0])
        return file.read_bytes()

    file.write_bytes(b"1")
    renewed = Renewed([file], make, told.append, clock)
    assert (renewed(), tries) == (b"1", [0])
    wrong[0] = "no descriptor"
    put(file, b"22")
    assert [renewed(), renewed()] == [b"1"] * 2
    clock.now = 0.9
    assert renewed() == b"1"
    assert tries == [0, 0]
    clock.now = 1.0
    assert [renewed(), renewed()] == [b"1"] * 2
    assert tries == [0, 0, 1]
    put(file, b"333")
    assert renewed() == b"1"
    assert tries == [0, 0, 1, 1]
    assert told == ["no descriptor"]
    wrong[0] = ""
    clock.now = 2.0
    assert [renewed(), renewed()] == [b"333"] * 2
    assert told == ["no descriptor", None]
    assert len(tries) == 5
    wrong[0] = "no descriptor"
    put(file, b"4444")
    assert renewed() == b"333"
    assert told == ["no descriptor", None, "no descriptor"], "it is news again"


@pytest.mark.parametrize("what", ["certificate", "authorities"])
def test_a_renewed_file_for_which_there_was_no_descriptor_is_taken_later(what: str, tmp_path: Path) -> None:
    """By the server that shows it, and by the client of a store that believes it."""
    ours, clock = Authority(tmp_path / "ours"), Clock()
    first, second = ours.issue("first", days=20), ours.issue("second", days=60)
    certificate, key = tmp_path / "tls.crt", tmp_path / "tls.key"
    certificate.write_bytes(first.certificate.read_bytes())
    key.write_bytes(first.key.read_bytes())
    made: list[bytes] = []

    def client(pem: bytes) -> Any:
        made.append(pem)
        return len(made)

    follows: Any
    if what == "certificate":
        follows = ServedTls("controller", certificate, key, clock=clock).end
    else:
        follows = Believing(certificate, client, clock)
    before = follows()
    put(key, second.key.read_bytes())
    put(certificate, second.certificate.read_bytes())
    with capture_logs() as told, no_descriptor():
        assert follows() == before
        clock.now = 1.0
        assert follows() == before
    assert [each["log_level"] for each in told] == ["warning"]
    clock.now = 2.0
    assert follows() > before
