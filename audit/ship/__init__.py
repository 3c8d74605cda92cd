"""The sidecar: ships each journal to the log, once, in order, and says how far it has come."""
