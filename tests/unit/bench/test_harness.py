"""What the benches compute with: wrong here, and every figure of docs/benchmarks.md is wrong."""

from __future__ import annotations

import json
import os
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from harness import data, marks, processes, wrk
from harness.bars import judge
from harness.compare import Cell, Comparison, Plan
from harness.processes import BenchError, Process
from harness.report import Bar, Report
from harness.servers import Row, v1_bodies, v2_binary, v2_bodies

Rates = list[tuple[Row, dict[int, tuple[float, float, float]]]]
BUSY = "import time\nend = time.monotonic() + 60\nwhile time.monotonic() < end: pass"


def row(server: str, runtime: str = "xgboost", protocol: str = "v1", *, audited=False, counted=True) -> Row:
    """A row whose server is not there: the bars look at names and cells alone."""
    target = wrk.Target(1, "/", {}, [b"{}"])
    return Row(server, runtime, protocol, target, process=None, audited=audited, counted=counted)


def comparison(tmp_path: Path, rates: Rates) -> Comparison:
    """Cells of one round from rows and {connections: (rate, p50, p99)}."""
    plan = Plan(1, 1, 1, (1, 16, 64), lambda _row, _connections: True, None)
    made = Comparison(plan, [one for one, _ in rates], tmp_path)
    for one, cells in rates:
        for connections, (rate, p50, p99) in cells.items():
            made.cells.append(Cell(one.name, connections, 0, rate, p50, p99, p99, 1.0, 100, 0))
    return made


def full(tmp_path: Path) -> tuple[Comparison, list[Row]]:
    """Two peers, one of them not counted, and our gateway in its four forms."""
    rates: Rates = [
        (row("kserve"), {16: (1000.0, 1.0, 40.0), 64: (1000.0, 1.0, 50.0)}),
        (row("kserve (inplace)", counted=False), {16: (9000.0, 1.0, 1.0), 64: (9000.0, 1.0, 1.0)}),
    ]
    for runtime, rate in (("xgboost", 7000.0), ("onnxruntime", 9000.0)):
        audited = row("affiant", runtime, audited=True)
        bare = row("affiant (un-audited)", runtime)
        rates.append((audited, {1: (500.0, 2.0, 3.0), 16: (rate, 1.0, 20.0), 64: (rate + 1000, 1.0, 30.0)}))
        rates.append((bare, {1: (900.0, 1.0, 2.0), 64: (2 * (rate + 1000), 1.0, 9.0)}))
    return comparison(tmp_path, rates), [one for one, _ in rates]


def test_the_bars_take_the_better_runtime_and_the_best_counted_peer(tmp_path):
    """A peer that is not served its own way is no bar's denominator."""
    made, rows = full(tmp_path)
    bars, ratios = judge(made, rows, sync_ms=0.6)
    by_name = {bar.name: bar for bar in bars}
    at_16 = by_name["audited (affiant/onnxruntime/v1) ÷ best peer (kserve/xgboost/v1) at 16"]
    assert (at_16.value, at_16.limit, at_16.holds) == (9.0, 8.0, True)
    at_64 = by_name["audited (affiant/onnxruntime/v1) ÷ best peer (kserve/xgboost/v1) at 64"]
    assert (at_64.value, at_64.holds) == (10.0, False)
    assert [(one["connections"], one["runtime"], one["ratio"]) for one in ratios] == [
        (16, "xgboost", 7.0),
        (16, "onnxruntime", 9.0),
        (64, "xgboost", 8.0),
        (64, "onnxruntime", 10.0),
    ]


def test_what_auditing_costs_is_against_the_same_gateway_in_the_same_round(tmp_path):
    """The un-audited rows are denominators of their own bars, never peers."""
    made, rows = full(tmp_path)
    by_name = {bar.name: bar for bar in judge(made, rows, sync_ms=0.6)[0]}
    assert by_name["audited ÷ un-audited at 64, xgboost"].value == pytest.approx(0.5)
    assert not by_name["audited ÷ un-audited at 64, xgboost"].holds
    added = by_name["added p50 in ms at 1 connection, xgboost (one fdatasync: 0.60 ms)"]
    assert (added.value, added.holds) == (1.0, True)
    assert added.limit == pytest.approx(1.2)


def test_a_bar_whose_rows_were_not_measured_is_left_out(tmp_path):
    """Half a run makes no half bar."""
    made = comparison(tmp_path, [(row("kserve"), {16: (1000.0, 1.0, 40.0)})])
    assert judge(made, list(made.rows.values()), sync_ms=0.6) == ([], [])


@pytest.mark.parametrize(
    ("relation", "value", "holds"),
    [("≥", 8.0, True), ("≥", 7.99, False), ("≤", 8.0, True), ("≤", 8.01, False), ("<", 8.0, False)],
)
def test_a_bar_holds_by_its_relation(relation, value, holds):
    """The goal itself counts as met, except where it must be beaten."""
    bar = Bar("rate", value, relation, 8.0)
    assert bar.holds is holds
    assert bar.as_json() == {"name": "rate", "value": value, "goal": f"{relation} 8", "holds": holds}


def test_the_report_holds_machine_versions_rows_and_bars(tmp_path):
    """The form that every bench promises."""
    report = Report(
        "x", True, {"cores": 2}, {"python": "3"}, [{"rate": 1}], [Bar("a", 1, "≥", 2)], {"more": 1}
    )
    report.write(tmp_path / "deep" / "x.json")
    written = json.loads((tmp_path / "deep" / "x.json").read_text())
    assert written["machine"]["cores"] == 2
    assert (written["versions"], written["rows"], written["more"]) == ({"python": "3"}, [{"rate": 1}], 1)
    assert written["bars"] == [{"name": "a", "value": 1, "goal": "≥ 2", "holds": False}]
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["x.json"]


def test_every_second_round_runs_backwards(tmp_path):
    """A drift of the machine does not fall on the same server each time."""
    rows = [row("a"), row("b")]
    cells = Plan(2, 1, 1, (1,), lambda _row, _connections: True, None).cells(rows)
    assert [(number, one.server) for number, _, one in cells] == [(0, "a"), (0, "b"), (1, "b"), (1, "a")]


def test_the_onnx_conversion_answers_as_xgboost_does():
    """Trees, default directions and base score survive, missing values included."""
    import onnxruntime
    import xgboost

    random = np.random.default_rng(1)
    features = random.normal(size=(500, data.FEATURES)).astype(np.float32)
    features[random.random(features.shape) < 0.1] = np.nan
    labels = (np.nan_to_num(features[:, 0]) + np.nan_to_num(features[:, 1]) > 0.2).astype(np.float32)
    booster = xgboost.train(
        {"objective": "binary:logistic", "max_depth": 4, "base_score": 0.3, "nthread": 1},
        xgboost.DMatrix(features, labels),
        num_boost_round=20,
    )
    made = data.to_onnx(json.loads(booster.save_raw("json")))
    answers = onnxruntime.InferenceSession(made).run(None, {"input": features})[0]
    assert answers.shape == (500, 1)
    np.testing.assert_allclose(answers[:, 0], booster.inplace_predict(features), atol=1e-6)


def test_bodies_carry_the_rows_exactly():
    """The text of a number reads back as the same float32, and the binary tensor is its bytes."""
    rows = np.random.default_rng(2).normal(size=(5, 30)).round(3).astype(np.float32)
    for number, body in enumerate(v1_bodies(rows)):
        assert np.array_equal(np.float32(json.loads(body)["instances"][0]), rows[number])
    for number, body in enumerate(v2_bodies(rows)):
        tensor = json.loads(body)["inputs"][0]
        assert tensor["shape"] == [1, 30]
        assert np.array_equal(np.float32(tensor["data"]), rows[number])
    binary = v2_binary(rows)
    head = int(binary.headers["Inference-Header-Content-Length"])
    assert json.loads(binary.bodies[0][:head])["inputs"][0]["parameters"]["binary_data_size"] == 120
    assert np.array_equal(np.frombuffer(binary.bodies[3][head:], "<f4"), rows[3])


def test_the_requests_of_a_file_are_whole_and_in_order(tmp_path):
    """A body may hold any byte, newlines too: each request stands behind its length."""
    target = wrk.Target(80, "/x", {"Content-Type": "a/b"}, [b"one\n2\n", b"\x00\xff"])
    target.write(tmp_path / "requests")
    with (tmp_path / "requests").open("rb") as file:
        for body in target.bodies:
            raw = file.read(int(file.readline()))
            assert raw.startswith(b"POST /x HTTP/1.1\r\nHost: 127.0.0.1:80\r\nContent-Type: a/b\r\n")
            assert raw.endswith(b"\r\n\r\n" + body)
            assert file.read(1) == b"\n"
        assert file.read() == b""


def write_mark(path: Path, first: int, sequence: int, offset: int, last: int) -> None:
    """A 64-byte mark of which only versions and sequence matter here."""
    content = bytearray(64)
    struct.pack_into(">Q", content, 0, first)
    struct.pack_into(">Q", content, offset, sequence)
    struct.pack_into(">Q", content, 56, last)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def test_progress_is_read_from_both_marks(tmp_path):
    """What is durable and what is acknowledged stand at their documented places."""
    write_mark(tmp_path / "journals/0/mark", 4, 100, 32, 4)
    write_mark(tmp_path / "shipping/0/acknowledged", 8, 60, 8, 8)
    found = marks.progress(tmp_path, "0")
    assert (found.durable, found.acknowledged, found.behind) == (100, 60, 40)


def test_a_mark_that_is_being_written_is_not_believed(tmp_path):
    """Unequal or odd versions are no reading."""
    write_mark(tmp_path / "journals/0/mark", 4, 100, 32, 6)
    with pytest.raises(BenchError, match="versions"):
        marks.progress(tmp_path, "0")


@pytest.fixture
def family(tmp_path):
    """A process with a child in a group of its own, both busy."""
    parent = (
        "import subprocess, sys\n"
        f"subprocess.Popen([sys.executable, '-c', {BUSY!r}], start_new_session=True)\n" + BUSY
    )
    process = Process.start(
        "family", [sys.executable, "-c", parent], core=None, log=tmp_path / "log", cwd=tmp_path
    )
    wait(lambda: len(process.members()) == 2)
    yield process
    process.stop()


def wait(condition) -> None:
    """Poll until it is so."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_a_paused_server_uses_no_processor_time_nor_do_its_children(family):
    """Stopped means every process of the tree, whatever group it has made for itself."""
    wait(lambda: family.cpu_seconds() > 0.1)
    family.pause()
    wait(lambda: all(processes.stat(pid).state == "T" for pid in family.members()))
    before = family.cpu_seconds()
    spin = time.process_time() + 0.2
    while time.process_time() < spin:
        pass
    assert family.cpu_seconds() == before
    family.resume()
    wait(lambda: family.cpu_seconds() > before)


def test_processor_time_of_a_child_that_has_ended_is_not_lost(tmp_path):
    """The parent that waited for it carries its account on."""
    script = (
        "import subprocess, sys, time\n"
        "spin = 'import time\\nwhile time.process_time() < 0.3: pass'\n"
        "subprocess.run([sys.executable, '-c', spin])\n"
        "print('done', flush=True)\n"
        "time.sleep(60)"
    )
    process = Process.start(
        "parent", [sys.executable, "-c", script], core=None, log=tmp_path / "log", cwd=tmp_path
    )
    try:
        wait(lambda: "done" in process.tail())
        assert len(process.members()) == 1
        assert process.cpu_seconds() >= 0.29
    finally:
        process.stop()


def test_stopping_a_server_leaves_none_of_its_processes(family):
    """Also when it was paused, and also children that the first process does not end itself."""
    members = family.members()
    family.pause()
    family.stop()
    for pid in members:
        wait(lambda pid=pid: (found := processes.stat(pid)) is None or found.state == "Z")
    assert not family.alive()


def test_a_server_that_ends_while_starting_says_its_last_words(tmp_path):
    """The bench cannot run, and the reason is in front of the reader."""
    process = Process.start(
        "broken",
        [sys.executable, "-c", "raise SystemExit('no model')"],
        core=None,
        log=tmp_path / "l",
        cwd=tmp_path,
    )
    with pytest.raises(BenchError, match="no model"):
        process.wait_until("http://127.0.0.1:9/", timeout=30)


def test_a_server_is_pinned_with_everything_it_starts(tmp_path):
    """Its core is inherited by its children."""
    core = min(os.sched_getaffinity(0))
    script = "import os, subprocess, sys; print(os.sched_getaffinity(0), flush=True)"
    process = Process.start(
        "pinned", [sys.executable, "-c", script], core=core, log=tmp_path / "log", cwd=tmp_path
    )
    process.popen.wait(30)
    assert process.tail() == str({core})


@pytest.mark.parametrize("bench", ["gateway", "sidecar", "memory", "sustained"])
def test_every_bench_takes_quick_and_json(bench):
    """The two options that `make bench` and `make bench-quick` rely on."""
    script = Path(__file__).resolve().parents[3] / "bench" / f"{bench}.py"
    done = subprocess.run([sys.executable, script, "--help"], capture_output=True, text=True, check=True)
    assert "--quick" in done.stdout
    assert "--json FILE" in done.stdout


def test_signals_reach_processes_by_id_alone(family):
    """A process of ours that is not in the tree goes on."""
    other = subprocess.Popen([sys.executable, "-c", BUSY])
    try:
        family.pause()
        assert processes.stat(other.pid).state != "T"
    finally:
        other.send_signal(signal.SIGKILL)
        other.wait()
