"""Damaged archive files read in a process of their own, which may be killed by one.

    python -m tests.components.flipped STORE STEP BITS RANDOM

Of each file of STORE's archive every STEP-th byte of the footer is flipped in each of the BITS (`1,128`), and RANDOM
other changes are made anywhere. Prints a line of JSON before each file; the last one is how often other rows than the
file's were read, by the file.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Iterator
from pathlib import Path

from audit.archive.files import read_file
from audit.archive.names import ArchiveFile, parse_name
from audit.proof.errors import FormatError


def flips(raw: bytes, step: int, bits: list[int]) -> Iterator[bytes]:
    """The file with one bit of its footer changed."""
    first = len(raw) - 8 - int.from_bytes(raw[-8:-4], "little")
    for at in range(first, len(raw), step):
        for bit in bits:
            yield raw[:at] + bytes((raw[at] ^ bit,)) + raw[at + 1 :]


def others(raw: bytes, count: int, seed: int) -> Iterator[bytes]:
    """Bytes taken out, put in, copied from elsewhere; half of them in the footer, with its length made right."""
    dice = random.Random(seed)
    length = int.from_bytes(raw[-8:-4], "little")
    for _ in range(count):
        changed = bytearray(raw[:-8])
        first = len(changed) - length if dice.random() < 0.5 else 4
        for _ in range(dice.choice((1, 1, 2, 5))):
            at = dice.randrange(first, len(changed))
            there = dice.randrange(first, len(changed))
            new = dice.choice(
                (dice.randbytes(dice.randrange(4)), bytes(changed[there : there + dice.randrange(40)]))
            )
            changed[at : at + dice.choice((0, 1, len(new), 40))] = new
        footer = max(0, length + len(changed) - len(raw) + 8)
        yield bytes(changed) + footer.to_bytes(4, "little") + raw[-4:]


def wrong_rows(file: ArchiveFile, raw: bytes, changed: Iterator[bytes]) -> int:
    """How many were read, with other rows."""
    right, wrong = read_file(file, raw), 0
    for each in changed:
        try:
            found = read_file(file, each)
        except FormatError:
            continue
        wrong += not found.equals(right)
    return wrong


def main(store: Path, step: int, bits: list[int], count: int) -> None:
    """See above."""
    found: dict[str, int] = {}
    for seed, path in enumerate(sorted(store.rglob("*.parquet"))):
        name = path.relative_to(store).as_posix()
        file, raw = parse_name(name), path.read_bytes()
        assert file is not None
        print(json.dumps(name), flush=True)
        found[name] = wrong_rows(file, raw, flips(raw, step, bits))
        wrong_rows(file, raw, others(raw, count, seed))
    print(json.dumps(found))


if __name__ == "__main__":
    main(
        Path(sys.argv[1]), int(sys.argv[2]), [int(each) for each in sys.argv[3].split(",")], int(sys.argv[4])
    )
