"""`release = "log"`: a real gateway's answer waits for what a real sidecar says of the log."""

from __future__ import annotations

import http.client
import json
import sys
from pathlib import Path

from audit.check import check_log
from audit.config import load
from audit.log import configured_log
from audit.proof.entry import Key, Kind
from tests.components.gateway import Site, start_gateway
from tests.components.packages import number_package
from tests.components.ports import free_port
from tests.components.process import Process

BODY = json.dumps({"instances": [[0.5] * number_package().signature.width]}).encode()


def ask(port: int) -> tuple[int, dict[str, str], bytes]:
    """One prediction."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("POST", "/v1/models/numbers:predict", BODY, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def test_no_answer_leaves_before_the_log_has_its_record(tmp_path: Path) -> None:
    """Without a sidecar: 503, and the log is told that no answer went out; with one: an answer, and its record."""
    site = Site(tmp_path)
    site.journal |= {"release": "log", "release_timeout_seconds": 1.0, "free_after": "acknowledged"}
    site.serve("numbers", number_package())
    gateway = start_gateway(site)
    with site.config.open("a") as settings:
        settings.write(f"[sidecar]\nmetrics_port = {free_port()}\n")
    argv = [sys.executable, "-P", "-m", "cli.main", "sidecar", "--config", str(site.config)]
    sidecar = Process(argv, log=tmp_path / "sidecar.log", cwd=tmp_path, name="sidecar")
    try:
        status, headers, body = ask(gateway.port)
        assert (status, headers["retry-after"]) == (503, "5")
        assert "the log did not acknowledge entry" in json.loads(body)["detail"]
        assert "affiant-record" not in headers
        held_back = [record.entry for record in site.records() if record.entry.kind == Kind.INFERENCE]

        sidecar.start()
        sidecar.wait_until(lambda: ask(gateway.port)[0] == 200, what="an answer", deadline_s=60)
        status, headers, _ = ask(gateway.port)
        assert status == 200
        reader = configured_log(load(site.config)).reader()
        _, end = reader.bounds(0)
        there = {entry.value or b"" for entry in reader.read(0, 0, 1 << 24, 1.0)}
        reader.close()
        answered = next(one for one in site.records() if one.entry.record_id == headers["affiant-record"])
        assert end
        assert any(answered.entry.raw in value for value in there), (
            "the record was in the log before its answer"
        )

        assert gateway.process.stop(deadline_s=60) == 0
        assert sidecar.stop(deadline_s=60) == 0
    finally:
        gateway.process.kill()
        sidecar.kill()
    entries = [record.entry for record in site.records()]
    told = {entry.fields[Key.RELEASED] for entry in entries if entry.kind == Kind.NOT_RELEASED}
    assert {entry.fields[Key.SEQUENCE] for entry in held_back} <= told
    assert answered.entry.fields[Key.SEQUENCE] not in told
    reader = configured_log(load(site.config)).reader()
    checked = check_log(reader, 1)
    reader.close()
    assert checked.flaws == []
    assert checked.records == len(entries) + 1, "every entry and the sidecar's barrier"
