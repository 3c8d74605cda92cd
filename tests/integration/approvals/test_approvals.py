"""approve, reject, revoke, status: what people sign, on real files."""

from __future__ import annotations

from tests.components.approvals import House


def test_two_people_admit_a_package(judged: House) -> None:
    """What is missing is told until nothing is; then it is admitted, and status says by whom."""
    assert judged.status().code == 1
    first = judged.sign("approve", "dan", "legal")
    assert (first.code, first.json["missing"], first.json["admitted"]) == (0, {"compliance": 1}, False)
    second = judged.sign("approve", "bob", "compliance")
    assert (second.code, second.json["admitted"]) == (0, True), second
    done = judged.status()
    assert done.code == 0
    (service,) = done.json["services"]
    live = next(each for each in service["slots"] if each["slot"] == "live")
    assert live["approved_by"] == [["compliance", "bob"], ["legal", "dan"]]
