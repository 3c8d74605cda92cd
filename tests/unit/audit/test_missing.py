"""What statements say of ranges that were deleted, looked up by offset."""

from __future__ import annotations

from audit.auditor.missing import Deleted
from audit.auditor.verified import TreeVerified
from audit.retention.plan import Told
from audit.sealed import TreeId

TOPIC = bytes(range(16))


def name(first: int, last: int, *, partition: int = 0, part: str = "payloads", topic: bytes = TOPIC) -> str:
    """Of a file of the archive."""
    folder = f"archive/{part}/topic={topic.hex()}/date=2026-01-02/partition={partition}"
    return f"{folder}/{first:020d}-{last:020d}.parquet"


def test_an_offset_is_of_a_range_that_was_told_of() -> None:
    """Not one before, between, behind, of another partition or topic; what is no name of a file is nothing."""
    told = Told("dan", 60.0, file=True)
    said = {
        name(20, 29): told, name(4, 9): told, name(50, 59, partition=1): told,
        name(60, 69, topic=bytes(16)): told, "nonsense": told,
    }  # fmt: skip
    deleted = Deleted(TreeId("x", TOPIC, 0), said)
    asked = (0, 3, 4, 9, 10, 19, 20, 29, 30, 55, 65)
    assert [at for at in asked if deleted.has(at)] == [4, 9, 20, 29]
    verified = TreeVerified("x")
    deleted.tell(verified)
    (remark,) = verified.remarks
    assert remark.message == "4 payloads were deleted, their time was over: dan, 1970-01-01T00:01:00+00:00"
