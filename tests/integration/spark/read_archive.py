"""Runs in Spark's environment: reads an archive as anybody would and prints what it saw as JSON.

read.py ARCHIVE
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, date, datetime, timedelta
from typing import Any

from pyspark.sql import DataFrame, SparkSession


def plain(value: Any) -> Any:
    """Bytes as hex, times as microseconds since 1970, days as text."""
    if isinstance(value, bytes | bytearray):
        return bytes(value).hex()
    if isinstance(value, datetime):  # Spark's are without a zone, in the session's: UTC
        return (value.replace(tzinfo=UTC) - datetime.fromtimestamp(0, UTC)) // timedelta(microseconds=1)
    return value.isoformat() if isinstance(value, date) else value


def rows(frame: DataFrame) -> list[dict[str, Any]]:
    """All of them, in the order of the log."""
    ordered = frame.orderBy("topic", "partition", "offset").collect()
    return [{name: plain(value) for name, value in row.asDict().items()} for row in ordered]


def main() -> None:
    """Entries, payloads and checkpoints with no option given; SQL over two of them."""
    archive = sys.argv[1]
    session = (
        SparkSession.builder.master("local[1]")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.shuffle.partitions", "1")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.driver.host", "localhost")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .getOrCreate()
    )
    session.sparkContext.setLogLevel("ERROR")
    entries = session.read.parquet(f"{archive}/entries")
    payloads = session.read.parquet(f"{archive}/payloads")
    entries.createOrReplaceTempView("entries")
    payloads.createOrReplaceTempView("payloads")
    (held,) = session.sql(
        "SELECT count(*) FROM entries JOIN payloads USING (topic, date, partition, offset, payload_digest) "
        "WHERE sha2(payload, 256) = lower(hex(payload_digest)) AND partition = 1"
    ).first()
    seen = {
        "types": dict(entries.dtypes),
        "entries": rows(entries),
        "payloads": rows(payloads),
        "checkpoints": session.read.parquet(f"{archive}/checkpoints").count(),
        "held": held,
    }
    session.stop()
    print(json.dumps(seen))


main()
