"""A canary that is admitted for its share alone: whoever asks for its digest does not get it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from service.front import ASKED_BY_DIGEST
from service.models import ShareOnly, build_plan
from service.settings import PlanSettings
from tests.components.gateway import JSON, Site, ask, open_gateway
from tests.components.packages import credit_package

V2 = json.dumps(
    {"inputs": [{"name": "input", "shape": [1, 20], "datatype": "FP32", "data": [0] * 20}]}
).encode()


async def test_a_canary_of_its_share_is_not_to_be_had_by_its_digest(tmp_path: Path) -> None:
    """Refused with the reason, recorded and counted; its share, and live by its digest, are answered."""
    site = Site(tmp_path)
    live = site.serve("credit", credit_package(), weight=75.0)
    canary = site.serve("credit", credit_package(form="json"), "canary", 25.0)
    entries = [PlanSettings(service="credit", digest=live, weight=75.0)]
    wanted = {"service": "credit", "digest": canary, "slot": "canary", "weight": 25.0}
    async with open_gateway(site) as front:
        loaded = {each.loaded.digest: each.loaded for each in front.plan["credit"].answering}
        path = "/v2/models/credit/versions/{}/infer"
        for entry, status in ((PlanSettings(**wanted), 200), (ShareOnly(**wanted), 404)):
            front.swap(build_plan((*entries, entry), loaded))
            asked = await ask(front, path.format(canary), V2)
            assert asked.status == status
        assert "is a canary of 'credit' that is not admitted as live" in asked.json["detail"]
        assert (await ask(front, path.format(live), V2)).headers["affiant-model"] == live
        shared = [
            (await ask(front, "/v2/models/credit/infer", V2)).headers["affiant-model"] for _ in range(40)
        ]
        unknown = await ask(front, path.format("sha256:" + "0" * 64), V2, headers=JSON)
        text = (await ask(front, "/metrics", method="GET")).body.decode()
    assert shared.count(canary) == pytest.approx(10, abs=1)
    assert "is not in the plan" in unknown.json["detail"]
    assert f'affiant_events_total{{event="{ASKED_BY_DIGEST}"}} 1.0' in text
    refused = [each for each in site.exchanges() if each.record_id == asked.headers["affiant-record"]]
    assert len(refused) == 1
