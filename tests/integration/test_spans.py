"""A sampled request is followed from its caller through the gateway and the journal into Kafka; others are not.

Against the real OpenTelemetry Collector and a real broker, with the two processes as `affiant` starts them.
"""

from __future__ import annotations

import http.client
import json
import sys
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaConsumer, TopicPartition

from audit.proof.entry import Key
from audit.proof.record import parse_record
from cli.main import run
from service.spans import parent_of
from tests.components.gateway import JSON, Site, open_gateway, start_gateway
from tests.components.gateway import ask as ask_in_process
from tests.components.kafka import KafkaBroker
from tests.components.otlp import Seen, Traces
from tests.components.packages import credit_package, number_package
from tests.components.ports import free_port
from tests.components.process import Process, wait_until
from tests.integration.test_gateway_process import ROWS

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PATH = "/v1/models/credit:predict"
NUMBERS = "/v1/models/numbers:predict"


@dataclass(frozen=True)
class Ran:
    """What came of one sampled and one unsampled request: spans, what the two processes said, and Kafka's records."""

    spans: list[Seen]
    gateway: list[dict[str, Any]]
    sidecar: list[dict[str, Any]]
    records: list[Any]
    answered: dict[str, str]
    """The record's id by the flags of its request's traceparent."""
    doctor: list[dict[str, Any]]
    """What it found to be wrong while both ran."""


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory, kafka_broker: KafkaBroker) -> Iterator[Ran]:
    """The whole way, once."""
    directory = tmp_path_factory.mktemp("traced")
    topic = f"traced-{uuid.uuid4().hex[:8]}"
    log = {
        "backend": "kafka",
        "bootstrap": kafka_broker.bootstrap,
        "topic": topic,
        "governance_topic": f"{topic}-governance",
        "replication": 1,
    }
    with ExitStack() as stack:
        traces = stack.enter_context(Traces(directory / "otel"))
        telemetry = {"otlp_endpoint": traces.endpoint, "logs": "json"}
        tables = {"log": log, "sidecar": {"metrics_port": free_port(), "drain_seconds": 20}}
        site = Site(directory / "site", telemetry=telemetry, tables=tables)
        site.directory.mkdir()
        site.serve("credit", credit_package())
        site.write()
        assert affiant("topics", "create", "--config", site.config) == 0
        served = start_gateway(site)
        stack.callback(served.process.kill)
        argv = [sys.executable, "-m", "cli.main", "sidecar", "--config", str(site.config)]
        sidecar = stack.enter_context(Process(argv, log=directory / "sidecar.log"))
        answered = {flags: ask(served.port, flags) for flags in ("00", "01")}
        sidecar.wait_for_log('"shipped"', deadline_s=60)
        with redirect_stdout(StringIO()) as said:
            affiant("doctor", "--running", "--only", "gateway,sidecar", "--config", site.config, "--json")
        found = json.loads(said.getvalue())["findings"]
        assert served.process.stop(deadline_s=60) == 0
        assert sidecar.stop(deadline_s=60) == 0
        wait_until(
            lambda: len(traces.spans()) >= 5, what="the spans have come", details=traces.process.log_tail
        )
        yield Ran(
            traces.spans(), events(served.process), events(sidecar), records(kafka_broker, topic), answered,
            [finding for finding in found if finding["grave"]],
        )  # fmt: skip


def affiant(*arguments: object) -> int:
    """Run the command in this process; its exit code."""
    with pytest.raises(SystemExit) as end:
        run([str(argument) for argument in arguments])
    return int(end.value.code or 0)


def ask(port: int, flags: str) -> str:
    """One prediction; the record's id."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    headers = {"Content-Type": "application/json", "traceparent": f"00-{TRACE}-{SPAN}-{flags}"}
    connection.request("POST", f"{PATH}?who=ann", json.dumps({"instances": ROWS[:1]}), headers)
    answer = connection.getresponse()
    assert answer.read()
    connection.close()
    assert answer.status == 200
    return str(answer.headers["affiant-record"])


def events(process: Process) -> list[dict[str, Any]]:
    """What a process has logged: as JSON, every line."""
    return [json.loads(line) for line in process.log_text().splitlines()]


def records(broker: KafkaBroker, topic: str) -> list[Any]:
    """All of a topic, as any consumer sees it."""
    consumer = KafkaConsumer(
        bootstrap_servers=[broker.bootstrap], enable_auto_commit=False, metrics_enabled=False
    )
    try:
        place = TopicPartition(topic, 0)
        consumer.assign([place])
        consumer.seek(place, 0)
        end, found = consumer.end_offsets([place])[place], []
        while len(found) < end:
            found += consumer.poll(timeout_ms=1000).get(place, [])
        return found
    finally:
        consumer.close(autocommit=False)


@pytest.mark.kafka
def test_a_sampled_request_is_seen_with_its_steps_and_another_is_not(ran: Ran) -> None:
    """Parent, steps in their order, and the sending to Kafka below them; nothing of the unsampled one."""
    assert {span.trace for span in ran.spans} == {TRACE}
    (root,) = [span for span in ran.spans if span.parent == SPAN]
    below = [span for span in ran.spans if span.parent == root.id]
    steps = [span for span in below if span.kind == "Internal"]
    assert [span.name for span in steps] == ["parse", "predict", "journal"]
    times = [root.begun, *(step.ended for step in steps), root.ended]
    assert times == sorted(times)
    assert root.attributes["url.path"] == PATH  # and not what the query says, which may be of a person
    assert (root.kind, root.attributes["affiant.record"]) == ("Server", ran.answered["01"])
    (sent,) = [span for span in below if span.kind == "Producer"]
    assert (sent.name.split()[1], sent.attributes["affiant.record"]) == ("publish", ran.answered["01"])
    assert sent.attributes["messaging.system"] == "kafka"
    assert len(ran.spans) == 5


@pytest.mark.kafka
def test_its_record_in_kafka_names_the_span_that_sent_it_and_is_the_same_record(ran: Ran) -> None:
    """As a header, of that record alone: entry and payload know nothing of traces."""
    with_header = [record for record in ran.records if record.headers]
    (record,) = with_header
    assert parse_record(record.value).entry.record_id == ran.answered["01"]
    (sent,) = [span for span in ran.spans if span.kind == "Producer"]
    assert list(record.headers) == [("traceparent", f"00-{TRACE}-{sent.id}-01".encode())]
    others = [parse_record(each.value).entry for each in ran.records if not each.headers]
    assert ran.answered["00"] in {entry.record_id for entry in others if Key.SEQUENCE in entry.fields}
    assert not any(TRACE.encode() in each.value or bytes.fromhex(TRACE) in each.value for each in ran.records)


@pytest.mark.kafka
def test_logs_have_the_ids_of_trace_and_record(ran: Ran) -> None:
    """One line of the gateway, one of the sidecar, as JSON; and none about the other request."""
    (answered,) = [event for event in ran.gateway if event["event"] == "answered"]
    (shipped,) = [event for event in ran.sidecar if event["event"] == "shipped"]
    for event in (answered, shipped):
        assert (event["trace_id"], event["record"], event["level"]) == (TRACE, ran.answered["01"], "info")
    assert {"ready", "stopped"} <= {event["event"] for event in ran.gateway}


@pytest.mark.kafka
def test_the_doctor_finds_a_running_gateway_and_its_collector_sound(ran: Ran) -> None:
    """Nothing but remarks, of which a cluster of one broker without an authorizer deserves some."""
    assert ran.doctor == []


async def served(directory: Path, ratio: float, asked: Mapping[bytes, int]) -> list[Seen]:
    """Spans of requests that came of a gateway with this `sample_ratio`, which was asked so often with each
    `traceparent` (empty: without one), and at last once with the caller's own that is sampled.
    """
    with Traces(directory / "otel") as traces:
        telemetry = {"otlp_endpoint": traces.endpoint, "sample_ratio": ratio}
        site = Site(directory / "site", telemetry=telemetry)
        site.directory.mkdir()
        site.serve("numbers", number_package())
        last = f"00-{TRACE}-{SPAN}-01".encode()
        async with open_gateway(site) as front:
            for value in [*(each for each, times in asked.items() for _ in range(times)), last]:
                headers = {**JSON, "traceparent": value.decode()} if value else JSON
                body = b'{"instances":[[1.0,2.0,3.0]]}'
                assert (await ask_in_process(front, NUMBERS, body, headers=headers)).status == 200
        wait_until(
            lambda: any(span.trace == TRACE and span.kind == "Server" for span in traces.spans()),
            what="the last span", details=traces.process.log_tail,
        )  # fmt: skip
        return [span for span in traces.spans() if span.kind == "Server" and span.trace != TRACE]


NOT_SAMPLED, MALFORMED = f"00-{'1' * 32}-{SPAN}-00".encode(), f"00-{'2' * 32}-{SPAN}-1".encode()


@pytest.mark.parametrize(("ratio", "least", "most"), [(0.0, 0, 0), (0.25, 85, 215), (1.0, 600, 600)])
async def test_of_requests_without_a_traceparent_so_many_begin_a_trace(
    tmp_path: Path, ratio: float, least: int, most: int
) -> None:
    """Each a trace of its own. What a caller says goes first, at any ratio: not sampled, it is not; sampled, it is.

    The bounds are six standard deviations of 600 draws from their mean: one run in a thousand million is beyond.
    """
    spans = await served(tmp_path, ratio, {b"": 600, NOT_SAMPLED: 40, MALFORMED: 40})
    assert least <= len(spans) <= most
    assert len({span.trace for span in spans}) == len(spans)
    assert {span.parent for span in spans} <= {""}
    assert not {"1" * 32, "2" * 32} & {span.trace for span in spans}


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"x",
        f"00-{TRACE}-{SPAN}-00".encode(),
        f"00-{'0' * 32}-{SPAN}-01".encode(),
        f"00-{TRACE}-{'0' * 16}-01".encode(),
        f"01-{TRACE}-{SPAN}-01".encode(),
    ],
)
def test_anything_else_is_not_sampled(value: bytes) -> None:
    """Malformed headers are strangers' input: they are passed over."""
    assert parent_of({b"traceparent": value}) is None
