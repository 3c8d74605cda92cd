"""What an auditor waits for, on one large sealed log: verifying it, finding and proving a record, a bundle.

Everything runs in this process on one core, but the bundle, which is the command as a person types it.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any

import cbor2

from harness.ours import ROOT, tool
from harness.processes import BenchError
from harness.report import Bar

if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from audit.archive import Archive
from audit.auditor.index import Index
from audit.auditor.records import Records
from audit.auditor.verify import LiveLog, Wanted, verify_trees
from audit.config import load
from audit.log.local import LocalLog
from audit.proof.merkle import inclusion_proof
from audit.proof.tiles import TileNodes
from audit.proof.whole import TreeCheck
from audit.show import walk
from audit.trees import Trees, configured_trees
from harness.sealed import SealedLog, write_sealed_log

TREE_GOAL = 200_000.0  # entries a second
WHOLE_GOAL = 0.6  # everything ÷ bare decode and hash
LOOK_GOAL = 100.0  # ms
BUNDLE_GOAL = 30.0  # s
BUNDLE_RECORDS = 10_000
LOOKS = 200


def measure(
    directory: Path, records: int, rounds: int, told: Callable[[str], None]
) -> tuple[list[dict[str, Any]], list[Bar]]:
    """All of it on a log of `records` records; `told` is what is being done."""
    told(f"writing a sealed log of {records:,} records")
    written = write_sealed_log(directory, records, log=True)
    trees = configured_trees(load(directory / "affiant.toml"))
    rows: list[dict[str, Any]] = []
    bars: list[Bar] = []
    for what, part in (
        ("verifying", lambda: verifying(trees, written, rounds)),
        ("finding and proving", lambda: looking(trees, written, directory)),
        ("proofs of trees of many sizes", lambda: proofs(directory, written)),
        ("a bundle", lambda: bundle(directory, written)),
    ):
        told(what)
        more, their = part()
        rows += more
        bars += their
    return rows, bars


def verifying(trees: Trees, written: SealedLog, rounds: int) -> tuple[list[dict[str, Any]], list[Bar]]:
    """The tree alone; everything; and a bare loop that decodes each entry and hashes entry and payload."""
    log = LocalLog(written.log, "affiant-entries", create=False) if written.log else None
    assert log is not None
    size = written.size
    root = trees.tree(written.tree.topic, 0).published().opened.checkpoint.root

    def tree_alone() -> None:
        check = TreeCheck(written.tree.origin, trees.tree(written.tree.topic, 0).fetch, size, root)
        seen = sum(len(part.entries) for part in check.entries())
        if seen != size or check.flaws:
            raise BenchError(f"the tree was not verified: {seen} of {size} entries, {check.flaws[:1]}")

    def everything() -> None:
        reader = log.reader()
        archive = Archive(trees.objects, trees.payload_objects)
        live = {written.tree.topic: LiveLog(reader, log.topic())}
        (found,) = verify_trees(trees, [written.tree], archive, live, Wanted())
        reader.close()
        if found.entries != size or found.flaws:
            raise BenchError(f"not everything was verified: {found.entries} of {size}, {found.flaws[:1]}")

    def bare() -> None:
        reader = log.reader()
        count = 0
        for read in walk(reader, 0, 0, size):
            value = read.value or b""
            end = 4 + int.from_bytes(value[2:4], "big")
            entry = value[4:end]
            cbor2.loads(entry)
            sha256(b"\x00" + entry).digest()
            sha256(value[end:]).digest()
            count += 1
        reader.close()
        assert count == size

    found: dict[str, list[float]] = {}
    for _ in range(rounds):
        for what, action in (("tree alone", tree_alone), ("everything", everything), ("bare loop", bare)):
            begin = time.process_time()
            action()
            found.setdefault(what, []).append(size / (time.process_time() - begin))
    rows = [
        {"what": f"verify: {what}", "records_s": round(statistics.median(each))}
        for what, each in found.items()
    ]
    ratio = statistics.median(
        ours / theirs for ours, theirs in zip(found["everything"], found["bare loop"], strict=True)
    )
    return rows, [
        Bar(
            "verify, tree alone, entries a second a core",
            statistics.median(found["tree alone"]),
            "≥",
            TREE_GOAL,
        ),
        Bar("verify, everything ÷ bare decode-and-hash loop", ratio, "≥", WHOLE_GOAL),
    ]


def looking(trees: Trees, written: SealedLog, directory: Path) -> tuple[list[dict[str, Any]], list[Bar]]:
    """`prove` and `show` of records all over the log, one after the other."""
    random = Random(3)
    wanted = [written.record(random.randrange(1, written.size)) for _ in range(LOOKS)]
    rows, bars = [], []
    with Index(directory / "index.duckdb", trees.trust.name) as index:
        archive = Archive(trees.objects, trees.payload_objects)
        records = Records(trees, archive, index, topics={written.tree.topic: 1})
        begin = time.perf_counter()
        records.refresh()
        rows.append({"what": "index: filled", "seconds": round(time.perf_counter() - begin, 2)})
        for what, action in (("prove", records.prove), ("show", records.show)):
            times = sorted(_timed(action, wanted))
            rows.append(
                {
                    "what": f"{what}, {written.size:,} records", "p50_ms": round(times[len(times) // 2], 2),
                    "p99_ms": round(times[int(len(times) * 0.99)], 2), "most_ms": round(times[-1], 2),
                }
            )  # fmt: skip
            bars.append(
                Bar(
                    f"{what} on {written.size:,} records, p99 in ms", times[int(LOOKS * 0.99)], "<", LOOK_GOAL
                )
            )
    return rows, bars


def _timed(action: Callable[[str], object], wanted: list[str]) -> Iterator[float]:
    for record in wanted:
        begin = time.perf_counter()
        action(record)
        yield (time.perf_counter() - begin) * 1e3


def proofs(directory: Path, largest: SealedLog) -> tuple[list[dict[str, Any]], list[Bar]]:
    """Hashes and files of one inclusion proof, in logs of 1,000 records, ten times as many, and so on."""
    rows, over = [], []
    random = Random(5)
    size = 1_000
    while size <= largest.size:
        written = largest if size == largest.size else write_sealed_log(directory / f"log-{size}", size)
        hashes, files, times = [], [], []
        for _ in range(20):
            fetched: list[str] = []

            def fetch(path: str, written: SealedLog = written, fetched: list[str] = fetched) -> bytes | None:
                fetched.append(path)
                place = written.store / written.tree.prefix / path
                return place.read_bytes() if place.exists() else None

            begin = time.perf_counter()
            proof = inclusion_proof(TileNodes(fetch, size), random.randrange(size), size)
            times.append((time.perf_counter() - begin) * 1e3)
            hashes.append(len(proof))
            files.append(len(fetched))
        over.append(max(hashes) - (size - 1).bit_length())
        rows.append(
            {
                "what": f"inclusion proof, {size:,} leaves", "hashes": max(hashes), "files": max(files),
                "ms": round(statistics.median(times), 2),
            }
        )  # fmt: skip
        size *= 10
    return rows, [Bar("hashes of a proof over log2 of the leaves, most", max(over), "≤", 0)]


def bundle(directory: Path, written: SealedLog) -> tuple[list[dict[str, Any]], list[Bar]]:
    """`affiant audit bundle` of a range, and `affiant-verify bundle` of what came out."""
    count = min(BUNDLE_RECORDS, written.size // 2)
    first = written.size // 4
    out = directory / "evidence.zip"
    topic = written.tree.topic.hex()
    environment = {"XDG_CACHE_HOME": str(directory / "cache"), "PATH": "/usr/bin:/bin"}
    command = [
        tool("affiant"), "audit", "bundle", "--config", str(directory / "affiant.toml"),
        "--range", f"0:{first}-{first + count - 1}", "-o", str(out),
    ]  # fmt: skip
    seconds = []
    # What the command `affiant-verify` of the verifier's own wheel does.
    verifier = [sys.executable, "-P", "-c", "from audit.proof.command import run; run()"]
    for said in (command, [*verifier, "bundle", str(out), "--key", str(written.vkey)]):
        begin = time.perf_counter()
        done = subprocess.run(said, capture_output=True, text=True, check=False, env=environment, timeout=600)
        seconds.append(time.perf_counter() - begin)
        if done.returncode != 0:
            raise BenchError(f"{' '.join(said[:3])} of topic {topic} failed:\n{done.stderr[-2000:]}")
    rows = [
        {
            "what": f"bundle of {count:,} records", "seconds": round(seconds[0], 2),
            "verified_s": round(seconds[1], 2), "mib": round(out.stat().st_size / (1 << 20), 2),
        }
    ]  # fmt: skip
    return rows, [Bar(f"bundle of {count:,} records, s", seconds[0], "<", BUNDLE_GOAL)]
