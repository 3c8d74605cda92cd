"""The gateway as its command, asked by clients that others wrote; swapped, stopped and traced under load."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audit.auditor.gateways import workers_of
from audit.proof.entry import Key, Kind
from tests.components.gateway import Served, Site, start_gateway, wait_until
from tests.components.packages import credit_package, credit_table, number_package
from tests.components.process import Process, find_program

FRAME = credit_table().frame.drop(columns=["creditability"])
ROWS: list[dict[str, Any]] = json.loads(FRAME.head(20).to_json(orient="records"))
BODY = json.dumps({"instances": [ROWS[0]]}).encode()
PREDICT = "/v1/models/credit:predict"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """Two services."""
    site = Site(tmp_path_factory.mktemp("gateway"))
    site.serve("credit", credit_package())
    site.serve("numbers", number_package())
    return site


@pytest.fixture(scope="module")
def gateway(site: Site) -> Iterator[Served]:
    """Running for the tests that do not stop it."""
    served = start_gateway(site)
    yield served
    served.process.kill()


def post(port: int, path: str = PREDICT, body: bytes = BODY) -> tuple[int, dict[str, str], bytes]:
    """One request on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("POST", path, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def curl(*arguments: str) -> str:
    """What curl prints."""
    done = subprocess.run(
        [find_program("curl", "curl"), "-sS", *arguments], capture_output=True, text=True, check=True
    )
    return done.stdout


def test_curl_gets_an_answer_with_its_record(gateway: Served, site: Site, tmp_path: Path) -> None:
    """The record id in the header names a record that is on disk by then."""
    (tmp_path / "body.json").write_bytes(BODY)
    text = curl(
        "-i",
        "-H",
        "Content-Type: application/json",
        "--data-binary",
        f"@{tmp_path / 'body.json'}",
        gateway.address + PREDICT,
    )
    head, _, body = text.partition("\n\n") if "\n\n" in text else text.partition("\r\n\r\n")
    assert head.startswith("HTTP/1.1 200")
    record = re.search(r"affiant-record: (\S+)", head)
    assert record is not None
    assert f"affiant-model: {credit_package().digest}" in head
    assert len(json.loads(body)["predictions"]) == 1
    exchange = next(one for one in site.exchanges() if one.record_id == record[1])
    assert exchange.payload.request == BODY
    assert exchange.payload.response == body.encode()


def test_curl_is_told_what_is_wrong(gateway: Served, tmp_path: Path) -> None:
    """Curl's own content type is none that is read here."""
    text = curl("-i", "--data", "{}", gateway.address + PREDICT)
    assert "415" in text.splitlines()[0]
    assert "application/problem+json" in text
    (tmp_path / "large").write_bytes(b" " * (8 << 20))
    large = curl("-o", os.devnull, "-w", "%{http_code}", "-H", "Content-Type: application/json", "--data-binary",
                 f"@{tmp_path / 'large'}", gateway.address + PREDICT)  # fmt: skip
    assert large == "413"


def test_the_triton_client_is_served(gateway: Served) -> None:
    """Health, metadata, binary and JSON tensors, versions and errors."""
    import tritonclient.http as triton
    from tritonclient.utils import InferenceServerException

    client = triton.InferenceServerClient(f"127.0.0.1:{gateway.port}")
    try:
        assert client.is_server_live()
        assert client.is_server_ready()
        assert client.is_model_ready("numbers")
        assert not client.is_model_ready("nobody")
        metadata = client.get_model_metadata("numbers")
        (tensor,) = metadata["inputs"]
        values = np.array([[1, 2, 3], [4, 5, np.nan]], np.float32)
        answers = []
        for binary in (True, False):
            given = triton.InferInput(tensor["name"], [2, 3], tensor["datatype"])
            given.set_data_from_numpy(values if binary else values[:, :3].clip(0, 3), binary_data=binary)
            wanted = triton.InferRequestedOutput(metadata["outputs"][0]["name"], binary_data=binary)
            if not binary:  # JSON has no NaN
                given.set_data_from_numpy(np.ones((2, 3), np.float32), binary_data=False)
            answer = client.infer(
                "numbers", [given], outputs=[wanted], request_id="t-1", model_version=metadata["versions"][0],
                request_compression_algorithm="gzip" if binary else "deflate",
            )  # fmt: skip
            answers.append(answer)
            assert answer.as_numpy("predictions").shape == (2, 1)
            assert answer.get_response()["id"] == "t-1"
        both = triton.InferInput("input", [2, 3], "FP32")
        both.set_data_from_numpy(values)
        plain = client.infer("numbers", [both])
        assert (plain.as_numpy("predictions") == answers[0].as_numpy("predictions")).all()
        short = triton.InferInput("input", [1, 2], "FP32")
        short.set_data_from_numpy(values[:1, :2].copy())
        with pytest.raises(InferenceServerException, match="is wanted"):
            client.infer("numbers", [short])
    finally:
        client.close()


def test_the_triton_client_gives_categories_as_text(gateway: Served) -> None:
    """One tensor a feature, BYTES for text."""
    import tritonclient.http as triton

    inputs = []
    for name in ROWS[0]:
        column = [row[name] for row in ROWS[:3]]
        text = isinstance(column[0], str)
        array = np.array(column, object if text else np.int64)
        tensor = triton.InferInput(name, [3], "BYTES" if text else "INT64")
        tensor.set_data_from_numpy(array)
        inputs.append(tensor)
    client = triton.InferenceServerClient(f"127.0.0.1:{gateway.port}")
    try:
        answer = client.infer("credit", inputs).as_numpy("predictions")
    finally:
        client.close()
    _, _, body = post(gateway.port, body=json.dumps({"instances": ROWS[:3]}).encode())
    assert answer[:, 0].tolist() == np.float32(json.loads(body)["predictions"]).tolist()


def test_the_kserve_client_is_served(gateway: Served) -> None:
    """Predictions and explanations in V1, inference in V2."""
    code = CLIENT.format(address=gateway.address, rows=json.dumps(ROWS[:2]))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["live"] == [True, True]
    assert found["ready"] == [True, True]
    assert len(found["predictions"]) == len(found["explanations"]) == 2
    assert len(found["outputs"]) == 1
    assert "400" in found["refused"]  # its own error hides ours


# In a process of its own: importing kserve sets up logging and warnings for everybody.
CLIENT = """
import asyncio, json
from kserve import InferenceRESTClient, RESTConfig, InferInput, InferRequest
import numpy as np

async def main():
    address, rows = "{address}", json.loads('''{rows}''')
    one = InferenceRESTClient(RESTConfig(protocol="v1", retries=0))
    two = InferenceRESTClient(RESTConfig(protocol="v2", retries=0))
    found = dict(
        live=[await one.is_server_live(address), await two.is_server_live(address)],
        ready=[await one.is_model_ready(address, "credit"), await two.is_model_ready(address, "credit")],
    )
    found["predictions"] = (await one.infer(address, dict(instances=rows), model_name="credit"))["predictions"]
    found["explanations"] = (await one.explain(address, "credit", dict(instances=rows)))["explanations"]
    tensor = InferInput("input", [1, 3], "FP32")
    tensor.set_data_from_numpy(np.ones((1, 3), np.float32), binary_data=True)
    answer = await two.infer(address, InferRequest("numbers", [tensor], request_id="k"), model_name="numbers")
    found["outputs"] = answer.outputs[0].as_numpy().ravel().tolist()
    try:
        await one.infer(address, dict(instances=[dict(rows[0], housing="tent")]), model_name="credit")
    except Exception as error:
        found["refused"] = str(error)
    await one.close()
    await two.close()
    print(json.dumps(found))

asyncio.run(main())
"""


class Load:
    """Clients that ask again and again, each on one connection, and remember what they got."""

    def __init__(self, port: int, clients: int = 8) -> None:
        self.port = port
        self.stop = threading.Event()
        self.answered: list[tuple[str, str]] = []
        self.odd: list[str] = []
        self.cut: list[str] = []
        self._threads = [threading.Thread(target=self._run) for _ in range(clients)]
        for thread in self._threads:
            thread.start()

    def _run(self) -> None:
        while not self.stop.is_set():
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
            try:
                connection.connect()
            except OSError:
                return  # it no longer listens
            try:
                while not self.stop.is_set():
                    connection.request("POST", PREDICT, BODY, {"Content-Type": "application/json"})
                    answer = connection.getresponse()
                    body = answer.read()
                    if answer.status == 200:
                        self.answered.append(
                            (answer.headers["affiant-record"], answer.headers["affiant-model"])
                        )
                    else:
                        self.odd.append(f"{answer.status} {body!r}")
                    if answer.headers.get("connection") == "close":
                        break
            except (OSError, http.client.HTTPException) as error:
                self.cut.append(repr(error))
            finally:
                connection.close()

    def join(self) -> None:
        self.stop.set()
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive()


def test_a_swap_under_load_loses_nothing(tmp_path: Path) -> None:
    """Every request is answered by one of the two packages, and recorded under it."""
    site = Site(tmp_path)
    first = site.serve("credit", credit_package())
    second = site.push(credit_package(form="json"))
    served = start_gateway(site)
    try:
        load = Load(served.port)
        for number in range(6):
            digest = (second, first)[number % 2]
            site.plan = [("credit", digest, "live", 100.0)]
            site.write()
            seen = len(load.answered)
            wait_until(
                lambda seen=seen, digest=digest: digest in [model for _, model in load.answered[seen:]],
                what="an answer of the new package",
            )
        load.join()
        assert served.process.stop(deadline_s=90) == 0
    finally:
        served.process.kill()
    assert load.odd == []
    assert load.cut == []
    recorded = {one.record_id: "sha256:" + one.fields[Key.DIGEST].hex() for one in site.exchanges()}
    assert all(recorded[record] == model for record, model in load.answered)
    assert {model for _, model in load.answered} == {first, second}


def test_a_stop_under_load_answers_and_records_what_was_accepted(tmp_path: Path) -> None:
    """No accepted request loses its answer or its record; the journal ends with its closing entry."""
    site = Site(tmp_path)
    site.serve("credit", credit_package())
    served = start_gateway(site)
    try:
        load = Load(served.port)
        wait_until(lambda: len(load.answered) > 300, what="load")
        assert served.process.stop(deadline_s=90) == 0
        load.join()
    finally:
        served.process.kill()
    assert load.odd == []
    records = site.records()
    assert records[-1].entry.kind == Kind.CLOSING
    exchanges = site.exchanges()
    ids = {one.record_id for one in exchanges}
    assert {record for record, _ in load.answered} <= ids
    # A keep-alive connection may be closed between two requests; what was read from it was answered.
    assert len(exchanges) == len(load.answered)
    again = start_gateway(site)
    assert again.process.stop(deadline_s=90) == 0
    assert Kind.ABORTED not in {record.entry.kind for record in site.records()}


SYNCED = {
    # fdatasync that returned 0, also where strace shows its return on a line of its own
    "thread": r"fdatasync(\(\d+\)| resumed>\)) +(=|\)).* 0$|fdatasync.*= 0$",
    # the completion of IOCB_CMD_FDSYNC, with result 0
    "aio": r"io_getevents.*res=0[,}].* = 1$",
}


@pytest.mark.parametrize("sync", SYNCED)
def test_the_sync_returns_before_the_first_byte_of_the_answer(tmp_path: Path, sync: str) -> None:
    """As the kernel saw it, for each way of waiting for the disk."""
    site = Site(tmp_path)
    site.journal["sync"] = sync
    site.serve("credit", credit_package())
    trace = tmp_path / "trace"
    calls = (
        "trace=pwritev,pwritev2,pwrite64,write,writev,sendto,sendmsg,fdatasync,fsync,io_submit,io_getevents"
    )
    prefix = [find_program("strace", "strace"), "-f", "-o", str(trace), "-s", "64", "-e", calls]
    served = start_gateway(site, prefix=prefix)
    try:
        for number in range(5):
            status, _, _ = post(served.port, body=json.dumps({"instances": [ROWS[number]]}).encode())
            assert status == 200
        served.process.signal(signal.SIGTERM)
        served.process.wait(deadline_s=90)
    finally:
        served.process.kill()
    lines = trace.read_text(errors="replace").splitlines()
    answers = [at for at, line in enumerate(lines) if '"HTTP/1.1 200' in line and "affiant" not in line]
    writes = [at for at, line in enumerate(lines) if "AFGR" in line]
    synced = [at for at, line in enumerate(lines) if re.search(SYNCED[sync], line)]
    before = 0
    predictions = answers[-5:]
    assert len(predictions) == 5
    for at in predictions:
        group = max(one for one in writes if one < at)
        assert any(group < one < at for one in synced), "\n".join(lines[group : at + 1])
        assert group > before, "an answer without a group of its own"
        before = at


def test_no_resolver_and_nobody_else_is_asked(tmp_path: Path) -> None:
    """Nothing phones home: as the kernel saw it, from start to end, of all processes and their libraries.

    (BentoML's process manager asks for this machine's own name, which /etc/hosts answers.)
    """
    site = Site(tmp_path)
    site.serve("credit", credit_package())
    trace = tmp_path / "trace"
    prefix = [find_program("strace", "strace"), "-f", "-o", str(trace), "-e", "trace=openat,connect,sendto"]
    served = start_gateway(site, prefix=prefix)
    try:
        assert post(served.port)[0] == 200
        served.process.signal(signal.SIGTERM)
        served.process.wait(deadline_s=90)
    finally:
        served.process.kill()
    lines = trace.read_text(errors="replace").splitlines()
    assert any("affiant.toml" in line for line in lines), "the trace shows what is opened"
    # A resolver would be met here too: it has an address.
    called = [
        line
        for line in lines
        if re.search(r"sin_addr=|sin6_addr=|inet_pton", line)
        and not re.search(r'"(127\.|::1|0\.0\.0\.0|::ffff:127\.)', line)
    ]
    assert called == []


def test_a_silent_crowd_keeps_nobody_out(tmp_path: Path) -> None:
    """The settings' bound holds: the oldest silent connection goes, and who asks is answered."""
    site = Site(tmp_path, gateway={"max_connections": 16, "receive_seconds": 3600})
    site.serve("credit", credit_package())
    served = start_gateway(site)
    crowd = [socket.create_connection(("127.0.0.1", served.port), timeout=20) for _ in range(40)]
    try:
        assert crowd[0].recv(1) == b""
        assert post(served.port)[0] == 200
    finally:
        for each in crowd:
            each.close()
        served.process.kill()


def test_tls_from_the_settings(tmp_path: Path) -> None:
    """A client that trusts the certificate is answered, plain HTTP is not; /metrics says when the certificate ends."""
    from cryptography import x509

    site = Site(tmp_path, gateway={"tls_certificate": "cert.pem", "tls_key": "key.pem"})
    site.serve("credit", credit_package())
    certificate(tmp_path)
    served = start_gateway(site, ready=False, scheme="https")
    try:
        context = ssl.create_default_context(cafile=str(tmp_path / "cert.pem"))
        connection = http.client.HTTPSConnection("127.0.0.1", served.port, context=context, timeout=30)
        connection.request("POST", PREDICT, BODY, {"Content-Type": "application/json"})
        response = connection.getresponse()
        assert (response.status, bool(response.read())) == (200, True)
        assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
        connection.request("GET", "/metrics")
        said = re.search(
            rb"_certificate_expires_timestamp_seconds ([0-9].*)", connection.getresponse().read()
        )
        leaf = x509.load_pem_x509_certificate((tmp_path / "cert.pem").read_bytes())
        assert said is not None
        assert float(said[1]) == leaf.not_valid_after_utc.timestamp()
        connection.close()
        with pytest.raises((OSError, http.client.HTTPException)):
            post(served.port)
    finally:
        served.process.kill()


def certificate(directory: Path) -> None:
    """A self-signed certificate for 127.0.0.1."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "gateway")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (directory / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (directory / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )


def test_each_worker_has_a_journal_of_its_own(tmp_path: Path) -> None:
    """An auditor hears them all; and one that there is no more is closed by those that are left."""
    site = Site(tmp_path, gateway={"workers": 2})
    site.serve("credit", credit_package())
    served = start_gateway(site)
    try:
        records = set()
        wait_until((tmp_path / "data" / "journals" / "1").is_dir, what="the second worker")

        def both() -> bool:
            status, headers, _ = post(served.port)
            assert status == 200
            records.add(headers["affiant-record"])
            return len({record.partition("-")[0] for record in records}) == 2

        wait_until(both, what="answers of both workers")
        heard = workers_of(served.address)
        assert {each.journal for each in heard} == {record.partition("-")[0] for record in records}
        assert sum(each.answers for each in heard) == len(records)
        served.process.kill()
    finally:
        served.process.kill()
    ids = {one.record_id for number in (0, 1) for one in site.exchanges(number)}
    assert records <= ids
    site.gateway["workers"] = 1
    again = start_gateway(site)
    try:
        assert again.process.stop(deadline_s=90) == 0
    finally:
        again.process.kill()
    for number in (0, 1):
        kinds = [record.entry.kind for record in site.records(number)]
        assert kinds[-1] == Kind.CLOSING
        assert kinds.count(Kind.OPENING) == 2


def test_bentoml_serve_alone_starts_the_same(tmp_path: Path) -> None:
    """With the settings' address, from another directory."""
    site = Site(tmp_path)
    site.serve("credit", credit_package())
    served = start_gateway(site)
    served.process.kill()
    root = Path(__file__).resolve().parents[2]
    process = Process(
        [Path(sys.executable).parent / "bentoml", "serve", "service.app:svc", "--working-dir", root],
        log=tmp_path / "bentoml.log",
        env={"AFFIANT_CONFIG": str(site.config)},
        cwd=tmp_path,
    ).start()
    try:
        process.wait_for_log("ready", deadline_s=120)
        status, headers, _ = post(served.port)
        assert status == 200
        assert headers["affiant-record"] in {one.record_id for one in site.exchanges(0)}
    finally:
        process.kill()


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    """`affiant …` run to its end."""
    return subprocess.run(
        [sys.executable, "-P", "-m", "cli.main", *arguments], capture_output=True, text=True, check=False
    )


def test_the_command_refuses_settings_that_would_be_unsafe(tmp_path: Path) -> None:
    """Another address than the loopback without keys; a keys file that is not there."""
    site = Site(tmp_path, gateway={"host": "0.0.0.0"})  # noqa: S104
    site.write()
    refused = command("gateway", "--config", str(site.config))
    assert refused.returncode == 2
    assert "needs keys_file" in refused.stderr
    site.gateway["keys_file"] = "keys.json"
    site.write()
    refused = command("gateway", "--config", str(site.config))
    assert refused.returncode == 2
    assert "keys add" in refused.stderr


def test_the_command_makes_and_ends_keys(tmp_path: Path) -> None:
    """A key is printed once; its owner's pseudonym is listed."""
    site = Site(tmp_path, gateway={"keys_file": "keys.json"})
    site.write()
    base = ("gateway", "--config", str(site.config), "keys")
    made = command(*base, "add", "batch")
    assert made.returncode == 0, made.stderr
    key = made.stdout.strip()
    assert re.fullmatch(r"affiant_[0-9a-f]{64}", key)
    listed = command(*base, "list").stdout
    assert re.fullmatch(r"[0-9a-f]{32}  batch\n", listed)
    assert key not in (tmp_path / "keys.json").read_text()
    assert command(*base, "add", "batch").returncode == 2
    assert command(*base, "remove", "batch").returncode == 0
    assert command(*base, "list").stdout == ""
