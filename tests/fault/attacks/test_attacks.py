"""Each attack of docs/attacks.md, done to a real sealed log: what it shows, and where.

`before`: a sidecar or a broker did it before the notary read the log. `after`: somebody with the store did it.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from audit.archive import Archive, Part
from audit.archive.columns import entries_table
from audit.archive.files import encode_entries, encode_payloads
from audit.log.base import LogEntry
from audit.proof.checkpoint import Checkpoint, sign_checkpoint
from audit.proof.hashing import leaf_hash
from audit.proof.merkle import LeafNodes, root
from audit.proof.note import COSIGNATURE, VerifierKey
from audit.proof.tiles import Bundle, Edge, encode_bundle
from tests.components.sealed import KeySigner, SealedLog, seal_log, sealed_log, write_log
from tests.fault.attacks.hands import changed_entry, copy, flaws, named, rewritten, sequence, verified

REQUESTS = [[b'{"instances":[[1]]}'] * 4, [b'{"instances":[[2]]}'] * 5]
SIZE = 13
"""Two epochs: opening, exchanges, closing, each."""


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> SealedLog:
    return sealed_log(tmp_path_factory.mktemp("sound"), archive_records=8)


@pytest.fixture
def log(sound: SealedLog, tmp_path: Path) -> SealedLog:
    """A copy, to be attacked."""
    return copy(sound, tmp_path)


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> SealedLog:
    return write_log(tmp_path_factory.mktemp("shipped"), REQUESTS)


@pytest.fixture
def unsealed(shipped: SealedLog, tmp_path: Path) -> SealedLog:
    """The notary has not read it yet."""
    return copy(shipped, tmp_path)


def bundle_file(log: SealedLog, size: int = SIZE) -> Path:
    return log.folder / Bundle(0, size).path


def entries_of(log: SealedLog) -> list[bytes]:
    return [log.tree.entry(offset, SIZE) for offset in range(SIZE)]


def write_tree(log: SealedLog, entries: list[bytes], *, seed: bytes | None = None) -> None:
    """Every file of a tree of other entries; with a seed the checkpoint too, signed."""
    edge = Edge(0, ())
    leaves = [leaf_hash(entry) for entry in entries]
    edge.append(leaves)
    for tile, content in edge.partial():
        (log.folder / tile.path).parent.mkdir(parents=True, exist_ok=True)
        (log.folder / tile.path).write_bytes(content)
    bundle_file(log, len(entries)).write_bytes(encode_bundle(entries))
    if seed is not None:
        head = Checkpoint(log.tree_id.origin, len(entries), root(LeafNodes(leaves), len(leaves)))
        (log.folder / "checkpoint").write_bytes(sign_checkpoint(head, KeySigner(seed)))


def archive_file(log: SealedLog, part: Part, number: int = 0) -> tuple[Path, pa.Table]:
    archive = Archive(log.objects)
    file = archive.files(part, log.topic.id, 0)[number]
    return log.store / file.name, archive.rows(file)


def test_a_sound_log_is_without_a_flaw(sound: SealedLog) -> None:
    """What is found below is found because of the attack."""
    found = verified(sound)
    assert found.flaws == found.remarks == []
    assert (found.entries, found.archived, found.logged, found.payloads) == (SIZE, SIZE, SIZE, 9)
    assert (found.checkpoints, found.signatures, found.journals) == (4, 4, 1)


# ---------------------------------------------------------------- drop, swap, insert


def test_a_record_dropped_before_sealing_is_missing_from_its_journal(unsealed: SealedLog) -> None:
    """Sequence numbers have no gap: the place where one is missing is named."""
    seal_log(unsealed, change=lambda entries: entries[:3] + entries[4:])
    found = named(flaws(unsealed, log=False), "missing", offset=3)
    assert "sequence 3 is" in found.message


def test_an_entry_dropped_from_a_sealed_tree_is_located(log: SealedLog) -> None:
    """The bundle's entries from there on are not what the leaves say."""
    entries = entries_of(log)
    bundle_file(log).write_bytes(encode_bundle(entries[:3] + entries[4:]))
    named(flaws(log), "entry", offset=3)


def test_two_records_swapped_before_sealing_break_their_chain(unsealed: SealedLog) -> None:
    """Order is sworn: each entry has the hash of the one before it."""
    seal_log(unsealed, change=lambda entries: [*entries[:3], entries[4], entries[3], *entries[5:]])
    found = flaws(unsealed, log=False)
    named(found, "missing", offset=3)
    assert any(flaw.offset == 4 for flaw in found)


def test_two_entries_swapped_in_a_sealed_tree_are_located(log: SealedLog) -> None:
    """Both places are named."""
    entries = entries_of(log)
    entries[3], entries[4] = entries[4], entries[3]
    bundle_file(log).write_bytes(encode_bundle(entries))
    found = flaws(log)
    named(found, "entry", offset=3)
    named(found, "entry", offset=4)


def test_a_forged_record_inserted_before_sealing_has_no_place_in_the_chain(unsealed: SealedLog) -> None:
    """Its sequence is another entry's."""

    def insert(entries: list[LogEntry]) -> list[LogEntry]:
        forged = entries[3]._replace(value=changed_entry(entries[3].value, answer=b'{"predictions":[9]}'))
        return [*entries[:4], forged, *entries[4:]]

    seal_log(unsealed, change=insert)
    named(flaws(unsealed, log=False), "duplicate", offset=4)


def test_an_entry_inserted_into_a_sealed_tree_is_located(log: SealedLog) -> None:
    """From there on nothing is where it was sealed."""
    entries = entries_of(log)
    bundle_file(log).write_bytes(encode_bundle([*entries[:3], entries[5], *entries[3:]]))
    named(flaws(log), "entry", offset=3)


def test_a_tree_rewritten_up_to_the_root_does_not_have_the_signed_root(log: SealedLog) -> None:
    """Whoever rewrites entries and all tiles lacks the key."""
    entries = entries_of(log)
    write_tree(log, [*entries[:3], *entries[4:], entries[3]])
    assert named(flaws(log), "checkpoint").path == f"{log.tree_id.prefix}/checkpoint"


# ---------------------------------------------------------------- truncate


def test_a_head_truncated_before_sealing_is_told(unsealed: SealedLog) -> None:
    """A journal begins with an opening of sequence 0, and this one does not."""
    seal_log(unsealed, change=lambda entries: entries[2:])
    named(flaws(unsealed, log=False), "missing", offset=0)


def test_a_tail_truncated_before_sealing_shows_when_the_heartbeat_is_due(unsealed: SealedLog) -> None:
    """The journal's opening promised a sign of life; others went on, and it has given none."""
    write_log(unsealed.root, REQUESTS[:1], journal="1")

    def cut(entries: list[LogEntry]) -> list[LogEntry]:
        kept, later = entries[:10], entries[SIZE:]
        return kept + [entry._replace(timestamp=entry.timestamp + 86_400_000) for entry in later]

    seal_log(unsealed, change=cut)
    found = named(flaws(unsealed, log=False), "heartbeat")
    assert found.offset == 6  # where it was heard last: the opening of its second epoch


def test_a_tail_truncated_after_sealing_is_told(log: SealedLog) -> None:
    """Tiles of a smaller size are there, the signed size is not to be had."""
    bundle_file(log).unlink()
    found = named(flaws(log), "entries")
    assert "is not there" in found.message


def test_a_log_whose_tail_was_cut_is_told(log: SealedLog) -> None:
    """The log is shorter than what is sealed of it."""
    shutil.rmtree(log.log_directory / "0")
    (log.log_directory / "0").mkdir()
    assert "its tail was cut" in named(flaws(log), "log", offset=0).message


# ---------------------------------------------------------------- rewrite


def test_an_answer_rewritten_by_the_sidecar_is_not_signed_by_the_journal(unsealed: SealedLog) -> None:
    """Payload, digest and every later chain hash were made anew; the closing's signature covers the old chain."""
    seal_log(unsealed, change=rewritten(2, b'{"predictions":[0.0]}'))
    found = named(flaws(unsealed, log=False), "signature", offset=5)
    assert "journal's key" in found.message


def test_an_answer_rewritten_without_the_chain_is_located(unsealed: SealedLog) -> None:
    """The next entry does not follow it."""

    def change(entries: list[LogEntry]) -> list[LogEntry]:
        out = list(entries)
        out[2] = out[2]._replace(value=changed_entry(out[2].value, answer=b'{"predictions":[0.0]}'))
        return out

    seal_log(unsealed, change=change)
    named(flaws(unsealed, log=False), "chain", offset=3)


def test_a_log_rewritten_after_sealing_is_located(log: SealedLog) -> None:
    """The log's records are held to the tree."""
    entries = log.entries()
    entries[2] = entries[2]._replace(value=changed_entry(entries[2].value, answer=b'{"predictions":[0.0]}'))
    shutil.rmtree(log.log_directory / "0")
    writer = log.log().writer(0)
    for entry in entries:
        writer.send(entry.value, entry.key or b"")
    while writer.delivered().sends < len(entries):
        writer.wait(1.0)
    writer.close()
    named(flaws(log), "log", offset=2)


# ---------------------------------------------------------------- checkpoints


def test_a_checkpoint_that_was_rolled_back_is_told(log: SealedLog) -> None:
    """An older one is signed as well; the state, and the archive's heads, are of a larger tree."""
    old = Archive(log.objects)
    (file,) = [each for each in old.files(Part.CHECKPOINTS, log.topic.id, 0) if each.first == 0]
    (log.folder / "checkpoint").write_bytes(old.rows(file).column("checkpoint")[0].as_py())
    assert "rolled back" in named(flaws(log), "checkpoint").message


def roll_back(log: SealedLog) -> None:
    """The checkpoint is the first one again; state and archived heads, which know of larger ones, are gone."""
    path, rows = archive_file(log, Part.CHECKPOINTS)
    (log.folder / "checkpoint").write_bytes(rows.column("checkpoint")[0].as_py())
    (log.folder / "state").unlink()
    shutil.rmtree(log.store / "archive" / "checkpoints")
    assert not path.exists()


@pytest.mark.parametrize("live", [True, False])
def test_a_checkpoint_that_was_rolled_back_alone_is_told_by_the_archive(log: SealedLog, live: bool) -> None:
    """Nothing is archived that is not sealed."""
    roll_back(log)
    found = named(flaws(log, log=live, files=False), "archive", offset=4)
    assert (
        "has offsets up to 12, and the newest checkpoint covers 4: the store was rolled back" in found.message
    )


def test_a_checkpoint_that_was_rolled_back_alone_is_told_by_the_tiles(log: SealedLog) -> None:
    """A notary that was ended while it sealed leaves such files, and always a state."""
    roll_back(log)
    shutil.rmtree(log.store / "archive")
    found = named(flaws(log, log=False), "checkpoint", path=f"{log.tree_id.prefix}/checkpoint")
    assert (
        "of 13 leaves at least, and the newest checkpoint covers 4: the store was rolled back"
        in found.message
    )


def test_checkpoint_and_state_that_were_rolled_back_together_are_told_by_the_tiles(log: SealedLog) -> None:
    """With the archive gone too: no notary is there that would sign for the tiles that are left."""
    older = sealed_head(log, 7)
    for name, content in older.items():
        (log.folder / name).write_bytes(content)
    shutil.rmtree(log.store / "archive")
    found = named(flaws(log, log=False), "checkpoint", path=f"{log.tree_id.prefix}/checkpoint")
    assert (
        "of 13 leaves at least, and the newest checkpoint covers 7: the store was rolled back"
        in found.message
    )
    assert "or the notary was ended while it sealed" in found.message


def sealed_head(log: SealedLog, size: int) -> dict[str, bytes]:
    """Checkpoint and state of a notary that has sealed so much of the log, and archived nothing."""
    other = SealedLog(log.root / "older", log.topic, log.records)
    shutil.copytree(log.log_directory, other.log_directory)
    seal_log(other, archive=False, change=lambda entries: entries[:size])
    return {name: (other.folder / name).read_bytes() for name in ("checkpoint", "state")}


def test_tiles_far_beyond_the_state_are_told(sound: SealedLog, log: SealedLog) -> None:
    """No notary seals so much at once: the files of an unfinished seal are of fewer leaves, and it is not blamed."""
    for number, words in ((1000, "or the notary was ended"), (999_999, "the store was rolled back")):
        path = log.folder / Bundle(number).path
        path.parent.mkdir(parents=True)
        path.write_bytes(encode_bundle([b"x"] * 256))
        (found,) = flaws(log, log=False)
        assert found.what == "checkpoint"
        assert found.message.endswith(words) == (number == 999_999)
        assert words in found.message


def test_a_store_that_was_rolled_back_is_shown_by_a_checkpoint_that_somebody_kept(
    sound: SealedLog, tmp_path: Path
) -> None:
    """All of it is consistent, and older than what was published once."""
    kept = (sound.folder / "checkpoint").read_bytes()
    old = SealedLog(copy(sound, tmp_path).root, sound.topic, sound.records)
    shutil.rmtree(old.store)
    seal_log(old, change=lambda entries: entries[:7])
    assert flaws(old, log=False) == []
    assert (
        "rolled back"
        in named(flaws(old, log=False, kept=[("kept", kept)]), "checkpoint", path="kept").message
    )


def test_a_fork_under_the_valid_key_is_shown_by_a_checkpoint_that_somebody_kept(
    sound: SealedLog, tmp_path: Path
) -> None:
    """The notary itself signed two trees of one size: whoever has one of the two heads can show it."""
    kept = (sound.folder / "checkpoint").read_bytes()
    fork = copy(sound, tmp_path)
    shutil.rmtree(fork.store)
    seal_log(fork, change=lambda entries: [*entries[:2], entries[3], entries[2], *entries[4:]])
    found = flaws(fork, log=False, kept=[("kept", kept)])
    assert "forked" in named(found, "checkpoint", path="kept").message


def test_a_fork_under_the_valid_key_contradicts_the_archived_heads(log: SealedLog) -> None:
    """Heads that were signed before stay in the archive."""
    entries = entries_of(log)
    write_tree(log, [*entries[:2], entries[3], entries[2], *entries[4:]], seed=bytes(range(32)))
    (log.folder / "state").unlink()
    found = flaws(log)
    assert any("forked" in flaw.message and "checkpoints" in (flaw.path or "") for flaw in found)


def test_a_checkpoint_without_its_witnesses_is_refused(log: SealedLog) -> None:
    """Who asks for a quorum is shown no head that nobody vouches for: a fork needs the witnesses too."""
    witness = VerifierKey("witness.example", KeySigner(b"\x07" * 32).public_key, COSIGNATURE)
    found = flaws(log, witnesses=[witness], quorum=1)
    assert "witnesses vouch" in named(found, "checkpoint").message


def test_a_checkpoint_of_another_key_is_refused(log: SealedLog) -> None:
    """A tree that somebody else has signed is nobody's evidence."""
    write_tree(log, entries_of(log), seed=b"\x09" * 32)
    assert "not signed" in named(flaws(log), "checkpoint").message


# ---------------------------------------------------------------- the topic


def test_a_topic_that_was_made_again_is_told(log: SealedLog) -> None:
    """It has the same name and another id; what is sealed is of the one that is gone."""
    shutil.rmtree(log.log_directory)
    again = log.log().topic()
    found = named(flaws(log), "topic")
    assert again.id.hex() in found.message
    assert again.name == log.topic.name


def test_a_topic_that_was_made_again_under_the_old_id_is_told(log: SealedLog) -> None:
    """A broker that lies about the id has lost the records all the same."""
    about = (log.log_directory / "topic.json").read_bytes()
    shutil.rmtree(log.log_directory)
    log.log_directory.mkdir()
    (log.log_directory / "topic.json").write_bytes(about)
    assert json.loads(about)["id"] == log.topic.id.hex()
    named(flaws(log), "log", offset=0)


# ---------------------------------------------------------------- the archive


def test_an_edited_column_of_the_archive_is_located(log: SealedLog) -> None:
    """What people search by is what the entry says."""
    path, table = archive_file(log, Part.ENTRIES)
    status = table.column("status").to_pylist()
    status[3] = 403
    at = table.schema.get_field_index("status")
    pq.write_table(table.set_column(at, table.schema.field(at), pa.array(status, pa.int64())), path)
    found = named(flaws(log), "archive", offset=3)
    assert "status" in found.message
    assert found.path == path.relative_to(log.store).as_posix()


@pytest.mark.parametrize(("start", "end"), [(3, 4), (2, 10), (0, 7), (3, None)])
@pytest.mark.parametrize("column", ["status", "service", "caller"])
def test_an_edited_column_is_located_by_a_range_that_covers_its_row(
    log: SealedLog, column: str, start: int, end: int | None
) -> None:
    """Whoever asks for a few offsets is told of them what all of the file would show; the rest is not looked at."""
    path, table = archive_file(log, Part.ENTRIES)
    kind = table.schema.field(column).type
    values = table.column(column).to_pylist()
    values[3] = 403 if column == "status" else "another"
    at = table.schema.get_field_index(column)
    pq.write_table(table.set_column(at, table.schema.field(at), pa.array(values, kind)), path)
    found = named(flaws(log, start=start, end=end), "archive", offset=3)
    assert column in found.message
    assert flaws(log, start=4, end=6) == []


def test_an_edited_digest_beside_a_payload_is_located_by_a_range(log: SealedLog) -> None:
    """Of the payloads' file too."""
    path, table = archive_file(log, Part.PAYLOADS)
    offset, digests = table.column("offset")[1].as_py(), table.column("payload_digest").to_pylist()
    digests[1] = bytes(32)
    path.write_bytes(
        encode_payloads(
            table.set_column(1, table.schema.field(1), pa.array(digests, table.schema.field(1).type))
        )
    )
    found = named(flaws(log, start=offset, end=offset + 1), "archive", offset=offset)
    assert "payload_digest" in found.message
    assert flaws(log, start=offset + 1, end=offset + 2) == []


def test_an_edited_entry_of_the_archive_is_located(log: SealedLog) -> None:
    """A file that is consistent in itself, written as we write it."""
    path, table = archive_file(log, Part.ENTRIES)
    entries = table.column("entry").to_pylist()
    entries[3] = entries[2]
    times = table.column("logged").cast(pa.int64()).to_pylist()
    path.write_bytes(encode_entries(entries_table(range(len(entries)), times, entries)))
    named(flaws(log), "archive", offset=3)


def test_edited_times_of_the_archive_are_told_while_the_log_has_them(log: SealedLog) -> None:
    """No leaf has the log's timestamps: only the log itself can tell."""
    path, table = archive_file(log, Part.ENTRIES)
    times = table.column("logged").cast(pa.int64()).to_pylist()
    times[3] += 1
    path.write_bytes(
        encode_entries(entries_table(range(len(times)), times, table.column("entry").to_pylist()))
    )
    found = named(flaws(log), "archive", offset=3)
    assert "logged at" in found.message


def test_an_edited_payload_of_the_archive_is_located(log: SealedLog) -> None:
    """The entry's digest covers each byte of it."""
    path, table = archive_file(log, Part.PAYLOADS)
    payloads = table.column("payload").to_pylist()
    payloads[1] = payloads[1][:-1] + b"X"
    path.write_bytes(
        encode_payloads(table.set_column(2, table.schema.field(2), pa.array(payloads, pa.binary())))
    )
    offset = table.column("offset")[1].as_py()
    named(flaws(log), "payload", offset=offset)


def test_a_removed_file_of_the_archive_is_told(log: SealedLog) -> None:
    """Offsets are to be there without a gap, up to where the notary says."""
    path, _ = archive_file(log, Part.ENTRIES)
    path.unlink()
    named(flaws(log), "archive", offset=0)


def test_statistics_that_hide_rows_are_told(log: SealedLog) -> None:
    """The rows are right; a reader that skips by the file's minima and maxima would not see them."""
    path, _ = archive_file(log, Part.ENTRIES)
    raw = path.read_bytes()
    record = log.records[0].encode()
    places = [at for at in range(len(raw)) if raw.startswith(record[:32], at)]
    at = max(places)  # in the footer
    path.write_bytes(raw[:at] + b"f" * 8 + raw[at + 8 :])
    named(flaws(log), "archive", path=path.relative_to(log.store).as_posix())


def test_sequences_are_what_the_log_counts(sound: SealedLog) -> None:
    """What the attacks above take for granted: one journal, one offset a sequence."""
    assert [sequence(entry) for entry in sound.entries()] == list(range(SIZE))
