"""What a real gateway recorded, counted: in V1, V2 and binary, live and canary and shadow, answered and refused."""

from __future__ import annotations

import json
import struct
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from audit.config import load
from audit.log.local import LocalLog
from audit.proof.entry import Key
from monitoring.batch import panes_of
from monitoring.consume import LocalFollowing
from monitoring.panes import At, Of, Pane, add, add_statuses
from monitoring.read import StorePackages
from registry.runtimes import load as load_model
from registry.stores import configured_store
from registry.table import encode, model_rows
from tests.components.gateway import JSON, Site, ask, open_gateway
from tests.components.packages import TARGET, credit_package, credit_table, number_package
from tests.components.replays import ship

FRAME = credit_table().frame.drop(columns=[TARGET])
ROWS: list[dict[str, Any]] = json.loads(FRAME.head(40).to_json(orient="records"))
BINARY = {"content-type": "application/octet-stream"}
SIZE = 16


async def record(site: Site) -> Counter[str]:
    """Traffic of both services; requests by what they were."""
    sent: Counter[str] = Counter()
    async with open_gateway(site) as front:
        for at in range(0, 40, 2):
            answer = await ask(
                front,
                "/v1/models/credit:predict",
                json.dumps({"instances": ROWS[at : at + 2]}).encode(),
                headers=JSON,
            )
            assert answer.status == 200
            sent["credit"] += 1
        answer = await ask(
            front, "/v1/models/credit:explain", json.dumps({"instances": ROWS[:1]}).encode(), headers=JSON
        )
        assert answer.status == 200
        answer = await ask(front, "/v1/models/credit:predict", b'{"instances":[{"x":1}]}', headers=JSON)
        assert answer.status == 400
        answer = await ask(front, "/v1/models/nobody:predict", b'{"instances":[[1]]}', headers=JSON)
        assert answer.status == 404
        for at in range(12):
            data = [float(at), 0.5, None, 1.0, -2.0, 0.25]
            tensor = {"name": "input", "shape": [2, 3], "datatype": "FP32", "data": data}
            answer = await ask(
                front, "/v2/models/numbers/infer", json.dumps({"inputs": [tensor]}).encode(), headers=JSON
            )
            assert answer.status == 200, answer.body
            packed = struct.pack("<3f", at, 1e9, float("nan"))
            head = json.dumps(
                {
                    "inputs": [
                        {
                            "name": "input",
                            "shape": [1, 3],
                            "datatype": "FP32",
                            "parameters": {"binary_data_size": 12},
                        }
                    ],
                    "parameters": {"binary_data_output": True},
                }
            ).encode()
            answer = await ask(
                front, "/v2/models/numbers/infer", head + packed,
                headers={**BINARY, "inference-header-content-length": str(len(head))},
            )  # fmt: skip
            assert answer.status == 200, answer.body
            sent["numbers"] += 2
    return sent


def counted(site: Site) -> tuple[list[Pane], LocalLog]:
    """What a monitor finds in the site's log, up to the last whole pane."""
    log = LocalLog(site.directory / "data" / "log", "affiant-entries", create=False)
    found: list[Pane] = []
    packages = StorePackages(configured_store(load(site.config)))
    with closing(
        LocalFollowing(log, site.directory / "panes", SIZE, packages, found.extend, pause=lambda _: None)
    ) as following:
        while following.step(0.0):
            pass
    return found, log


async def test_a_gateways_records_are_counted_as_the_model_was_asked_and_answered(tmp_path: Path) -> None:
    """Bin for bin what the reference says of the rows that were sent, and of the model's own answers."""
    site = Site(tmp_path)
    credit, numbers, shadow = credit_package(), number_package(), number_package("shadowed")
    site.serve("credit", credit)
    site.serve("numbers", numbers)
    site.serve("numbers", shadow, slot="shadow")
    sent = await record(site)
    records = site.records()
    ship(site, records)
    panes, log = counted(site)
    whole = len(records) // SIZE * SIZE
    assert len(panes) == whole // SIZE

    total = add(panes)[Of("credit", credit.digest, "live")]
    inputs = model_rows(encode(credit_table().frame, credit.signature), credit.signature)[:40]
    answers = load_model(credit).predict(np.ascontiguousarray(inputs)).reshape(40, -1)
    assert (total.requests, total.rows) == (sent["credit"], 40)
    columns = credit.reference.features
    assert total.features.tolist() == [
        count for at, column in enumerate(columns) for count in column.count(inputs[:, at])
    ]
    assert total.scores.tolist() == credit.reference.scores[0].count(answers[:, 0]).tolist()
    threshold = credit.signature.threshold
    assert total.positive == (0 if threshold is None else int((answers[:, 0] >= np.float32(threshold)).sum()))

    asked = [
        (record.entry.fields, record)
        for record in records[:whole]
        if record.entry.fields.get(Key.STATUS) == 200
    ]
    for package, slot in ((numbers, "live"), (shadow, "shadow")):
        mine = [
            fields
            for fields, _ in asked
            if fields[Key.DIGEST].hex() == package.digest.removeprefix("sha256:")
        ]
        found = add(panes)[Of("numbers", package.digest, slot)]  # type: ignore[arg-type]
        assert found.requests == len(mine) > 10
        assert found.latency.sum() == found.requests
        assert found.scores.sum() == found.rows
    assert sum((Counter(pane.unreadable) for pane in panes), Counter()) == {}
    statuses = add_statuses(panes)
    assert statuses[At("credit", "live")] == {200: sent["credit"] + 1, 400: 1}
    assert statuses[At("", "live")] == {404: 1}

    with closing(log.reader()) as reader:
        known = StorePackages(configured_store(load(site.config)))
        assert list(panes_of(reader, 0, 0, whole, known, {}, size=SIZE)) == panes


async def test_payloads_beside_the_log_are_counted_from_the_object_store(tmp_path: Path) -> None:
    """Large requests are whole batches: without them what is asked would be told of small ones alone."""
    from audit.ship.external import ExternalStore
    from monitoring.read import External

    site = Site(
        tmp_path, journal={**Site(tmp_path).journal, "external_bytes": 256 << 10, "max_bytes": 128 << 20}
    )
    package = number_package()
    site.serve("numbers", package)
    many = [[at / 7, at / 3.7, at / 11.3] for at in range(1, 4001)]
    async with open_gateway(site) as front:
        for rows in (many, *([many[:1]] * 20)):
            answer = await ask(
                front, "/v1/models/numbers:predict", json.dumps({"instances": rows}).encode(), headers=JSON
            )
            assert answer.status == 200, answer.body
    records = site.records()
    ship(site, records)
    assert any(record.entry.fields.get(Key.EXTERNAL) for record in records)
    log = LocalLog(site.directory / "data" / "log", "affiant-entries", create=False)
    packages = StorePackages(configured_store(load(site.config)))
    store = ExternalStore(site.directory / "data" / "objects")
    with closing(log.reader()) as reader:
        (with_it,) = panes_of(reader, 0, 0, SIZE, packages, {}, size=SIZE, external=External(store.get))
        (without,) = panes_of(reader, 0, 0, SIZE, packages, {}, size=SIZE)
    of = Of("numbers", package.digest, "live")
    assert with_it.tallies[of].rows - without.tallies[of].rows == 4000
    assert without.unreadable == {"payload absent": 1}
    assert with_it.unreadable == {}
