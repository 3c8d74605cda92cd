"""The append-only log and its two backends, Kafka and a local directory."""
