"""The components as pytest fixtures; tests/conftest.py makes them known to every test.

Shared ones are started once a session, at the first test that asks: use names of your own in them
(`kafka_topic`, a repository named after the test) and never stop them. A test that stops, kills or pauses a
component asks for its own.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.components.kafka import KafkaBroker, KafkaCluster
from tests.components.mlflow import MlflowServer
from tests.components.oci import OciRegistry
from tests.components.s3 import S3Bucket, S3Server
from tests.components.tlog import http_folder
from tests.components.witness import Litewitness


@pytest.fixture(scope="session")
def kafka_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaBroker]:
    """The session's broker; do not stop it."""
    with KafkaBroker(tmp_path_factory.mktemp("kafka")) as broker:
        yield broker


@pytest.fixture(scope="session")
def kafka(kafka_broker: KafkaBroker) -> str:
    """The session's broker's bootstrap address, host:port."""
    return kafka_broker.bootstrap


@pytest.fixture
def kafka_topic(kafka_broker: KafkaBroker) -> Callable[..., str]:
    """Makes a topic with a fresh name in the session's broker: `kafka_topic("entries", partitions=2)`.

    Takes what `KafkaBroker.create_topic` takes; returns the topic's name.
    """

    def make(prefix: str = "topic", **options: object) -> str:
        name = f"{prefix}-{uuid.uuid4().hex[:12]}"
        return kafka_broker.create_topic(name, **options)  # type: ignore[arg-type]

    return make


@pytest.fixture
def own_kafka(tmp_path: Path) -> Iterator[KafkaBroker]:
    """A broker of the test's own, to be killed and paused."""
    with KafkaBroker(tmp_path / "kafka") as broker:
        yield broker


@pytest.fixture
def own_kafka_cluster(tmp_path: Path) -> Iterator[KafkaCluster]:
    """Three brokers of the test's own."""
    with KafkaCluster(tmp_path / "kafka") as cluster:
        yield cluster


@pytest.fixture(scope="session")
def oci_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OciRegistry]:
    """The session's OCI registry (`.address` is host:port); do not stop it."""
    with OciRegistry(tmp_path_factory.mktemp("oci")) as registry:
        yield registry


@pytest.fixture
def own_oci_registry(tmp_path: Path) -> Iterator[OciRegistry]:
    """A registry of the test's own, to be stopped or damaged."""
    with OciRegistry(tmp_path / "oci") as registry:
        yield registry


@pytest.fixture(scope="session")
def mlflow_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    """The session's MLflow server (`.address`); do not stop it, and use names of your own in it."""
    with MlflowServer(tmp_path_factory.mktemp("mlflow")) as server:
        yield server


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """The session's S3 server; do not stop it. `s3_server.bucket(name, locked=True, retention_days=1)`."""
    with S3Server(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture
def s3(s3_server: S3Server) -> S3Bucket:
    """A fresh bucket in the session's server: `s3.store()` is an obstore client of it, `s3.client()` boto3's."""
    return s3_server.bucket(f"b-{uuid.uuid4().hex[:12]}")


@pytest.fixture
def s3_locked(s3_server: S3Server) -> S3Bucket:
    """The same with versions and Object Lock, and no retention until a test asks for it."""
    return s3_server.bucket(f"b-{uuid.uuid4().hex[:12]}", locked=True)


@pytest.fixture
def own_s3(tmp_path: Path) -> Iterator[S3Server]:
    """A server of the test's own, to be killed and paused."""
    with S3Server(tmp_path / "s3") as server:
        yield server


@pytest.fixture
def litewitness(tmp_path: Path) -> Iterator[Litewitness]:
    """A witness of the test's own, with a key of its own; it knows no log until `add_log`."""
    with Litewitness(tmp_path / "witness") as witness:
        yield witness


@pytest.fixture
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Path], str]]:
    """Serves folders over HTTP until the test's end: `served(folder)` is the address."""
    logs = tmp_path_factory.mktemp("http")
    with ExitStack() as stack:
        yield lambda folder: stack.enter_context(http_folder(folder, logs / f"{uuid.uuid4().hex[:8]}.log"))
