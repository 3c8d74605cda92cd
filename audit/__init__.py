"""The record: journal, sidecar, logs and what proves them."""
