"""The tables of affiant.toml that this room reads, and the one place where it reads the environment."""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from audit.config import Config, Section, validate
from audit.errors import ConfigError

UNAUDITED: Final = "AFFIANT_BENCH_UNAUDITED"
CLIENT_CERTIFICATE: Final = ssl.CERT_OPTIONAL
"""With [gateway] client_ca. Optional on the wire, because a kubelet's probe and a scrape have none to show; whoever
asks for more than that is refused without one (auth.py)."""

ServiceName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,126}[A-Za-z0-9])?$")]
DigestText = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]


class GatewaySettings(Section):
    """[gateway]: where it listens, whom it answers, and how much it takes."""

    host: str = "127.0.0.1"
    """The IP address to listen on. Anything but a loopback address needs keys_file."""
    port: int = Field(default=3000, ge=1, le=65535)
    """The TCP port."""
    workers: int = Field(default=1, ge=1, le=64)
    """Processes. Each has a journal of its own (journals/<worker>)."""
    keys_file: Path | None = None
    """API keys, hashed, one JSON file; `affiant gateway keys add NAME` writes it. Without it, no key is asked
    for and only loopback connections are answered."""
    subject_keys_file: Path | None = None
    """Keys of the pseudonyms of those whom requests are about (`Affiant-Subject`), one JSON file of mode 0600;
    `affiant subjects new-key` makes it. A running gateway follows within a second. Without it, a request that names a
    subject is refused."""
    tls_certificate: Path | None = None
    """PEM file with the server's certificate chain."""
    tls_key: Path | None = None
    """PEM file with the certificate's private key."""
    client_ca: Path | None = None
    """PEM file with the CA of clients' certificates (mutual TLS). Who shows none is answered 401, except by probes and
    scrapes; a certificate of another CA does not connect. An API key is asked for all the same."""
    max_body_bytes: int = Field(default=4 << 20, ge=1024, le=1 << 30)
    """A longer request body is refused with 413. Counts the inflated body of a compressed request, too."""
    max_rows: int = Field(default=4096, ge=1, le=1 << 20)
    """Rows in one request."""
    max_batch_rows: int = Field(default=512, ge=1, le=1 << 16)
    """Rows of concurrent requests that are predicted together. A request with more rows is a batch alone."""
    thread_rows: int = Field(default=1024, ge=1, le=1 << 20)
    """A batch with at least this many rows is predicted on a thread, so that other requests go on."""
    max_queue: int = Field(default=1024, ge=1, le=1 << 16)
    """Requests in work at once; more are answered 429."""
    receive_seconds: float = Field(default=30.0, ge=1, le=3600)
    """How long a connection may take to its first request, and a request from its first byte to its last, with as much
    again for each MiB that has come; then the connection is closed."""
    max_connections: int = Field(default=8192, ge=16, le=1 << 20)
    """Connections of a process at once, and never more than three quarters of its descriptors. Beyond that the one that
    has waited longest for its client goes; where none waits, the new one is answered 503."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Where models run."""
    threads: int = Field(default=1, ge=1, le=256)
    """Threads of one prediction. Another number changes bits of some models."""
    unauthenticated_per_second: float = Field(default=10.0, ge=0)
    """Requests refused before a model was found for them (no key, not parseable, no such model, too large)
    that are recorded, by hash and length, each second; the others are only counted."""
    shadow_queue: int = Field(default=256, ge=0, le=1 << 16)
    """Requests waiting for a shadow model; more are not shown to it, and are counted."""
    receipts_url: str | None = Field(default=None, pattern=r"^http://[A-Za-z0-9.\[\]:-]+/?$")
    """Where the sidecar gives the receipts that clients ask for; its metrics address when not set."""
    grace_seconds: float = Field(default=60.0, gt=0)
    """How long a stop waits for requests in work, before it closes the journal without them."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        try:
            address = ip_address(self.host)
        except ValueError:
            raise ValueError(f"host {self.host!r} is not an IP address") from None
        if not address.is_loopback and self.keys_file is None:
            raise ValueError(f"host {self.host} is not a loopback address: that needs keys_file")
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key go together")
        if self.client_ca is not None and self.tls_certificate is None:
            raise ValueError("client_ca needs tls_certificate and tls_key")
        return self


class PlanSettings(Section):
    """[[plan]]: which packages answer for which service. A running gateway follows changes.

    A service has exactly one live package, and may have canaries and shadows.
    """

    service: ServiceName
    """The name in the request's path."""
    digest: DigestText
    """The package: sha256:…"""
    slot: Literal["live", "canary", "shadow"] = "live"
    """live and canary answer, in proportion to their weights; a shadow is shown the requests, and its answers
    are recorded, never returned."""
    weight: float = Field(default=100.0, gt=0, le=1_000_000)
    """live, canary: its part of the sum of the weights. shadow: percent of the requests that it is shown."""


class TelemetrySettings(Section):
    """[telemetry]: what processes say of themselves: OpenTelemetry spans of sampled requests, and logs."""

    otlp_endpoint: str | None = Field(default=None, pattern=r"^https?://[^\s]+$")
    """Where spans go: an OTLP/HTTP traces address, such as http://127.0.0.1:4318/v1/traces. A request is sampled
    when its caller's traceparent says so."""
    ca_file: Path | None = None
    """Certificates that sign the collector's, in the place of the system's; for an https:// address."""
    sample_ratio: float = Field(default=0.0, ge=0, le=1)
    """The part of the requests without a traceparent that begin a trace of their own."""
    logs: Literal["text", "json"] = "text"
    """json: each event is an object on one line, with its fields."""


def read_plan(config: Config) -> tuple[PlanSettings, ...]:
    """The [[plan]] entries, checked against each other.

    Raises:
        ConfigError: an entry is wrong; a service without exactly one live package; a digest twice in one.
    """
    content = config.tables.get("plan", [])
    if not isinstance(content, list) or not all(isinstance(part, Mapping) for part in content):
        raise ConfigError(f"{config.path.name}: plan is written [[plan]], once for each")
    parts = tuple(
        validate(config.path.name, f"plan.{number}", part, PlanSettings)
        for number, part in enumerate(content, start=1)
    )
    for service in {part.service for part in parts}:
        own = [part for part in parts if part.service == service]
        if sum(part.slot == "live" for part in own) != 1:
            raise ConfigError(f"{config.path.name}: [[plan]] {service!r} needs exactly one live package")
        if len({part.digest for part in own}) != len(own):
            raise ConfigError(f"{config.path.name}: [[plan]] {service!r} names a digest twice")
        if any(part.slot == "shadow" and part.weight > 100 for part in own):
            raise ConfigError(f"{config.path.name}: [[plan]] {service!r}: a shadow's weight is a percentage")
    return parts


def bench_unaudited() -> bool:
    """Whether the benchmark's switch is on that leaves the journal out. Never in production."""
    return os.environ.get(UNAUDITED) == "1"


def bentoml_settings(config: Config, settings: GatewaySettings) -> dict[str, Any]:
    """What BentoML is told, so that `bentoml serve service.app:svc` alone does what affiant.toml says."""
    told: dict[str, Any] = {
        "workers": settings.workers,
        # Our paths have no time-out of BentoML's; this is for its own.
        "traffic": {"timeout": 3600},
        "http": {"host": settings.host, "port": settings.port},
        "metrics": {"enabled": False},
        "logging": {"access": {"enabled": False}},
    }
    if settings.tls_certificate is not None and settings.tls_key is not None:
        told["ssl"] = {
            "enabled": True,
            "certfile": str(config.resolve(settings.tls_certificate)),
            "keyfile": str(config.resolve(settings.tls_key)),
        }
        if settings.client_ca is not None:
            told["ssl"] |= {
                "ca_certs": str(config.resolve(settings.client_ca)),
                "cert_reqs": int(CLIENT_CERTIFICATE),
            }
    return told
