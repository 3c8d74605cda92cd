"""Drift, service levels and rollback, computed from the log."""
