from __future__ import annotations

from pathlib import Path

from harness.sealed import write_sealed_log

from audit.archive import Archive
from audit.check import check_log
from audit.log.local import LocalLog
from audit.notary.keys import FileKey, read_vkey
from audit.notary.seal import Seal
from audit.objects.directory import DirectoryObjects
from audit.proof.receipt import verify_receipt
from audit.proof.record import frame_record
from audit.sealed import SealedTree


def test_a_synthetic_log_is_one_that_the_real_parts_accept(tmp_path: Path) -> None:
    """What benches measure with is valid: the log's check, the notary's state, proofs and the archive agree."""
    made = write_sealed_log(tmp_path, 6_000, tail=700, log=True)
    assert made.log is not None
    reader = LocalLog(made.log, "affiant-entries").reader()
    checked = check_log(reader, 1)
    assert not checked.flaws
    assert (checked.records, checked.exchanges, checked.signatures) == (6_000, 5_998, 2)
    objects = DirectoryObjects(made.store)
    vkey = read_vkey(tmp_path / "notary.pub")
    seal = Seal(objects, made.tree, FileKey(made.key))
    assert (seal.state.size, seal.state.archived) == (6_000, 5_300)
    seal.close()
    tree = SealedTree(objects, made.tree, vkey.public_key)
    published = tree.published()
    receipt = tree.receipt(5_555, published)
    assert verify_receipt(receipt, made.tree.key(vkey.public_key)).checkpoint.size == 6_000
    logged = reader.read(0, 0, 1 << 30, 1.0)
    archived = list(Archive(objects).records(made.tree.topic, 0, 0, 5_300))
    assert [frame_record(each.entry, each.payload) for each in archived] == [
        entry.value for entry in logged[:5_300]
    ]
    reader.close()
