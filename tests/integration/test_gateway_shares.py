"""Who is asked, by what the records say: a shadow is shown its share, and the arm of an A/B comparison is there."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from audit.proof.entry import Key, Slot
from tests.components.gateway import JSON, Exchange, Site, ask, open_gateway, until
from tests.components.packages import TARGET, credit_package, credit_table, number_package

FRAME = credit_table().frame.drop(columns=[TARGET])
ROWS: list[dict[str, Any]] = json.loads(FRAME.head(20).to_json(orient="records"))
PREDICT = "/v1/models/credit:predict"
EXPLAIN = "/v1/models/credit:explain"
NUMBERS = "/v1/models/numbers:predict"


def body(row: Any) -> bytes:
    """A V1 request."""
    return json.dumps({"instances": [row]}).encode()


def digest_of(exchange: Exchange) -> str:
    """Who answered, by the record."""
    return f"sha256:{exchange.fields[Key.DIGEST].hex()}"


async def test_shadows_are_shown_their_shares_of_the_requests(tmp_path: Path) -> None:
    """A tenth, a quarter and a half of them, evenly: of any fifty in a row too, whatever other services are asked; of
    refused requests and of explanations nothing.
    """
    site = Site(tmp_path)
    site.serve("credit", credit_package())
    site.serve("numbers", number_package())
    quarter = site.serve("credit", credit_package(form="json"), "shadow", 25.0)
    half = site.serve("numbers", number_package("shadowed"), "shadow", 50.0)
    tenth = site.serve("numbers", number_package("another"), "shadow", 10.0)
    async with open_gateway(site) as front:
        for number in range(200):
            assert (await ask(front, PREDICT, body(ROWS[number % 20]))).status == 200
            assert (await ask(front, NUMBERS, body([1.0, 2.0, float(number)]))).status == 200
            if number % 4 == 0:
                assert (await ask(front, PREDICT, body({"x": 1}))).status == 400
                assert (await ask(front, EXPLAIN, body(ROWS[0]))).status == 200
            await until(lambda: not front.gate.shadows._tasks, "shadows")  # type: ignore[union-attr]
    answered = [one for one in site.exchanges() if one.fields.get(Key.STATUS) == 200]
    shown = [one for one in answered if one.fields[Key.SLOT] == Slot.SHADOW]
    counts = Counter(map(digest_of, shown))
    assert counts == {
        quarter: pytest.approx(50, abs=3),
        half: pytest.approx(100, abs=5),
        tenth: pytest.approx(20, abs=3),
    }
    asked = [one for one in answered if one.fields[Key.SERVICE] == "numbers"]
    live = [at for at, one in enumerate(asked) if one.fields[Key.SLOT] == Slot.LIVE]
    for first in range(0, 200, 50):
        part = asked[live[first] : live[first + 50] if first + 50 < len(live) else None]
        assert sum(digest_of(one) == half for one in part) == pytest.approx(25, abs=4)


async def test_the_arm_of_an_a_b_comparison_is_in_the_record(tmp_path: Path) -> None:
    """Slot and digest, of each request of each key: those that the client was told. The key itself is nowhere."""
    site = Site(tmp_path)
    live = site.serve("credit", credit_package(), weight=60.0)
    canary = site.serve("credit", credit_package(form="json"), "canary", 40.0)
    told: dict[str, tuple[str, str]] = {}
    async with open_gateway(site) as front:
        for number in range(120):
            key = f"customer-{number % 40}-of-the-comparison"
            answer = await ask(
                front, PREDICT, body(ROWS[number % 20]), headers={**JSON, "affiant-split": key}
            )
            assert answer.status == 200
            told[answer.headers["affiant-record"]] = key, answer.headers["affiant-model"]
    records = {one.record_id: one for one in site.exchanges()}
    arms: dict[str, set[tuple[int, str]]] = {}
    for record, (key, model) in told.items():
        one = records[record]
        arms.setdefault(key, set()).add((one.fields[Key.SLOT], digest_of(one)))
        assert digest_of(one) == model
    assert {len(each) for each in arms.values()} == {1}
    of_all = Counter(next(iter(each)) for each in arms.values())
    assert set(of_all) == {(Slot.LIVE, live), (Slot.CANARY, canary)}
    assert 6 <= of_all[Slot.CANARY, canary] <= 26  # 16 of 40, four standard deviations at most
    raw = b"".join(
        each.read_bytes() for each in (tmp_path / "data" / "journals").rglob("*") if each.is_file()
    )
    assert b"of-the-comparison" not in raw
