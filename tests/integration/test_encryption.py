"""Encrypted payloads, from a gateway's journal to whoever reads: nothing of them is in the clear, and all come back."""

from __future__ import annotations

import json
import shutil
import struct
from collections import Counter
from hashlib import sha256
from pathlib import Path

import pytest
import structlog
import structlog.testing

from audit.check import check_log
from audit.config import load
from audit.errors import ConfigError
from audit.labels import is_label, read_label
from audit.log import configured_log
from audit.payload_keys import add_key, configured_keys
from audit.proof.encryption import NO_KEYS, NoKey, PayloadKeys
from audit.proof.entry import Key, Kind, Protocol
from audit.proof.record import Header, Record, header_of, parse_payload
from audit.replay import Verdict
from audit.show import describe, find
from monitoring.panes.collector import Collector, State
from monitoring.read import External, StorePackages
from registry.stores import configured_store
from service.call import Call, Route
from service.recording import accept
from tests.components.approvals import affiant
from tests.components.gateway import JSON, Site, ask, open_gateway, until
from tests.components.packages import number_package
from tests.components.replays import ship, verdicts

PREDICT = "/v1/models/numbers:predict"
INFER = "/v2/models/numbers/infer"
MARK = "7391.84375"
"""A number that float32 has, and nothing else holds: as text it must be nowhere."""
PACKED = struct.pack("<f", float(MARK))


def body(count: int) -> bytes:
    return f'{{"instances":[{",".join([f"[{MARK},2.0,3.0]"] * count)}]}}'.encode()


def tensors() -> bytes:
    tensor = {"name": "input", "datatype": "FP32", "shape": [1, 3], "data": [float(MARK), 2.0, 3.0]}
    return json.dumps({"inputs": [tensor]}).encode()


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """One service, and the first key."""
    site = Site(tmp_path, tables={"encryption": {"keys_file": "payload-keys.json"}})
    site.serve("numbers", number_package())
    add_key(tmp_path / "payload-keys.json")
    return site


async def recorded(site: Site) -> list[Record]:
    """Answers, a refusal and labels, under a first key and a second one; the journal's records."""
    keys = site.directory / "payload-keys.json"
    async with open_gateway(site) as front:
        for _ in range(2):
            answers = [
                await ask(front, PREDICT, body(1)),
                await ask(front, PREDICT, body(3), headers={**JSON, "x-request-id": "r1"}),
                await ask(front, INFER, tensors()),
                await ask(front, PREDICT, f'{{"instances":[["{MARK}x",2.0,3.0]]}}'.encode()),
                await ask(
                    front, "/v1/models/numbers:label",
                    json.dumps({"request_id": "r1", "row": 0, "label": MARK}).encode(),
                ),
            ]  # fmt: skip
            assert [answer.status for answer in answers] == [200, 200, 200, 400, 200]
            before = front.gate.payload_key
            newest = add_key(keys)
            await until(lambda: front.gate.payload_key != before, "the newer key")  # noqa: B023 - awaited here
            assert front.gate.payload_key is not None
            assert front.gate.payload_key.id.hex() == newest
    return [record for record in site.records() if record.payload]


async def test_nothing_is_in_the_clear_and_all_comes_back(site: Site) -> None:
    """In journal and log; under either key; answers, refusals and labels."""
    records = await recorded(site)
    assert [(record.entry.kind, record.entry.get(Key.SUITE)) for record in records] == 2 * [
        *[(Kind.INFERENCE, 1)] * 4, (Kind.LABELLED, 1),
    ]  # fmt: skip
    keys = configured_keys(load(site.config))
    used = [record.entry.fields[Key.KEY_ID] for record in records]
    first, second, _ = keys.keys
    assert used == [*[first] * 5, *[second] * 5]
    for record in records:
        assert MARK.encode() in keys.plain(record.entry, record.payload)
    log = ship(site)
    held = [
        path.read_bytes()
        for place in (log, site.directory / "data" / "journals")
        for path in place.rglob("*")
        if path.is_file()
    ]
    assert sum(map(len, held)) > 10_000
    assert not any(MARK.encode() in content or PACKED in content for content in held)
    reader = configured_log(load(site.config), create=False).reader()
    assert check_log(reader, 1).flaws == []
    reader.close()


async def test_a_replay_needs_the_keys(site: Site) -> None:
    """With them each answer comes again to the bit; without, each says which key it is."""
    records = await recorded(site)
    keys = configured_keys(load(site.config))
    told = Counter(judged.verdict for judged in verdicts(site, keys=keys))
    assert told == {Verdict.IDENTICAL: 6, Verdict.NOT_REPLAYABLE: 2}
    hidden = [judged.reason for judged in verdicts(site) if not (judged.reason or "").startswith("refused")]
    assert hidden == [
        f"payload: its payload key {record.entry.fields[Key.KEY_ID].hex()} is not known"
        for record in records
        if record.entry.get(Key.STATUS) == 200
    ]


async def test_a_monitor_counts_with_the_keys_and_tells_what_it_cannot_open(site: Site) -> None:
    """A key that came after it had looked is looked for."""
    await recorded(site)
    ship(site)
    config = load(site.config)
    packages = StorePackages(configured_store(config))
    reader = configured_log(config, create=False).reader()
    entries = reader.read(0, 0, 1 << 24, 1.0)
    keys = configured_keys(config)
    first = PayloadKeys.of([next(iter(keys.keys.values()))])
    asked: list[bytes] = []

    def newer(name: bytes) -> PayloadKeys:
        asked.append(name)
        return keys

    def counted(external: External | None) -> tuple[int, dict[str, int]]:
        size = len(entries)
        (finished,) = Collector(0, size, packages, State(0), external).take(entries)
        return sum(tally.rows for tally in finished.pane.tallies.values()), dict(finished.pane.unreadable)

    assert counted(External(lambda _: None, keys)) == (10, {})
    assert counted(External(lambda _: None, first, newer)) == (10, {})
    (name,) = asked
    assert name in keys.keys.keys() - first.keys.keys()
    assert counted(External(lambda _: None, first)) == (5, {"payload encrypted": 3})
    assert counted(None) == (0, {"payload encrypted": 6})
    reader.close()


async def test_a_label_needs_its_key(site: Site) -> None:
    """What came of a prediction is personal, too."""
    labels = [record for record in await recorded(site) if is_label(record.entry)]
    keys = configured_keys(load(site.config))
    assert [read_label(record, 0, keys).value for record in labels] == [MARK, MARK]
    for record in labels:
        with pytest.raises(NoKey, match="is not known"):
            read_label(record, 0)


async def test_an_auditor_sees_what_its_keys_open(site: Site) -> None:
    """As JSON and for people; the hashes hold either way."""
    record = (await recorded(site))[0].entry.record_id
    ship(site)
    shown = affiant("log", "show", record, "--config", site.config, "--json")
    described = json.loads(shown.out)
    assert described["request"]["body"] == json.loads(body(1))
    key = described["entry"]["key_id"]
    site.tables.clear()
    site.write()
    shown = affiant("log", "show", record, "--config", site.config, "--json")
    described = json.loads(shown.out)
    assert "request" not in described
    assert described["payload"] == f"not readable: its payload key {key} is not known"
    assert set(described["holds"].values()) == {True}
    assert (
        f"its payload key {key} is not known" in affiant("log", "show", record, "--config", site.config).out
    )
    config = load(site.config)
    reader = configured_log(config, create=False).reader()
    assert "request" not in describe(find(reader, 1, record, keys=NO_KEYS))
    reader.close()


async def test_a_request_that_was_never_answered_is_hidden_too(site: Site) -> None:
    """In the journal, and in the aborted entry that the next opening makes of it."""
    async with open_gateway(site) as front:
        gate = front.gate
        scope = {
            "type": "http", "method": "POST", "path": PREDICT, "raw_path": PREDICT.encode(), "query_string": b"",
            "headers": [(b"content-type", b"application/json")], "server": ("127.0.0.1", 1),
        }  # fmt: skip
        accept(Call(gate, Route("numbers", Protocol.V1_PREDICT), scope), body(1))
        assert (await ask(front, PREDICT, body(2))).status == 200  # its group takes the request frame along
        left = site.directory / "left"
        shutil.copytree(site.directory / "data" / "journals", left)
    for path in left.rglob("*"):
        assert path.is_dir() or MARK.encode() not in path.read_bytes()
    shutil.rmtree(site.directory / "data" / "journals")
    left.rename(site.directory / "data" / "journals")
    async with open_gateway(site):
        pass
    keys = configured_keys(load(site.config))
    (aborted,) = [record for record in site.records() if record.entry.kind == Kind.ABORTED]
    assert aborted.entry.get(Key.SUITE) == 1
    assert aborted.entry.get(Key.KEY_ID) in keys.keys
    assert parse_payload(keys.plain(aborted.entry, aborted.payload)).request == body(1)


async def test_what_stays_readable_tells_nothing_of_it(site: Site) -> None:
    """Not by a label's length, nor by the hash of a body that could be guessed."""
    async with open_gateway(site) as front:
        for value in (True, False, "good", "a longer word"):
            said = json.dumps({"request_id": "r1", "row": 0, "label": value}).encode()
            assert (await ask(front, "/v1/models/numbers:label", said)).status == 200
        assert (await ask(front, PREDICT, b"[1]")).status == 400
        assert (await ask(front, PREDICT, body(1), headers={"content-type": "text/plain"})).status == 415
    labels = [record for record in site.records() if is_label(record.entry)]
    assert len({record.entry.get(Key.PAYLOAD_LENGTH) for record in labels}) == 1
    keys = configured_keys(load(site.config))
    assert [read_label(record, 0, keys).value for record in labels] == [True, False, "good", "a longer word"]
    hidden = [
        header_of(record.payload)[1] for record in site.records() if record.entry.get(Key.STATUS) == 415
    ]
    for header in hidden:
        digest, length = header[Header.OVERSIZE]
        assert length == len(body(1))
        assert digest != sha256(body(1)).digest()
        assert digest == keys.keys[header[Header.KEY_ID]].digest(sha256(body(1)).digest())
    assert hidden


async def test_without_its_keys_a_gateway_does_not_start(site: Site) -> None:
    """It would write in the clear what it was told to hide."""
    (site.directory / "payload-keys.json").unlink()
    with pytest.raises(ConfigError, match="`affiant payload-keys new` makes it"):
        async with open_gateway(site):
            pass
    assert site.records() == []


async def test_a_key_that_is_lost_while_it_serves_changes_nothing(site: Site) -> None:
    """It goes on with the one that it has."""
    async with open_gateway(site) as front:
        key = front.gate.payload_key
        (site.directory / "payload-keys.json").write_text("{")
        with structlog.testing.capture_logs() as logs:
            await until(
                lambda: any(line["event"] == "payload keys are not to be had" for line in logs),
                "the look at the keys",
            )
        assert (await ask(front, PREDICT, body(1))).status == 200
        assert front.gate.payload_key is key
    assert [record.entry.get(Key.SUITE) for record in site.records() if record.payload] == [1]


def test_keys_are_made_and_listed_by_name(tmp_path: Path) -> None:
    """The keys themselves are printed nowhere."""
    config = tmp_path / "affiant.toml"
    config.write_text("")
    assert "set [encryption] keys_file" in affiant("payload-keys", "new", "--config", config).err
    config.write_text('[encryption]\nkeys_file = "payload-keys.json"\n')
    made = [
        json.loads(affiant("payload-keys", "new", "--json", "--config", config).out)["id"] for _ in range(2)
    ]
    listed = affiant("payload-keys", "list", "--config", config)
    assert [line.split()[0] for line in listed.out.splitlines()] == made
    told = json.loads(affiant("payload-keys", "list", "--json", "--config", config).out)
    assert told["newest"] == made[1]
    content = json.loads((tmp_path / "payload-keys.json").read_text())
    assert not any(each["key"] in listed.out + json.dumps(told) for each in content["keys"])
