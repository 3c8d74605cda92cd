"""Writes a sealed store whose archive is that of a version: run it at that version, in the repository's root.

`without-checksums.tar.xz` is of the commit before 9a44d8c: the same library, and no checksum of a page.
"""

from __future__ import annotations

import sys
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.components.sealed import sealed_log


def main(path: str) -> None:
    """A store as a notary leaves it, with the key that it is signed with."""
    with TemporaryDirectory() as root, tarfile.open(path, "w:xz") as tar:
        made = sealed_log(Path(root), archive_records=8)
        (made.store / "notary.pub").write_text(f"{made.vkey}\n")
        tar.add(made.store, "sealed", filter=lambda each: None if each.name.endswith(".lock") else each)


if __name__ == "__main__":
    main(sys.argv[1])
