"""The tables of affiant.toml that this room reads."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Self
from urllib.parse import unquote, urlsplit, urlunsplit

from pydantic import Field, model_validator

from audit.config import Section
from audit.errors import ConfigError


class StoreSettings(Section):
    """[store]: where model packages are."""

    backend: Literal["layout", "oci", "mlflow"] = "layout"
    """layout: a directory. oci: any OCI registry. mlflow: the model registry of an MLflow 3 server."""
    directory: Path | None = None
    """layout: the directory; `store` in the data directory when it is not said."""
    reference: str | None = None
    """oci: registry and repository, such as registry.example.com/models/credit. Credentials come from the
    Docker configuration file (DOCKER_CONFIG), or from AFFIANT_STORE_USERNAME and AFFIANT_STORE_PASSWORD."""
    plain_http: bool = False
    """oci: speak HTTP without TLS to a registry that is not on the loopback. Bytes are checked against their
    digest all the same; credentials would go in the clear."""
    ca_file: Path | None = None
    """oci, mlflow: certificates that sign the server's, in the place of the system's. With it TLS is spoken to a
    registry on the loopback, too."""
    tracking_uri: str | None = None
    """mlflow: the server's address, without credentials; MLFLOW_TRACKING_URI when it is not said. Credentials come from
    MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or from MLFLOW_TRACKING_TOKEN."""
    prefix: str = Field(default="", pattern=r"^[A-Za-z0-9 .-]{0,100}$")
    """mlflow: what the names of this store's registered models begin with; other models are not looked at."""
    timeout_seconds: float = Field(default=30.0, gt=0)
    """oci, mlflow: how long one request may wait for the server."""
    pull_seconds: float = Field(default=600.0, gt=0)
    """oci: in which a package must be here whole, however its bytes come."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.backend == "oci" and not self.reference:
            raise ValueError('backend = "oci" needs reference = "registry/repository"')
        if self.backend != "oci" and self.reference:
            raise ValueError('reference goes with backend = "oci"')
        if self.backend != "mlflow" and (self.tracking_uri or self.prefix):
            raise ValueError('tracking_uri and prefix go with backend = "mlflow"')
        if self.ca_file is not None and (self.backend == "layout" or self.plain_http):
            raise ValueError('ca_file goes with backend = "oci" or "mlflow", and not with plain_http')
        return self


class GovernanceSettings(Section):
    """[governance]: who must have signed before a package answers. Without root, nobody."""

    root: Path | None = None
    """The first root file: whose signatures are believed. A gateway that has begun
    with one takes no other, and no longer starts without."""
    checkpoint: bool = False
    """Whether the gateway also holds the governance log to the notary's newest checkpoint: a log whose newest entries
    are held back from it is refused. A gateway that has begun with it does not go on without."""
    webhook_url_file: Path | None = None
    """A file with the address that is told when signatures are awaited (Slack's incoming webhooks, and what takes the
    same). The address is a secret, and so does not stand here."""
    webhook_url_variable: str | None = Field(default=None, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    """The same in an environment variable of this name."""

    @model_validator(mode="after")
    def _one_webhook(self) -> Self:
        if self.webhook_url_file is not None and self.webhook_url_variable is not None:
            raise ValueError("webhook_url_file and webhook_url_variable name the same thing: set one of them")
        return self


@dataclass(frozen=True, slots=True)
class Credentials:
    """A user name and password for an OCI registry."""

    username: str
    password: str = field(repr=False)


def store_credentials(environment: Mapping[str, str] = os.environ) -> Credentials | None:
    """AFFIANT_STORE_USERNAME and AFFIANT_STORE_PASSWORD, when both are there."""
    username = environment.get("AFFIANT_STORE_USERNAME")
    password = environment.get("AFFIANT_STORE_PASSWORD")
    return Credentials(username, password) if username and password else None


def docker_config(environment: Mapping[str, str] = os.environ) -> Path:
    """Docker's configuration file: config.json in DOCKER_CONFIG, else in ~/.docker."""
    directory = environment.get("DOCKER_CONFIG")
    return (Path(directory) if directory else Path.home() / ".docker") / "config.json"


@dataclass(frozen=True, slots=True)
class MlflowAccess:
    """An MLflow server, and how to be let in; what is secret is in no `repr`."""

    uri: str
    """http:// or https://, without credentials, without a slash at its end."""
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    verify: bool | str = True
    """Whether the server's certificate is checked; a path: against the authorities of that file."""
    certificate: str | None = None
    """A file with the client's certificate and key."""


def mlflow_access(
    uri: str | None = None, environment: Mapping[str, str] = os.environ, authorities: Path | None = None
) -> MlflowAccess:
    """By MLflow's own environment variables; `uri`, when given, in place of MLFLOW_TRACKING_URI, and `authorities`, a
    file of certificates that are believed, in place of MLFLOW_TRACKING_SERVER_CERT_PATH.

    A user name and a password come before a token, as in MLflow's client.

    Raises:
        ConfigError: no address, one that is no server's, or a way of authenticating that is not to be had here.
    """
    where = (uri or environment.get("MLFLOW_TRACKING_URI") or "").strip().rstrip("/")
    if not where:
        raise ConfigError("MLFLOW_TRACKING_URI is not set: which MLflow server?")
    for name in ("MLFLOW_TRACKING_AUTH", "MLFLOW_TRACKING_AWS_SIGV4"):
        if environment.get(name, "").lower() not in ("", "0", "false"):
            raise ConfigError(f"{name} is set: only a user name and password, or a token, are known here")
    parts = urlsplit(where)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ConfigError(
            "MLFLOW_TRACKING_URI (or tracking_uri) is no server's address: http:// or https:// is wanted; "
            "files and databases are read by an MLflow server"
        )
    username, password = (
        environment.get("MLFLOW_TRACKING_USERNAME"),
        environment.get("MLFLOW_TRACKING_PASSWORD"),
    )
    if "@" in parts.netloc:  # kept out of every message and of the lineage
        username, password = unquote(parts.username or ""), unquote(parts.password or "")
        where = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    insecure = environment.get("MLFLOW_TRACKING_INSECURE_TLS", "").lower() in ("1", "true")
    verify: bool | str = not insecure and (environment.get("MLFLOW_TRACKING_SERVER_CERT_PATH") or True)
    if authorities is not None:  # our own setting: nothing of the environment makes it weaker
        verify = str(authorities)
    return MlflowAccess(
        where,
        username or None,
        password or None,
        environment.get("MLFLOW_TRACKING_TOKEN") or None,
        verify,
        environment.get("MLFLOW_TRACKING_CLIENT_CERT_PATH") or None,
    )
