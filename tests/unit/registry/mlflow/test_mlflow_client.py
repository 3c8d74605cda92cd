"""The client against servers that do what a good MLflow server never does: a real socket, wrong answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from registry.errors import DigestMismatch, NotFound, PublishError, StoreDamaged, StoreUnavailable
from registry.mlflow.client import Client, Refused
from registry.mlflow.files import Files
from registry.mlflow.where import find, model_id
from registry.settings import mlflow_access
from tests.components.mlflow.wrong import Answer, WrongServer

SECRET = "hunter2"


@pytest.fixture
def serve() -> Iterator[Callable[..., tuple[WrongServer, Client]]]:
    """Makes a server that answers so, and a client of it."""
    with ExitStack() as stack:

        def make(*answers: Answer | object, **environment: str) -> tuple[WrongServer, Client]:
            told = [
                each if isinstance(each, tuple) else (200, {}, json.dumps(each).encode()) for each in answers
            ]
            server = stack.enter_context(WrongServer(told).running())  # type: ignore[arg-type]
            client = Client(mlflow_access(server.address, environment), timeout=10)
            stack.callback(client.close)
            return server, client

        yield make


Serve = Callable[..., tuple[WrongServer, Client]]


@pytest.mark.parametrize(
    ("environment", "sent"),
    [
        ({"MLFLOW_TRACKING_TOKEN": SECRET}, f"Bearer {SECRET}"),
        (
            {
                "MLFLOW_TRACKING_USERNAME": "u",
                "MLFLOW_TRACKING_PASSWORD": "p",
                "MLFLOW_TRACKING_TOKEN": SECRET,
            },
            "Basic dTpw",
        ),
        ({}, None),
    ],
)
def test_credentials_go_where_they_should(
    serve: Serve, environment: dict[str, str], sent: str | None
) -> None:
    """A user name and password before a token, as MLflow's own client does."""
    server, client = serve({}, **environment)
    client.get("runs/get", run_id="a b&c")
    ((path, headers),) = server.heard
    assert path == "/api/2.0/mlflow/runs/get?run_id=a+b%26c"
    assert headers.get("Authorization") == sent


def test_a_redirection_is_not_followed(serve: Serve) -> None:
    """It would take the token to whoever it names."""
    other, _ = serve({})
    _, client = serve((302, {"Location": other.address}, b""), MLFLOW_TRACKING_TOKEN=SECRET)
    with pytest.raises(StoreUnavailable, match="redirects, which is not followed") as caught:
        client.get("runs/get")
    assert other.heard == []
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("answer", "kind", "says"),
    [
        ((401, {}, b"<html>"), Refused, "MLFLOW_TRACKING_TOKEN"),
        ((403, {}, b'{"error_code": "PERMISSION_DENIED", "message": "no"}'), Refused, "PERMISSION|no"),
        ((404, {}, b'{"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "gone"}'), NotFound, "gone"),
        ((500, {}, b""), Refused, "answered 500"),
        ((200, {}, b"<html>a proxy</html>"), StoreDamaged, "is this an MLflow server"),
        ((200, {}, b"[]"), StoreDamaged, "no object"),
        ((200, {}, b'{"a": 1, "a": 2}'), StoreDamaged, "twice"),
        ((200, {"Content-Length": "100"}, b"{"), StoreUnavailable, "broke off"),
        ((400, {}, b'{"error_code": "X", "message": "\\u001b[2Jgone\\u001b[0m"}'), Refused, "\ufffd"),
    ],
)
def test_wrong_answers_are_errors_of_ours(
    serve: Serve, answer: Answer, kind: type[Exception], says: str
) -> None:
    """With what to do; nothing in them steers a terminal."""
    _, client = serve(answer, MLFLOW_TRACKING_TOKEN=SECRET)
    with pytest.raises(kind, match=says) as caught:
        client.get("runs/get")
    assert "\x1b" not in str(caught.value)
    assert SECRET not in str(caught.value)


def test_an_artifact_longer_than_it_may_be_is_not_read_on(serve: Serve) -> None:
    """Whatever the listing said."""
    _, client = serve((200, {}, b"x" * 5000))
    files = Files(client, "run", "r1")
    assert len(files.read("a", 5000)) == 5000
    with pytest.raises(DigestMismatch, match="longer than the 4999"):
        files.read("a", 4999)
    with pytest.raises(DigestMismatch):
        files.digest("a", 4999)


def test_pages_end(serve: Serve) -> None:
    """Each page is asked for by the token of the one before; a token that comes again ends it."""
    server, client = serve(
        {"files": [{"path": "a"}], "next_page_token": "t"}, {"files": [{"path": "b"}], "next_page_token": "t"}
    )
    assert [each.path for each in Files(client, "run", "r1").listing()] == ["a", "b"]
    assert [path.rpartition("?")[2] for path, _ in server.heard] == ["run_id=r1", "page_token=t&run_id=r1"]


@pytest.mark.parametrize("path", ["../x", "a/../../x", "other/x", 7, None])
def test_a_listing_that_leads_out_is_refused(serve: Serve, path: Any) -> None:
    """A name goes into requests and into the lineage."""
    _, client = serve({"files": [{"path": path, "is_dir": False}]})
    with pytest.raises(StoreDamaged, match="outside of it"):
        Files(client, "run", "r1", "model").listing()


def test_directories_without_end_are_refused(serve: Serve) -> None:
    """A server that answers every path with a directory; and of very many files, the first are told."""
    _, client = serve({"files": [{"path": "d", "is_dir": True}]})
    with pytest.raises(PublishError, match="directories deep"):
        Files(client, "run", "r1").walk()
    _, client = serve({"files": [{"path": f"f{number}"} for number in range(1001)]})
    found, complete = Files(client, "run", "r1").walk()
    assert (len(found), complete) == (1000, False)


@pytest.mark.parametrize(
    "source",
    ["s3://bucket/model", "file:///etc", "mlflow-artifacts:/1/r2/artifacts/model", "", None, "runs:/"],
)
def test_a_version_whose_source_is_elsewhere_is_refused(serve: Serve, source: Any) -> None:
    """What the server cannot hand out is not guessed at."""
    version = {"model_version": {"name": "credit", "version": "1", "source": source, "run_id": "r1"}}
    run = {"run": {"info": {"run_id": "r1", "artifact_uri": "mlflow-artifacts:/1/r1/artifacts"}}}
    _, client = serve(version, run)
    with pytest.raises(PublishError, match="cannot be read through the server"):
        find(client, "models:/credit/1")


def test_a_version_of_mlflow_2_is_below_its_runs_artifacts(serve: Serve) -> None:
    """Where MLflow 2 wrote models."""
    source = "mlflow-artifacts:/1/r1/artifacts/model"
    version = {"model_version": {"name": "credit", "version": "1", "source": source, "run_id": "r1"}}
    run = {"run": {"info": {"run_id": "r1", "artifact_uri": "mlflow-artifacts:/1/r1/artifacts"}}}
    _, client = serve(version, run)
    found = find(client, "models:/credit/1")
    assert (found.files.kind, found.files.of, found.files.root, found.run) == ("run", "r1", "model", "r1")


@pytest.mark.parametrize("source", ["models:/m-../../x", "models:/m-", "models:/credit/1", 7])
def test_a_logged_models_id_is_one(source: object) -> None:
    """It becomes part of a path."""
    assert model_id(source) is None
    assert model_id("models:/m-0af3") == "m-0af3"
