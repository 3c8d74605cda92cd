"""Which modes of a key's file are closed enough."""

from __future__ import annotations

from pathlib import Path

import pytest

from audit.doctor.base import Looked
from audit.doctor.secrets import Facts, Secret, facts_of, look

CASES = (
    # mode, owner, only read, mounted: right?
    (0o600, 1000, False, False, True),
    (0o400, 0, True, False, True),
    (0o440, 0, True, True, True),
    (0o440, 0, True, False, False),  # its component refuses it: it is to be copied
    (0o440, 0, False, True, False),  # anywhere but in a volume a group is of people
    (0o440, 1000, True, True, False),
    (0o444, 0, True, True, False),
    (0o460, 0, True, True, False),
    (0o640, 0, False, False, False),
)


@pytest.mark.parametrize(("mode", "owner", "read_only", "mounted", "right"), CASES)
def test_a_secret_s_volume_may_give_a_key_to_the_pod_s_group(
    tmp_path: Path, mode: int, owner: int, read_only: bool, mounted: bool, right: bool
) -> None:
    """Root's, 0440, on a mount that is only read; and to nobody but who reads it so."""
    path = tmp_path / "tls.key"
    path.write_text("x")
    secret = Secret("TLS key", path, "put it there", mounted=mounted)
    (found,) = look(secret, lambda _: Facts(mode, owner, read_only))
    assert isinstance(found, Looked) is right
    if not isinstance(found, Looked):
        assert (found.code, f"{mode:04o}" in found.what) == ("key-mode", True)


def test_the_facts_are_the_file_s(tmp_path: Path) -> None:
    """Of a file here, which can be written to."""
    path = tmp_path / "key"
    path.touch(0o640)
    path.chmod(0o640)
    with path.open("rb") as file:
        assert facts_of(file.fileno()) == Facts(0o640, path.stat().st_uid, read_only=False)
    with Path("/proc/version").open("rb") as file:
        assert facts_of(file.fileno()).owner == 0
