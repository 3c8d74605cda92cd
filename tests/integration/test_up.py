"""`affiant up` with a real model, real requests, and components that are killed."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import signal
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from audit.check import check_log
from audit.config import load
from audit.log import configured_log
from audit.notary.keys import generate, read_vkey
from audit.proof.checkpoint import parse_checkpoint
from audit.proof.entry import Kind, parse_entry
from audit.proof.note import VerifierKey, parse_note
from audit.proof.receipt import parse_receipt, verify_receipt
from audit.proof.record import parse_record
from audit.trees import configured_trees
from cli.tables import commented_toml
from registry.stores import LayoutStore
from tests.components.ports import accepts, free_port
from tests.components.process import Process, wait_until

ROOT = Path(__file__).resolve().parents[2]
ROW = {
    "status_of_existing_checking_account": "... < 0 DM",
    "duration_in_month": 48,
    "credit_history": "existing credits paid back duly till now",
    "purpose": "car (new)",
    "credit_amount": 7685,
    "savings_account_and_bonds": "... < 100 DM",
    "present_employment_since": "1 <= ... < 4 years",
    "installment_rate_in_percentage_of_disposable_income": 2,
    "personal_status_and_sex": "female : divorced/separated/married",
    "other_debtors_or_guarantors": "guarantor",
    "present_residence_since": 4,
    "property": "car or other, not in attribute Savings account/bonds",
    "age_in_years": 37,
    "other_installment_plans": "none",
    "housing": "rent",
    "number_of_existing_credits_at_this_bank": 1,
    "job": "skilled employee / official",
    "number_of_people_being_liable_to_provide_maintenance_for": 1,
    "telephone": "none",
    "foreign_worker": "yes",
}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The example's XGBoost model in a store, and its digest."""
    sys.path.insert(0, str(ROOT / "examples" / "credit"))
    try:
        from train import DATA, read_table, train_xgboost
    finally:
        sys.path.pop(0)
    store = tmp_path_factory.mktemp("store")
    trained = train_xgboost(read_table(DATA), 7, lambda _: None)
    return store, LayoutStore(store).push(trained.published.package)


class Running:
    """`affiant up` in a directory of its own."""

    def __init__(self, directory: Path, model: tuple[Path, str]) -> None:
        store, digest = model
        self.directory = directory
        self.config = directory / "affiant.toml"
        self.port, self.metrics = free_port(), free_port()
        settings = {
            "data": {"directory": "data"},
            "gateway": {"port": self.port},
            "journal": {"segment_bytes": 1 << 20, "max_bytes": 16 << 20},
            "sidecar": {"metrics_port": self.metrics},
            "notary": {"metrics_port": free_port()},
            "monitor": {"metrics_port": free_port()},
            "store": {"directory": store},
        }
        plan = f'\n[[plan]]\nservice = "credit"\ndigest = "{digest}"\n'
        self.config.write_text(commented_toml(settings) + plan)
        generate(directory / "notary.key", directory / "notary.pub", "affiant.local")
        argv = [sys.executable, "-m", "cli.main", "up", "--config", str(self.config)]
        self.process = Process(argv, log=directory / "up.txt", cwd=directory)

    def start(self) -> None:
        """Start it, and wait until it says that it is ready."""
        self.process.start()
        self.process.wait_until(lambda: self.greetings() > 0, what="its greeting", deadline_s=90)

    def greetings(self) -> int:
        """How often it has said that it is ready."""
        return self.process.log_text().count("│ ready; ")

    def predict(self) -> str:
        """One prediction; its record id."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/v1/models/credit:predict",
            json.dumps({"instances": [ROW]}).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert 0 <= json.loads(answer.read())["predictions"][0] <= 1
            return str(answer.headers["Affiant-Record"])

    def answers(self) -> bool:
        """Whether a prediction is answered now."""
        try:
            self.predict()
        except (urllib.error.URLError, OSError):
            return False
        return True

    def leader(self, component: str) -> int | None:
        """The supervisor's child that runs a component; it leads a process group of its own."""
        word = {"gateway": b"serve", "sidecar": b"sidecar"}[component]
        for place in Path("/proc").glob("[0-9]*"):
            try:
                _, parent, group = (place / "stat").read_text().rpartition(")")[2].split()[:3]
                runs = word in (place / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue  # it has just ended
            if runs and int(parent) == self.process.pid and group == place.name:
                return int(place.name)
        return None

    def sealed(self) -> int:
        """Leaves under the published checkpoint."""
        config = load(self.config)
        return configured_trees(config).tree(configured_log(config).topic().id, 0).published().size

    def end(self) -> int:
        """Records in the log."""
        reader = configured_log(load(self.config)).reader()
        try:
            return reader.bounds(0)[1]
        finally:
            reader.close()

    def log(self) -> tuple[list[str], list[int], list[str]]:
        """Record ids of the exchanges in the log, the last entry's kind of each journal, and the flaws."""
        log = configured_log(load(self.config))
        reader = log.reader()
        ids, last = [], {}
        for partition in range(log.topic().partitions):
            offset, end = reader.bounds(partition)
            while offset < end:
                for read in reader.read(partition, offset, 1 << 20, 5):
                    entry = parse_record(read.value).entry
                    offset = read.offset + 1
                    if entry.kind in (Kind.INFERENCE, Kind.ABORTED):
                        ids.append(entry.record_id)
                    if 1 in entry.fields:
                        last[entry.fields[1]] = entry.kind
        flaws = [str(flaw) for flaw in check_log(reader, log.topic().partitions).flaws]
        reader.close()
        return ids, list(last.values()), flaws


@pytest.fixture
def running(tmp_path: Path, model: tuple[Path, str]) -> Iterator[Running]:
    """Started and ready; whatever is left of it is killed."""
    up = Running(tmp_path, model)
    try:
        up.start()
        yield up
    finally:
        leaders = [leader for name in ("gateway", "sidecar") if (leader := up.leader(name))]
        up.process.kill()
        for leader in leaders:
            with contextlib.suppress(ProcessLookupError):  # the kernel has told it to end already
                os.killpg(leader, signal.SIGKILL)


def test_an_orderly_stop_ships_everything_and_signs_the_end(running: Running) -> None:
    """After SIGTERM every answered exchange is in the log, once, the journal ends signed, and all of it is sealed."""
    wanted = [running.predict() for _ in range(20)]
    assert running.process.stop(deadline_s=90) == 0, running.process.log_tail()
    ids, last, flaws = running.log()
    assert flaws == []
    assert sorted(ids) == sorted(wanted)
    assert last == [Kind.CLOSING]
    text = running.process.log_text()
    order = [text.index(f"{name} has ended") for name in ("gateway", "sidecar", "notary")]
    assert order == sorted(order)
    assert running.sealed() == running.end()
    assert not accepts(running.port)


def test_a_client_gets_the_receipt_of_its_answer(running: Running) -> None:
    """Gateway, sidecar and notary together: a second or two later the proof is there, and holds."""
    record = running.predict()
    found: list[bytes] = []

    def given() -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=10)
        connection.request("GET", f"/v1/records/{record}/receipt")
        answer = connection.getresponse()
        found.append(answer.read())
        connection.close()
        if answer.status == 200:
            return True
        assert json.loads(found[-1])["type"] == "urn:affiant:problem:not-sealed"
        assert int(answer.headers["Retry-After"]) > 0
        return False

    running.process.wait_until(given, what="the receipt", deadline_s=60)
    receipt = parse_receipt(found[-1])
    origin = parse_checkpoint(parse_note(receipt.checkpoint).text).origin
    verify_receipt(receipt, VerifierKey(origin, read_vkey(running.directory / "notary.pub").public_key))
    assert parse_entry(receipt.entry).record_id == record
    assert running.process.stop(deadline_s=90) == 0, running.process.log_tail()


@pytest.mark.parametrize(
    ("component", "kill"), [("gateway", os.kill), ("gateway", os.killpg), ("sidecar", os.killpg)]
)
def test_a_killed_component_comes_back_and_nothing_is_lost(running: Running, component: str, kill) -> None:
    """SIGKILL of a component's first process, or of all: it runs again, and every answer is recorded."""
    wanted = [running.predict() for _ in range(5)]
    before = running.leader(component)
    assert before is not None
    kill(before, signal.SIGKILL)
    # Said only when the orphans of the killed one are gone: until then they may answer, and are cut off.
    running.process.wait_for_log(f"{component} ended unasked (SIGKILL)", deadline_s=60)
    running.process.wait_until(
        lambda: running.leader(component) not in (None, before), what=f"another {component}", deadline_s=60
    )
    wait_until(running.answers, what="predictions", deadline_s=60, details=running.process.log_tail)
    wanted += [running.predict() for _ in range(5)]
    assert running.process.stop(deadline_s=90) == 0, running.process.log_tail()
    ids, last, flaws = running.log()
    assert flaws == []
    assert set(wanted) <= set(ids)
    assert len(ids) == len(set(ids))
    assert last == [Kind.CLOSING]


def test_a_signal_before_all_is_ready_ends_it(tmp_path: Path, model: tuple[Path, str]) -> None:
    """SIGTERM as soon as the components are being started: they end in order, and it ends with them."""
    up = Running(tmp_path, model)
    up.process.start()
    try:
        up.process.wait_for_log("starting gateway, sidecar, notary", deadline_s=60)
        up.process.stop(deadline_s=90)
    finally:
        up.process.kill()
    assert "│ ended" in up.process.log_text()
    assert up.greetings() == 0


def test_metrics_on_free_ports_are_greeted_with_the_ports_that_were_taken(
    tmp_path: Path, model: tuple[Path, str]
) -> None:
    """`metrics_port = 0`: the greeting names what the components have taken, and the end is an orderly one."""
    up = Running(tmp_path, model)
    up.config.write_text(re.sub(r"metrics_port = \d+", "metrics_port = 0", up.config.read_text()))
    try:
        up.start()
        greeted = dict(
            reversed(found)
            for found in re.findall(
                r"metrics +http://127\.0\.0\.1:(\d+)/metrics \((\w+)\)", up.process.log_text()
            )
        )
        for name, page in (("sidecar", "affiant_sidecar"), ("notary", "affiant_notary")):
            with urllib.request.urlopen(f"http://127.0.0.1:{greeted[name]}/metrics", timeout=10) as answer:
                assert page in answer.read().decode()
        assert up.process.stop(deadline_s=90) == 0, up.process.log_tail()
    finally:
        up.process.kill()


def test_a_port_that_is_taken_ends_it_with_a_clear_word(running: Running, tmp_path_factory) -> None:
    """A second gateway on the same port cannot be kept up: exit code 3, or 2 when it is refused at once."""
    other = tmp_path_factory.mktemp("second")
    text = running.config.read_text().replace('directory = "data"', 'directory = "other"')
    text = re.sub(r"metrics_port = \d+", f"metrics_port = {free_port()}", text)
    (other / "affiant.toml").write_text(text)
    argv = [sys.executable, "-m", "cli.main", "up", "--only", "gateway"]
    second = Process(argv, log=other / "up.txt", cwd=other)
    second.start()
    try:
        code = second.wait(deadline_s=120)
    finally:
        second.kill()
    assert code in (2, 3)
    assert str(running.port) in second.log_text()
    assert running.answers()


def test_wrong_settings_start_nothing(tmp_path: Path) -> None:
    """Exit code 2 and the nearest right word; no component was started."""
    (tmp_path / "affiant.toml").write_text("[gateway]\nprot = 3000\n")
    process = Process([sys.executable, "-m", "cli.main", "up"], log=tmp_path / "up.txt", cwd=tmp_path)
    process.start()
    assert process.wait() == 2
    assert "did you mean 'port'?" in process.log_text()
    assert not (tmp_path / "affiant-data").exists()


def test_an_unknown_component_is_refused(tmp_path: Path) -> None:
    """`--only` knows what there is."""
    (tmp_path / "affiant.toml").write_text("")
    argv = [sys.executable, "-m", "cli.main", "up", "--only", "sidecat"]
    process = Process(argv, log=tmp_path / "up.txt", cwd=tmp_path)
    process.start()
    assert process.wait() == 2
    assert "did you mean 'sidecar'?" in process.log_text()
