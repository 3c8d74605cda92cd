"""Servers with certificates of a private CA: a registry, an S3 server and others, and who believes them.

Each by the settings alone, and each refused without them: nobody else's certificate is believed.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from opentelemetry.trace import SpanKind

from audit.config import Config, load
from audit.errors import ConfigError, ObjectsUnavailable, WitnessUnavailable
from audit.log import configured_log
from audit.notary.witness import Witness
from audit.objects import open_objects
from audit.traces.export import Export
from cli.doctor import look
from cli.doctor_checks import Asked
from registry.errors import StoreUnavailable
from registry.mlflow.client import Client
from registry.settings import mlflow_access
from registry.signing.kept import configured_signatures
from registry.stores import configured_store
from tests.components.certificates import Authority
from tests.components.https import Heard, https_server
from tests.components.oci import OciRegistry
from tests.components.packages import number_package
from tests.components.s3 import S3Bucket, S3Server
from tests.integration.test_notary_witness import HEAD, NODES, NOTE, StrictWitness, line


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Somebody else's."""
    return Authority(tmp_path_factory.mktemp("other"))


@pytest.fixture
def configured(tmp_path: Path) -> Callable[[str], Config]:
    """A settings file of this text."""

    def write(text: str) -> Config:
        path = tmp_path / "affiant.toml"
        path.write_text(text)
        return load(path)

    return write


# ------------------------------------------------------------------ registry


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[OciRegistry]:
    with OciRegistry(tmp_path_factory.mktemp("registry"), tls=authority.issue("registry")) as running:
        yield running


@pytest.mark.oci
def test_a_registry_of_a_private_authority(
    registry: OciRegistry,
    authority: Authority,
    other: Authority,
    configured: Callable[[str], Config],
) -> None:
    """Packages and their signatures; the doctor hears its clock."""
    text = f'[store]\nbackend = "oci"\nreference = "{registry.address}/tls/models"\nca_file = '
    config = configured(f'{text}"{authority.certificate}"\n')
    package = number_package()
    store = configured_store(config)
    assert store.push(package) == package.digest
    assert store.pull(package.digest).blobs == package.blobs
    assert configured_signatures(config).kept(package.digest) == ()
    report = look(Asked(config, {"gateway"}), quiet=True)
    assert any(each.what == f"clock against the registry {registry.address}" for _, each in report.looked)
    with pytest.raises(StoreUnavailable, match=r"(?i)certificate"):
        configured_store(configured(f'{text}"{other.certificate}"\n')).exists(package.digest)


@pytest.mark.parametrize(("content", "said"), [(None, "No such file"), ("no PEM", "holds no certificate")])
def test_a_file_that_is_none_is_told_by_its_setting(
    configured: Callable[[str], Config], tmp_path: Path, content: str | None, said: str
) -> None:
    """Before anybody is asked."""
    if content is not None:
        (tmp_path / "ca.crt").write_text(content)
    config = configured('[store]\nbackend = "oci"\nreference = "localhost:1/a/b"\nca_file = "ca.crt"\n')
    for opened in (configured_store, configured_signatures):
        with pytest.raises(ConfigError, match=rf"\[store\] ca_file: .*{said}"):
            opened(config)
    kafka = '[log]\nbackend = "kafka"\nbootstrap = "localhost:1"\nsecurity_protocol = "SSL"\n'
    with pytest.raises(ConfigError, match=rf"\[log\] ca_file: .*{said}"):
        configured_log(configured(f'{kafka}ca_file = "ca.crt"\n'))
    with pytest.raises(ConfigError, match=r"\[log\] certificate_file .*/ca\.crt, key_file .*/key: "):
        configured_log(configured(f'{kafka}certificate_file = "ca.crt"\nkey_file = "key"\n'))
    with pytest.raises(ConfigError, match=said):
        open_objects(f"s3://bucket?ca_file={tmp_path}/ca.crt", base=tmp_path)
    with pytest.raises(ConfigError, match="not a whole path"):
        open_objects("s3://bucket?ca_file=ca.crt", base=tmp_path)


# ------------------------------------------------------------------ S3


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[S3Bucket]:
    shown = authority.issue("s3")
    with S3Server(tmp_path_factory.mktemp("s3"), tls=shown, ca_file=authority.certificate) as server:
        yield server.bucket("kept")


def _url(bucket: S3Bucket, more: str) -> str:
    return f"s3://{bucket.name}/p?endpoint={bucket.endpoint}&virtual_hosted_style_request=false{more}"


@pytest.mark.s3
def test_a_bucket_of_a_private_authority(
    bucket: S3Bucket, authority: Authority, other: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the store's URL; what else the environment says still counts."""
    for name, value in bucket.environment().items():
        if name not in ("AWS_ENDPOINT_URL", "AWS_ALLOW_HTTP"):
            monkeypatch.setenv(name, value)
    objects = open_objects(_url(bucket, f"&ca_file={authority.certificate}"), base=tmp_path)
    assert objects.create("a/b", b"content")
    assert not objects.create("a/b", b"again")
    found = objects.get("a/b")
    assert found is not None
    assert objects.swap("a/b", b"other", found.version)
    assert list(objects.list("a/")) == ["a/b"]
    strange = open_objects(_url(bucket, f"&ca_file={other.certificate}"), base=tmp_path)
    with pytest.raises(ObjectsUnavailable):
        strange.get("a/b")


@pytest.mark.s3
def test_a_bundle_of_the_environment_is_believed_everywhere(
    bucket: S3Bucket, authority: Authority, tmp_path: Path
) -> None:
    """SSL_CERT_FILE, for ways that have no setting: S3's client, and Python's own."""
    code = (
        "import sys, ssl, urllib.request; from pathlib import Path; from audit.objects import open_objects\n"
        "print(open_objects(sys.argv[1], base=Path('/')).get('not/there'))\n"
        "print(urllib.request.urlopen(sys.argv[2] + '/healthz').status)\n"
    )
    environment = {**bucket.environment(), "SSL_CERT_FILE": str(authority.certificate), "PATH": ""}
    environment.pop("AWS_ALLOW_HTTP")
    ran = subprocess.run(
        [sys.executable, "-c", code, _url(bucket, ""), bucket.endpoint],
        env=environment, capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert (ran.stdout, ran.stderr) == ("None\n200\n", "")


# ------------------------------------------------------------------ others


@pytest.fixture
def server(authority: Authority) -> Iterator[Callable[[bytes], Heard]]:
    with ExitStack() as stack:
        yield lambda body: stack.enter_context(https_server(authority.issue("server"), body))


def test_an_mlflow_server_of_a_private_authority(
    server: Callable[[bytes], Heard],
    authority: Authority,
    other: Authority,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The setting comes before the environment's word, and cannot be switched off by it."""
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(other.certificate))
    mlflow = server(b"{}")
    environment = {"MLFLOW_TRACKING_INSECURE_TLS": "true"}
    client = Client(mlflow_access(mlflow.address, environment, authority.certificate))
    client._session.trust_env = True  # as of a server that is not on the loopback
    assert client.get("registered-models/search") == {}
    client.close()
    client = Client(mlflow_access(mlflow.address, environment, other.certificate))
    with pytest.raises(StoreUnavailable, match=r"(?i)certificate"):
        client.get("registered-models/search")
    client.close()
    assert mlflow.heard == ["GET /api/2.0/mlflow/registered-models/search"]


def test_a_witness_of_a_private_authority(
    server: Callable[[bytes], Heard], authority: Authority, other: Authority
) -> None:
    """Its word counts when its server's certificate is believed."""
    there = server(line())
    key = StrictWitness("w").key
    believing = Witness(there.address, key, authorities=authority.certificate)
    assert believing.cosign(HEAD, NOTE, NODES) == StrictWitness("w").cosign(HEAD, b"", NODES)
    believing.close()
    for strange in (Witness(there.address, key, authorities=other.certificate), Witness(there.address, key)):
        with pytest.raises(WitnessUnavailable, match=r"(?i)certificate"):
            strange.cosign(HEAD, NOTE, NODES)
    assert len(there.heard) == 1


def test_a_collector_of_a_private_authority(
    server: Callable[[bytes], Heard],
    authority: Authority,
    other: Authority,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Spans reach it, whatever REQUESTS_CA_BUNDLE says, and nobody else who stands in its place."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(other.certificate))
    monkeypatch.setenv(
        "OTEL_EXPORTER_OTLP_TIMEOUT", "1"
    )  # seconds that it tries one that it does not believe
    collector = server(b"")
    for believed in (other, authority):
        export = Export(f"{collector.address}/v1/traces", "gateway", believed.certificate)
        export.begin("n", None, SpanKind.SERVER, 1, {}).end()
        export.close()
    assert collector.heard == ["POST /v1/traces"]


def test_the_doctor_asks_each_as_its_component_would(
    server: Callable[[bytes], Heard],
    authority: Authority,
    other: Authority,
    configured: Callable[[str], Config],
) -> None:
    """Witness and collector with their own CA: no finding; with another's: they do not answer."""
    there = server(b"")

    def found(believed: Path) -> set[str]:
        text = (
            f'[telemetry]\notlp_endpoint = "{there.address}/v1/traces"\nca_file = "{believed}"\n'
            f'[[notary.witnesses]]\nurl = "{there.address}"\nkey = "{StrictWitness("w").key}"\nca_file = "{believed}"\n'
        )
        report = look(Asked(configured(text), {"gateway", "notary"}), quiet=True)
        return {each.code for _, each in report.findings if each.code.endswith("unreachable")}

    assert found(authority.certificate) == set()
    assert found(other.certificate) == {"collector-unreachable", "witness-unreachable"}
