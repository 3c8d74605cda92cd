"""Which MLflow server, and how to be let in: MLflow's own environment variables."""

from __future__ import annotations

from pathlib import Path

import pytest

from audit.config import load
from audit.errors import ConfigError
from registry.errors import StoreUnavailable
from registry.settings import mlflow_access
from registry.stores import configured_store
from registry.stores.mlflow import MlflowStore, _plain, _proxied

SECRET = "hunter2"


def test_the_servers_credentials_are_mlflows_own_variables() -> None:
    """And in no text that anybody could log."""
    access = mlflow_access(
        environment={
            "MLFLOW_TRACKING_URI": "https://mlflow.example.com/team/",
            "MLFLOW_TRACKING_USERNAME": "ann",
            "MLFLOW_TRACKING_PASSWORD": SECRET,
            "MLFLOW_TRACKING_TOKEN": SECRET,
            "MLFLOW_TRACKING_SERVER_CERT_PATH": "/ca.pem",
        }
    )
    assert access.uri == "https://mlflow.example.com/team"
    assert (access.username, access.password, access.token, access.verify) == (
        "ann",
        SECRET,
        SECRET,
        "/ca.pem",
    )
    assert SECRET not in repr(access)


def test_credentials_in_the_address_are_taken_out_of_it() -> None:
    """The address goes into messages and into the lineage."""
    access = mlflow_access("https://ann:hunter%32@mlflow.example.com:8443/x", {})
    assert access.uri == "https://mlflow.example.com:8443/x"
    assert (access.username, access.password) == ("ann", SECRET)
    assert SECRET not in repr(access)


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        ({}, "is not set"),
        ({"MLFLOW_TRACKING_URI": "sqlite:///mlflow.db"}, "no server's address"),
        ({"MLFLOW_TRACKING_URI": "./mlruns"}, "no server's address"),
        ({"MLFLOW_TRACKING_URI": "databricks"}, "no server's address"),
        ({"MLFLOW_TRACKING_URI": "https://"}, "no server's address"),
        (
            {"MLFLOW_TRACKING_URI": "https://h", "MLFLOW_TRACKING_AUTH": "plugin"},
            "MLFLOW_TRACKING_AUTH is set",
        ),
        ({"MLFLOW_TRACKING_URI": "https://h", "MLFLOW_TRACKING_AWS_SIGV4": "true"}, "AWS_SIGV4 is set"),
    ],
)
def test_what_cannot_be_asked_is_said(environment: dict[str, str], says: str) -> None:
    """Nothing is tried without the credentials that somebody meant to be used."""
    with pytest.raises(ConfigError, match=says):
        mlflow_access(environment=environment)


def test_tls_is_checked_unless_one_says_not() -> None:
    """As MLflow's client does."""
    assert mlflow_access("https://h", {}).verify is True
    assert mlflow_access("https://h", {"MLFLOW_TRACKING_INSECURE_TLS": "true"}).verify is False


def test_the_store_is_chosen_by_the_settings(tmp_path: Path) -> None:
    """Address and prefix; no request is made."""
    path = tmp_path / "affiant.toml"
    path.write_text('[store]\nbackend = "mlflow"\ntracking_uri = "http://h:5000"\nprefix = "risk "\n')
    store = configured_store(load(path))
    assert isinstance(store, MlflowStore)
    assert store._versions.prefix == "risk "
    path.write_text('[store]\nbackend = "mlflow"\nprefix = "100%"\n')
    with pytest.raises(ConfigError, match="prefix"):
        configured_store(load(path))
    path.write_text('[store]\ntracking_uri = "http://h:5000"\n')
    with pytest.raises(ConfigError, match="go with backend"):
        configured_store(load(path))


def test_a_packages_name_becomes_one_that_mlflow_takes() -> None:
    """No slash and colon, and nothing that means something in a query."""
    assert _plain("credit/eu: 'v1' 100%") == "credit-eu- -v1- 100-"
    assert _plain(" \n ") == "-"


def test_artifacts_are_written_through_the_server_alone() -> None:
    """Another place would want credentials of its own."""
    assert _proxied("mlflow-artifacts:/3/models/m-1/artifacts", "s") == "3/models/m-1/artifacts"
    assert _proxied("mlflow-artifacts://host:5000/3/models", "s") == "3/models"
    for address in ("s3://bucket/3", "file:///tmp/3", "/tmp/3", "mlflow-artifacts:/"):
        with pytest.raises(StoreUnavailable, match="--serve-artifacts"):
            _proxied(address, "s")
