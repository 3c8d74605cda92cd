"""The tables of affiant.toml that this room reads."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from audit.config import Section


class StoreSettings(Section):
    """[store]: where model packages are."""

    backend: Literal["layout", "oci"] = "layout"
    """layout: a directory. oci: any OCI registry."""
    directory: Path | None = None
    """layout: the directory; `store` in the data directory when it is not said."""
    reference: str | None = None
    """oci: registry and repository, such as registry.example.com/models/credit. Credentials come from the
    Docker configuration file (DOCKER_CONFIG), or from AFFIANT_STORE_USERNAME and AFFIANT_STORE_PASSWORD."""
    plain_http: bool = False
    """oci: speak HTTP without TLS to a registry that is not on the loopback. Bytes are checked against their
    digest all the same; credentials would go in the clear."""
    timeout_seconds: float = Field(default=30.0, gt=0)
    """oci: how long one request may wait for the registry."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.backend == "oci" and not self.reference:
            raise ValueError('backend = "oci" needs reference = "registry/repository"')
        if self.backend == "layout" and self.reference:
            raise ValueError('reference goes with backend = "oci"')
        return self


class GovernanceSettings(Section):
    """[governance]: who must have signed before a package answers. Without root, nobody."""

    root: Path | None = None
    """The first root file: whose signatures are believed. A gateway that has begun
    with one takes no other, and no longer starts without."""
    checkpoint: bool = False
    """Whether the gateway also holds the governance log to the notary's newest checkpoint: a log whose newest entries
    are held back from it is refused."""
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
