"""Real components as small context managers: what integration and fault tests run against.

Nothing here is a stand-in. A component that is not installed is an error that names the command which
installs it (`scripts/tools NAME`); a test is never skipped for it.

- `ports`: free loopback ports;
- `process`: one child process with its log, signals and conditions with a deadline;
- `kafka`: Apache Kafka, one broker or a cluster, that can be killed, paused and started again;
- `oci`: an OCI registry;
- `s3`: an S3 server with conditional writes and Object Lock;
- `tlog`: others' programs that write and check transparency logs; `tlogcheck/` is one of ours around Go's library;
- `witness`: a witness of checkpoints;
- `notes`: keys and signed notes made by hand;
- `fixtures`: the same as pytest fixtures, imported by tests/conftest.py.
"""
