"""Files of the archive that an earlier version wrote are right, in whatever way it wrote them."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from audit.archive import Archive, Part
from audit.archive.files import WRITER, earlier_ways, encode_checkpoints, encode_entries, encode_payloads
from audit.auditor.verified import TreeVerified
from audit.auditor.verify import Wanted, verify_trees
from audit.objects.directory import DirectoryObjects
from audit.proof.note import VerifierKey
from audit.sealed import TreeId
from audit.trees import Trees, Trust

HERE = Path(__file__).parent
ENCODE = {Part.ENTRIES: encode_entries, Part.PAYLOADS: encode_payloads, Part.CHECKPOINTS: encode_checkpoints}


@pytest.fixture(scope="module", params=sorted(path.name for path in HERE.glob("*.tar.xz")))
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As that version left it; for reading."""
    root: Path = tmp_path_factory.mktemp("left")
    with tarfile.open(HERE / request.param) as tar:
        tar.extractall(root, filter="data")
    return root / "sealed"


def verified(store: Path) -> TreeVerified:
    key = VerifierKey.parse((store / "notary.pub").read_text().strip())
    objects = DirectoryObjects(store)
    (id_,) = {path.name for path in store.iterdir() if len(path.name) == 32}
    trees, tree = Trees(Trust(key.name, Path(), (), 0, key), objects), TreeId(key.name, bytes.fromhex(id_), 0)
    return verify_trees(trees, [tree], Archive(objects), {}, Wanted(), pause=lambda _: None)[0]


def test_it_is_written_otherwise_now(store: Path) -> None:
    """Else what is below shows nothing. In a way that is known, while the library is the same: so a file is told from
    one that was changed since.
    """
    archive = Archive(DirectoryObjects(store))
    for part, encode in ENCODE.items():
        for file in archive.all_files(part):
            assert encode(archive.rows(file)) != archive.content(file)
            content = archive.content(file)
            assert (content in earlier_ways(part, archive.rows(file))) == (WRITER.encode() in content)


def test_what_it_says_of_its_rows_holds(store: Path) -> None:
    """Nothing is wrong, each file counts, and each is named as one that is written in another way."""
    found = verified(store)
    assert (found.flaws, found.entries, found.archived) == ([], 13, 13)
    said = [each for each in found.remarks if "written in another way" in each.message]
    assert sorted(str(each.path) for each in said) == sorted(
        path.relative_to(store).as_posix() for path in store.rglob("*.parquet")
    )
    assert (found.archive_files, len(said)) == (2, 6)
