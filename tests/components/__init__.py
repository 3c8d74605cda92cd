"""Real components as small context managers: what integration and fault tests run against.

Nothing here is a stand-in. A component that is not installed is an error that names the command which
installs it (`scripts/tools NAME`); a test is never skipped for it.

- `ports`: free loopback ports;
- `process`: one child process with its log, signals and conditions with a deadline;
- `kafka`: Apache Kafka, one broker or a cluster, that can be killed, paused and started again;
- `oci`: an OCI registry;
- `fixtures`: the same as pytest fixtures, imported by tests/conftest.py.
"""
