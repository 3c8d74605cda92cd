"""A frame is found by its offset, wherever the bytes that are read at once end; where it is not, that is damage."""

from __future__ import annotations

from itertools import accumulate
from pathlib import Path

import pytest

from audit.errors import LogDamaged
from audit.log import frames
from audit.log.frames import encode_frame, seek

FIRST, SIZES = 70, (0, 3, 400, 1, 90, 0, 17)
"""The segment's first offset; bytes of each value, some of them more than is read at once."""
FRAMES = [encode_frame(FIRST + at, 0, b"", bytes(size)) for at, size in enumerate(SIZES)]
STARTS = list(accumulate(map(len, FRAMES), initial=0))


@pytest.fixture
def segment(tmp_path: Path) -> Path:
    """A file of them."""
    path = tmp_path / f"{FIRST:020d}.log"
    path.write_bytes(b"".join(FRAMES))
    return path


@pytest.mark.parametrize("stride", [16, 17, 34, 35, 64, 1 << 18])
def test_each_is_found(segment: Path, monkeypatch: pytest.MonkeyPatch, stride: int) -> None:
    """Also one whose header lies across two reads, and one behind a value that is longer than a read."""
    monkeypatch.setattr(frames, "_STRIDE", stride)
    found = [seek(segment, FIRST + at) for at in range(len(SIZES))]
    assert found == STARTS[:-1]
    with pytest.raises(LogDamaged, match=f"before byte {STARTS[-1]}: offset {FIRST + len(SIZES)} is not"):
        seek(segment, FIRST + len(SIZES))


def test_what_is_not_where_it_should_be_is_told_with_its_place(segment: Path) -> None:
    """An offset that was left out, a length that none can have, a file that ends within a header."""
    content = segment.read_bytes()
    segment.write_bytes(content[: STARTS[2]] + content[STARTS[3] :])
    with pytest.raises(LogDamaged, match=f"before byte {STARTS[2]}: offset {FIRST + 2}"):
        seek(segment, FIRST + 2)
    segment.write_bytes(content[: STARTS[2]] + bytes(8) + content[STARTS[2] + 8 :])
    assert seek(segment, FIRST + 2) == STARTS[2]  # its reader finds it wrong; those behind it cannot be found
    with pytest.raises(LogDamaged, match=f"before byte {STARTS[2]}: offset {FIRST + 3}"):
        seek(segment, FIRST + 3)
    segment.write_bytes(content[: STARTS[2] + 15])
    with pytest.raises(LogDamaged, match=f"before byte {STARTS[2]}: offset {FIRST + 2}"):
        seek(segment, FIRST + 2)
