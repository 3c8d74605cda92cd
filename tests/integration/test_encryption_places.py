"""Encrypted payloads with all that keeps them: no byte of them is in the clear in a real cluster and a real bucket."""

from __future__ import annotations

import json
import struct
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from audit.config import load
from audit.notary.keys import generate
from audit.payload_keys import add_key, configured_keys
from audit.proof.entry import Key
from audit.proof.record import Record
from tests.components.approvals import affiant
from tests.components.gateway import Site
from tests.components.kafka import KafkaBroker
from tests.components.packages import number_package
from tests.components.ports import HOST, free_port
from tests.components.process import Process
from tests.components.s3 import S3Server
from tests.integration.test_spans import records

MARK = "7391.84375"
"""A number that float32 has, and nothing else holds: as text it must be nowhere."""
ROW = struct.pack("<3f", float(MARK), 2.0, 3.0)
"""As the model was given it."""
LARGE = 16_000
"""Rows whose payload is too large for the log."""


@dataclass(frozen=True)
class Kept:
    """What is left of answers, a refusal and a label, and where it is."""

    records: list[Record]
    """Those with a payload, of the journal."""
    plain: list[bytes]
    """Their payloads, opened by the keys."""
    places: dict[str, list[bytes]]
    """All that is readable at each place: files as they are, and what a reader of Kafka or Parquet gets out of them."""


def body(count: int) -> bytes:
    return f'{{"instances":[{",".join([f"[{MARK},2.0,3.0]"] * count)}]}}'.encode()


def tell(port: int, verb: str, said: bytes) -> int:
    """One request; its status."""
    headers = {"Content-Type": "application/json", "X-Request-Id": "r1"}
    request = urllib.request.Request(f"http://{HOST}:{port}/v1/models/numbers:{verb}", said, headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            answer.read()
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def files(folder: Path) -> Iterator[bytes]:
    """Every file, and of one of columns each cell: its pages are compressed."""
    for path in folder.rglob("*"):
        if path.is_file():
            yield path.read_bytes()
        if path.suffix == ".parquet":
            for column in pq.read_table(path).columns:
                for cell in column.to_pylist():
                    yield cell if isinstance(cell, bytes) else str(cell).encode()


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory, kafka_broker: KafkaBroker, s3_server: S3Server) -> Kept:
    """`affiant up` with a gateway, a sidecar and a notary: asked, and ended, which archives what is left."""
    directory, bucket = tmp_path_factory.mktemp("places"), s3_server.bucket("places")
    topics = {"topic": "places-entries", "governance_topic": "places-governance"}
    site = Site(
        directory,
        gateway={"port": free_port(), "max_rows": LARGE},
        journal={"segment_bytes": 8 << 20, "max_bytes": 64 << 20, "external_bytes": 256 << 10},
        tables={
            "log": {"backend": "kafka", "bootstrap": kafka_broker.bootstrap, "replication": 1, **topics},
            "sidecar": {"metrics_port": free_port(), "object_store": f"s3://{bucket.name}/objects"},
            "notary": {"metrics_port": free_port(), "store": f"s3://{bucket.name}/sealed"},
            "encryption": {"keys_file": "payload-keys.json"},
        },
    )
    site.serve("numbers", number_package())
    add_key(directory / "payload-keys.json")
    generate(directory / "notary.key", directory / "notary.pub", "affiant.local")
    config = site.write()
    assert affiant("topics", "create", "--config", config).code == 0
    argv = [sys.executable, "-m", "cli.main", "up", "--config", config, "--only", "gateway,sidecar,notary"]
    with Process(argv, log=directory / "up.txt", env=bucket.environment()) as up:
        up.wait_for_log("│ ready; ", deadline_s=120)
        port = site.gateway["port"]
        label = json.dumps({"request_id": "r1", "row": 0, "label": MARK}).encode()
        wrong = f'{{"instances":[["{MARK}x",2.0,3.0]]}}'.encode()
        asked = (("predict", body(1)), ("predict", body(LARGE)), ("predict", wrong), ("label", label))
        assert [tell(port, *each) for each in asked] == [200, 200, 400, 200]
        assert up.stop(deadline_s=180) == 0
    found = [record for record in site.records() if record.payload]
    keys = configured_keys(load(config))
    return Kept(
        found,
        [keys.plain(record.entry, record.payload) for record in found],
        {
            "journals": list(files(directory / "data" / "journals")),
            "the rest of the data directory": [
                content
                for folder in (directory / "data").iterdir()
                if folder.name not in ("journals", "store")
                for content in files(folder)
            ],
            "Kafka": [
                part
                for topic in topics.values()
                for each in records(kafka_broker, topic)
                for part in (each.key or b"", each.value, *(value for _, value in each.headers))
            ],
            "objects": list(files(bucket.folder / "objects")),
            "archive": list(files(bucket.folder / "sealed" / "archive")),
            "all of the bucket": list(files(bucket.folder)),
            "what was said": [(directory / "up.txt").read_bytes()],
        },
    )


@pytest.mark.kafka
@pytest.mark.s3
def test_each_payload_is_in_its_places_and_nowhere_in_the_clear(kept: Kept) -> None:
    """The scan sees payloads there, encrypted: so it would see them plain."""
    assert len(kept.records) == 4
    assert all(MARK.encode() in payload for payload in kept.plain)
    assert sum(ROW in payload for payload in kept.plain) == 2
    (large,) = [record for record in kept.records if record.entry.get(Key.EXTERNAL)]
    for record in kept.records:
        within = ("objects",) if record is large else ("Kafka", "archive")
        for place in ("journals", *within):
            assert any(record.payload in content for content in kept.places[place]), place
    assert [sha256(content).digest() for content in kept.places["objects"]] == [
        large.entry.fields[Key.PAYLOAD_DIGEST]
    ]
    seen = {
        place
        for place, contents in kept.places.items()
        if any(MARK.encode() in content or ROW in content for content in contents)
    }
    assert seen == set()
    assert all(kept.places.values())
