"""affiant gate run and recompute on recent traffic: a real log, an archive, Kafka; what was signed is found again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audit.archive import Archiver, Limits
from audit.governance import Governance
from audit.log import configured_governance_log
from audit.objects.directory import DirectoryObjects
from audit.proof.record import split_record
from registry.policy import load_policy
from registry.statement import GATES, append, encode
from registry.stores import LayoutStore
from tests.components.approvals import Done, House, affiant
from tests.components.archives import ArchiveSeal
from tests.components.monitored import Traffic, local_log
from tests.components.packages import number_package, number_table

LIVE, NEXT = number_package("live"), number_package("next")
POLICY = """\
format: 1
change: {roles: {compliance: 1, legal: 1}}
services:
  credit:
    gates: {drift: {rows_of: traffic, minimum_rows: 300}}
    approvals: {roles: {legal: 1}}
"""


def asked(count: int, by: float = 1.0) -> list[bytes]:
    """What LIVE was asked: rows of its training table, and drifted ones."""
    traffic = Traffic(LIVE, "credit", bytes([int(by)]) * 16)
    rows = number_table().frame[["a", "b", "c"]].to_numpy(np.float32)
    chosen = np.random.default_rng(3).integers(0, len(rows), count)
    return [traffic.value(rows[at : at + 1] * np.float32(by)) for at in chosen]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> House:
    """A house whose settings let LIVE answer; 400 requests, and 350 drifted ones after them."""
    house = House.build(tmp_path_factory.mktemp("traffic"), [NEXT, LIVE])
    with house.file("affiant.toml").open("a") as file:
        file.write(f'\n[[plan]]\nservice = "credit"\ndigest = "{LIVE.digest}"\nslot = "live"\nweight = 100\n')
    house.file("policy.yaml").write_text(POLICY)
    for person, role in (("ann", "legal"), ("bob", "compliance")):
        house.ok(
            "policy", "propose", house.file("policy.yaml"), "--role", role, "--rationale", "traffic",
            "--key", house.key(person), "--yes", *house.config,
        )  # fmt: skip
    local_log(house.directory / "data" / "log", [*asked(400), *asked(350, 9.0)])
    return house


def run(house: House, *more: object) -> Done:
    return affiant("gate", "run", NEXT.digest, "--service", "credit", "--json", *more, *house.config)


def drift(done: Done) -> dict[str, Any]:
    """The one gate's result."""
    (found,) = done.json["report"]["results"]
    return found  # type: ignore[no-any-return]


def recompute(house: House, *more: object) -> Done:
    return affiant("gate", "recompute", NEXT.digest, "--service", "credit", "--json", *more, *house.config)


def test_what_is_signed_names_its_ranges_and_is_found_again(served: House, tmp_path: Path) -> None:
    """Table, page and JSON say the same; the statement has ranges, rows and digests, and they come out again."""
    house = served.copy(tmp_path / "house")
    page = tmp_path / "gates.html"
    done = run(house, "--traffic", "0:0-399", "--key", house.key("pipeline"), "--out", page)
    assert done.code == 0, done
    figures = drift(done)["figures"]["traffic"]
    assert figures["ranges"] == [{"partition": 0, "first": 0, "last": 399}]
    assert figures["packages"] == {LIVE.digest: 400}
    assert done.json["report"]["data"] == {"traffic": f"sha256:{figures['sha256']}"}
    for shown in (
        "Recent traffic: 400 rows",
        "0:0-399",
        figures["sha256"],
        figures["counts_sha256"],
        LIVE.digest,
    ):
        assert shown in page.read_text(), shown
    again = recompute(house)
    assert (again.code, again.json["same"], again.json["differs"]) == (0, True, [])
    assert again.json["found"] == {**figures}
    told = affiant("gate", "recompute", NEXT.digest, "--service", "credit", *house.config)
    assert "computed again, the same" in told.out


def test_figures_that_a_pipeline_has_made_up_do_not_come_out_again(served: House, tmp_path: Path) -> None:
    """Signed by the key of the gates: its word, which the log contradicts."""
    house = served.copy(tmp_path / "house")
    report = run(house, "--traffic", "0:400-749").json["report"]
    (result,) = report["results"]
    assert result["verdict"] == "failed"
    for column in result["figures"]["traffic"]["columns"].values():
        column["ks_lower"] = 0.01
    result |= {"verdict": "passed", "reason": ""}
    governance = Governance(configured_governance_log(house.loaded), house.signer("pipeline"))
    append(governance, [encode(NEXT.digest, GATES, report)])
    again = recompute(house)
    assert (again.code, again.json["differs"]) == (1, ["columns"])


@pytest.mark.parametrize(("by", "code"), [(1e-9, 0), (1e-5, 1)])
def test_distances_of_another_processor_are_the_same(
    served: House, tmp_path: Path, by: float, code: int
) -> None:
    """But for rounding, and for no more than that."""
    house = served.copy(tmp_path / "house")
    report = run(house, "--traffic", "0:400-749").json["report"]
    (result,) = report["results"]
    moved = 0
    for column in result["figures"]["traffic"]["columns"].values():
        for name, value in column.items():
            if isinstance(value, float) and value:
                column[name], moved = value * (1 + by), moved + 1
    assert moved
    governance = Governance(configured_governance_log(house.loaded), house.signer("pipeline"))
    append(governance, [encode(NEXT.digest, GATES, report)])
    again = recompute(house)
    assert (again.code, again.json["differs"]) == (code, ["columns"] * code)


def test_the_newest_rows_are_taken_when_nobody_says_which(served: House) -> None:
    """As many as the policy needs: those that have drifted."""
    done = run(served)
    assert (done.code, drift(done)["figures"]["traffic"]["ranges"]) == (
        1, [{"partition": 0, "first": 450, "last": 749}]
    )  # fmt: skip
    assert drift(done)["reason"].startswith("recent traffic: a: KS distance is at least")
    assert '"event": "gates failed"' in done.err


@pytest.mark.parametrize(
    ("which", "code", "why"),
    [
        ("0:0-750", 2, "partition 0 of 1 has the offsets 0 to 749 now"),
        ("1:0-5", 2, "partition 1 of 1 has the offsets 0 to -1 now"),
        ("0:0-9,0:5-20", 2, "offset 5 of partition 0 is there twice"),
        ("0:9-0", 2, "its last offset comes before its first"),
        ("soon", 2, "wanted 5000 (the newest rows), 24h, 7d"),
        ("2026-01-02T00:00:00/2026-01-01T00:00:00", 2, "its first time is not before its second"),
        ("100", 1, "the ranges of the log have 100 rows; 300 are needed"),
        ("2026-01-01T00:00:00/2026-01-02T00:00:00Z", 1, "the ranges of the log have 0 rows"),
    ],
)
def test_ranges_that_are_none_or_not_there_are_said(served: House, which: str, code: int, why: str) -> None:
    """Before anything is judged; what is too little fails the gate."""
    done = run(served, "--traffic", which)
    assert done.code == code, done
    assert why in (done.err if code == 2 else drift(done)["reason"])


def test_a_time_is_read_as_one(served: House) -> None:
    """All of it was logged within the hour."""
    figures = drift(run(served, "--traffic", "1h"))["figures"]["traffic"]
    assert figures["ranges"] == [{"partition": 0, "first": 0, "last": 749}]
    assert figures["rows"] == 750


def test_traffic_that_nobody_judges_is_a_slip(served: House, tmp_path: Path) -> None:
    """The policy has a drift gate of the hold-out."""
    other = tmp_path / "policy.yaml"
    other.write_text(POLICY.replace("rows_of: traffic, ", ""))
    done = run(served, "--traffic", "1h", "--policy", other)
    assert (done.code, "does not judge traffic" in done.err) == (2, True)


def test_a_package_of_another_schema_fails_with_the_reason(served: House, tmp_path: Path) -> None:
    """It wants what nobody was asked for."""
    from tests.components.packages import credit_package

    house = served.copy(tmp_path / "house")
    LayoutStore(house.directory / "data" / "store").push(credit_package())
    done = affiant(
        "gate",
        "run",
        credit_package().digest,
        "--service",
        "credit",
        "--json",
        "--traffic",
        "0:0-399",
        *house.config,
    )
    assert done.code == 1
    assert f"its schema is not that of {LIVE.digest}, which answered: it wants " in drift(done)["reason"]


def test_changed_traffic_fails_the_gate(served: House, tmp_path: Path) -> None:
    """One bit of a payload: the entry's digest does not cover it."""
    house = served.copy(tmp_path / "house")
    values = [*asked(400), *asked(350, 9.0)]
    values[7] = values[7][:-1] + bytes([values[7][-1] ^ 1])
    shutil.rmtree(house.directory / "data" / "log")
    local_log(house.directory / "data" / "log", values)
    done = run(house, "--traffic", "0:0-399")
    assert done.code == 1
    assert "partition 0, offset 7: the payload is not the one of its entry" in drift(done)["reason"]


def test_the_archive_gives_the_same(served: House, tmp_path: Path) -> None:
    """Who has no way to the log, or comes when it is gone, finds the same rows by the same offsets."""
    house = served.copy(tmp_path / "house")
    house.ok("gate", "run", NEXT.digest, "--service", "credit", "--traffic", "0:0-399", "--key", house.key("pipeline"),
             *house.config)  # fmt: skip
    topic = json.loads((house.directory / "data" / "log" / "topic.json").read_text())
    archiver = Archiver(
        DirectoryObjects(house.directory / "data" / "sealed"), bytes.fromhex(topic["id"]), 0, 0, 0,
        Limits(records=4096),
    )  # fmt: skip
    for offset, value in enumerate([*asked(400), *asked(350, 9.0)]):
        archiver.add(offset, 1_790_000_000_000 + offset, *split_record(value))
    while archiver.archive(ArchiveSeal(750), 0.0, flush=True):
        pass
    again = recompute(house, "--archive")
    assert (again.code, again.json["same"]) == (0, True), again


def test_the_policy_in_force_is_the_one_that_is_asked(served: House) -> None:
    """As everywhere."""
    assert run(served).json["report"]["policy"] == load_policy(served.file("policy.yaml")).digest
