"""The yardstick of the notary: kafka-python alone, that reads a partition from its start and does nothing with it.

Prints {"count", "seconds", "rate", "cpu_us"} for what came after the first WARM part.
"""

from __future__ import annotations

import argparse
import json
import time

WARM = 0.05


def main() -> None:
    """Read the topic once and say how fast it came."""
    from kafka import KafkaConsumer, TopicPartition

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bootstrap", required=True)
    parser.add_argument("--topic", required=True)
    parser.add_argument("--records", type=int, required=True)
    chosen = parser.parse_args()
    place = TopicPartition(chosen.topic, 0)
    # As the notary's own reader asks for it (audit/log/kafka.py), so that only the work differs.
    consumer = KafkaConsumer(
        bootstrap_servers=chosen.bootstrap,
        group_id=None,
        enable_auto_commit=False,
        fetch_max_wait_ms=100,
        max_partition_fetch_bytes=8 << 20,
        metrics_enabled=False,
    )
    consumer.assign([place])
    consumer.seek_to_beginning(place)
    warm = int(chosen.records * WARM)
    count, first, begin, cpu = 0, 0, 0.0, 0.0
    while count < chosen.records:
        for records in consumer.poll(timeout_ms=1000, max_records=10_000).values():
            count += len(records)
        if not first and count >= warm:
            first, begin, cpu = count, time.perf_counter(), time.process_time()
    seconds = time.perf_counter() - begin
    print(
        json.dumps(
            {
                "count": count - first,
                "seconds": seconds,
                "rate": (count - first) / seconds,
                "cpu_us": (time.process_time() - cpu) / (count - first) * 1e6,
            }
        )
    )


if __name__ == "__main__":
    main()
