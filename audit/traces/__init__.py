"""Trace context of sampled requests: from the gateway to the sidecar beside it, and into the log's headers.

It never is in a record: records are what was sworn to, traces are for whoever looks at a running system.
"""
