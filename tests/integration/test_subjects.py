"""From a request that names a person to all records about that person, and the person's id nowhere on the way."""

from __future__ import annotations

import asyncio
import io
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import structlog

from audit.config import load
from audit.labels import is_label
from audit.log import configured_log
from audit.proof.entry import Key, Kind, Slot
from audit.subjects import add_subject_key, read_subject_keys
from cli.main import guarded, run
from tests.components.gateway import JSON, Answer, Site, ask, open_gateway
from tests.components.packages import number_package
from tests.components.replays import ship
from tests.components.sealer import NAME, Sealer

ANN, BOB = "customer-0815-ann", "customer-4711-bob"
PREDICT, INFER, LABEL = "/v1/models/numbers:predict", "/v2/models/numbers/infer", "/v1/models/numbers:label"
BODY = b'{"instances":[[1.0,2.0,3.0]]}'
TENSOR = b'{"inputs":[{"name":"input","datatype":"FP32","shape":[1,3],"data":[1,2,3]}]}'


class Collector:
    """What an OpenTelemetry collector would get, as it came."""

    def __init__(self) -> None:
        self.got: list[bytes] = []
        got = self.got

        class Page(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                got.append(self.rfile.read(int(self.headers["content-length"])))
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}/v1/traces"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@dataclass(frozen=True)
class Asked:
    """What was asked at a gateway, and what came of it."""

    site: Site
    answers: dict[str, Answer]
    """By what was asked."""
    spans: bytes
    said: str
    """What the gateway wrote to its log."""
    pseudonyms: dict[str, bytes]


def about(person: str | None, **more: str) -> dict[str, str]:
    return {**JSON, **({} if person is None else {"affiant-subject": person}), **more}


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    """A gateway with a shadow, spans and keys of subjects: answered, refused, labelled; shipped and sealed."""
    collector = Collector()
    site = Site(
        tmp_path_factory.mktemp("subjects") / "site",
        gateway={"subject_keys_file": "subjects.json"},
        telemetry={"otlp_endpoint": collector.endpoint, "sample_ratio": 1.0},
        tables={"notary": {"name": NAME}},
    )
    site.directory.mkdir()
    site.serve("numbers", number_package())
    site.serve("numbers", number_package("other", 3), slot="shadow")
    keys = site.directory / "subjects.json"
    add_subject_key(keys)
    answers: dict[str, Answer] = {}

    async def traffic() -> None:
        async with open_gateway(site) as front:
            for name, path, body, headers in (
                ("v1", PREDICT, BODY, about(ANN)),
                ("v2", INFER, TENSOR, about(ANN, **{"x-request-id": "mine"})),
                ("explained", PREDICT.replace("predict", "explain"), BODY, about(ANN)),
                ("invalid", PREDICT, b'{"instances":[["no"]]}', about(ANN)),
                ("refused", PREDICT, b"no", about(ANN)),
                ("bob", PREDICT, BODY, about(BOB)),
                ("nobody", PREDICT, BODY, about(None)),
                ("wrong", PREDICT, BODY, about(f"{ANN} and {BOB}")),
            ):
                answers[name] = await ask(front, path, body, headers=headers)
            label = {"record": answers["v1"].headers["affiant-record"], "label": True}
            answers["label"] = await ask(front, LABEL, json.dumps(label).encode(), headers=about(ANN))
            answers["wrong label"] = await ask(front, LABEL, json.dumps(label).encode(), headers=about("ä"))

    with structlog.testing.capture_logs() as said:
        asyncio.run(traffic())
    ship(site)
    config = load(site.config)
    sealer = Sealer(configured_log(config), config.data)
    (site.directory / "notary.pub").write_text(sealer.public_key.read_text())
    sealer.seal()
    made = read_subject_keys(keys)
    yield Asked(
        site, answers, b"".join(collector.got), str(said),
        {person: made.pseudonym(person.encode()) for person in (ANN, BOB)},
    )  # fmt: skip
    collector.stop()


def subjects(asked: Asked) -> dict[str, bytes | None]:
    """By record id."""
    return {
        record.entry.record_id: record.entry.get(Key.SUBJECT)
        for record in asked.site.records()
        if record.entry.kind in (Kind.INFERENCE, Kind.LABELLED)
    }


def test_answers_and_refusals_have_the_pseudonym_of_whom_they_are_about(asked: Asked) -> None:
    """In each protocol; who names nobody has none."""
    ann, bob = asked.pseudonyms[ANN], asked.pseudonyms[BOB]
    found = subjects(asked)
    of = {name: found[answer.headers["affiant-record"]] for name, answer in asked.answers.items()
          if "affiant-record" in answer.headers}  # fmt: skip
    assert of == {
        "v1": ann, "v2": ann, "explained": ann, "invalid": ann, "refused": ann, "bob": bob, "nobody": None,
        "wrong": None,
    }  # fmt: skip
    assert [asked.answers[name].status for name in ("v1", "v2", "explained", "bob", "nobody")] == [200] * 5
    (mine,) = [each for each in asked.site.exchanges() if each.fields.get(Key.REQUEST_ID) == "mine"
               and each.fields[Key.SLOT] == Slot.LIVE]  # fmt: skip
    assert mine.fields[Key.SUBJECT] == ann


def test_shadows_and_labels_have_it_too(asked: Asked) -> None:
    """What a shadow answered is about the same person; a label as its own request says."""
    ann, bob = asked.pseudonyms[ANN], asked.pseudonyms[BOB]
    shown = [each.fields.get(Key.SUBJECT) for each in asked.site.exchanges()
             if each.fields.get(Key.SLOT) == Slot.SHADOW]  # fmt: skip
    assert shown == [ann, ann, bob, None]
    (label,) = [record.entry for record in asked.site.records() if is_label(record.entry)]
    assert label.get(Key.SUBJECT) == ann


def test_what_is_no_subject_is_refused_and_not_repeated(asked: Asked) -> None:
    """Recorded like other refusals of a stranger's request: by hash and length."""
    for name in ("wrong", "wrong label"):
        answer = asked.answers[name]
        assert (answer.status, answer.json["type"]) == (400, "urn:affiant:problem:wrong-subject")
        assert answer.headers["connection"] == "close"
        assert ANN not in answer.body.decode()


def test_the_persons_id_is_nowhere(asked: Asked) -> None:
    """Neither in journal, log or store, nor in spans or what the gateway says of itself."""
    files = [path for path in asked.site.directory.rglob("*") if path.is_file()]
    assert any("journals" in path.parts for path in files)
    assert any("sealed" in path.parts for path in files)
    everything = b"".join(path.read_bytes() for path in files)
    assert asked.pseudonyms[ANN] in everything
    assert asked.answers["v1"].headers["affiant-record"].encode() in asked.spans
    assert "answered" in asked.said
    for person in (ANN, BOB):
        assert person.encode() not in everything
        assert person.encode() not in asked.spans
        assert person not in asked.said


@pytest.fixture
def affiant(asked: Asked, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs a command; exit code, output."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def command(*arguments: str) -> tuple[int, str]:
        capsys.readouterr()
        given = [*arguments, "--config", str(asked.site.config)]
        code = guarded(lambda: run(given), given)
        out, err = capsys.readouterr()
        return code, out + err

    return command


def test_an_auditor_finds_and_bundles_all_that_is_about_a_person(
    asked: Asked, affiant: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the id, out of a file or the standard input; what comes out verifies."""
    from audit.proof.evidence import verify_bundle
    from audit.proof.note import VerifierKey

    person = tmp_path / "person.txt"
    person.write_text(f"{ANN}\n")
    code, output = affiant("subjects", "pseudonym", str(person))
    pseudonym = output.split()[0]
    assert (code, pseudonym) == (0, asked.pseudonyms[ANN].hex())
    assert ANN not in output
    stdin = io.TextIOWrapper(io.BytesIO(f"{BOB}\r\n{ANN}".encode()))
    monkeypatch.setattr("sys.stdin", stdin)
    code, output = affiant("subjects", "pseudonym", "--json")
    assert [row["pseudonym"] for row in json.loads(output)["subjects"]] == [
        asked.pseudonyms[each].hex() for each in (BOB, ANN)
    ]

    code, output = affiant("audit", "search", "--subject", pseudonym, "--kind", "any", "--json")
    rows = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    wanted = {name for name, of in subjects(asked).items() if of == asked.pseudonyms[ANN]}
    assert (code, {row["record"] for row in rows}) == (0, wanted)
    assert len(wanted) == 8

    out = tmp_path / "evidence.zip"
    code, output = affiant("audit", "bundle", "--subject", pseudonym, "-o", str(out))
    assert code == 0, output
    vkey = VerifierKey.parse((asked.site.directory / "notary.pub").read_text().strip())
    shown = verify_bundle(out.read_bytes(), vkey)
    assert shown.flaws == []
    code, output = affiant("audit", "bundle", "--subject", "0" * 32, "-o", str(tmp_path / "none.zip"))
    assert (code, "no sealed record of the subject" in output) == (1, True)


def test_ids_that_are_none_end_the_command_without_being_repeated(
    affiant: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 2, with the line."""
    people = tmp_path / "people.txt"
    for content, words in (
        (b"fine\nJane Doe\n", "people.txt: line 2: a subject is 1 to 128"), (b"", "no id is there"),
    ):  # fmt: skip
        people.write_bytes(content)
        code, output = affiant("subjects", "pseudonym", str(people))
        assert (code, words in output) == (2, True)
        assert "Jane" not in output
    assert affiant("subjects", "pseudonym", str(tmp_path / "nothing"))[0] == 2


async def test_without_keys_a_request_that_names_a_person_is_refused(tmp_path: Path) -> None:
    """Its record could never be found by the person. Two persons at once are none."""
    site = Site(tmp_path)
    site.serve("numbers", number_package())
    async with open_gateway(site) as front:
        refused = await ask(front, PREDICT, BODY, headers=about(ANN))
        taken = await ask(front, PREDICT, BODY)
    assert (refused.status, taken.status) == (400, 200)
    assert "subject_keys_file" in refused.json["detail"]


async def test_two_persons_in_one_request_are_refused_and_a_newer_key_is_followed(tmp_path: Path) -> None:
    """While it runs; a file that is damaged meanwhile changes nothing."""
    site = Site(tmp_path, gateway={"subject_keys_file": "subjects.json"})
    site.serve("numbers", number_package())
    path = tmp_path / "subjects.json"
    add_subject_key(path)
    async with open_gateway(site) as front:
        twice = await ask(front, PREDICT, BODY, headers={**about(ANN), "Affiant-Subject": BOB})
        assert (twice.status, "twice" in twice.json["detail"]) == (400, True)
        assert (await ask(front, PREDICT, BODY, headers=about(ANN))).status == 200
        gate = front.gate
        assert gate is not None
        old = gate.subjects
        path.write_text("damaged")
        while "subject-keys-failed" not in gate.metrics.events:
            await asyncio.sleep(0.02)
        assert gate.subjects == old
        path.unlink()
        add_subject_key(path)
        while gate.subjects == old:
            await asyncio.sleep(0.02)
        assert (await ask(front, PREDICT, BODY, headers=about(ANN))).status == 200
    made = [each.fields[Key.SUBJECT] for each in site.exchanges() if each.fields[Key.STATUS] == 200]
    assert made == [old.pseudonym(ANN.encode()), read_subject_keys(path).pseudonym(ANN.encode())]
