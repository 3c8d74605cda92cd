"""Several notaries of one tree at once, as processes over one directory, each begun again when it was refused.

    python -m tests.fault.notary.rivals DIRECTORY

Each seals a little more of the same log, again and again. Prints, as JSON, how often each sealed and was refused.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Final

from audit.errors import NotaryRefuses
from audit.notary.seal import Seal
from audit.objects.directory import DirectoryObjects
from tests.fault.notary.world import TREE, World, check, entries

RIVALS: Final = 3
SIZE: Final = 3000
STEP: Final = 17


def rival(directory: Path, number: int) -> tuple[int, int]:
    """Seal until all is sealed; how often it could, and could not."""
    objects, key = DirectoryObjects(directory), World(DirectoryObjects(directory)).key
    sealed = refused = 0
    while True:
        try:
            seal = Seal(objects, TREE, key)
        except NotaryRefuses:  # another one has published between two looks
            refused += 1
            continue
        try:
            while seal.size < SIZE:
                seal.append(entries(seal.size, min(SIZE, seal.size + STEP * (number + 1))))
                seal.seal()
                sealed += 1
            return sealed, refused
        except NotaryRefuses:
            refused += 1
        finally:
            seal.close()


def main(directory: Path) -> None:
    """See above."""
    pipes = []
    for number in range(RIVALS):
        read, write = os.pipe()
        if os.fork() == 0:
            os.write(write, json.dumps(rival(directory, number)).encode())
            os._exit(0)
        os.close(write)
        pipes.append(read)
    results = []
    for read in pipes:
        with os.fdopen(read) as said:
            results.append(json.loads(said.read()))
    world = World(DirectoryObjects(directory))
    seal = world.open()
    seal.seal()
    seal.close()
    assert check(world).size == SIZE
    print(json.dumps(results))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
