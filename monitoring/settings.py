"""The tables of affiant.toml that this room reads."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from audit.config import Section

Url = Annotated[str, Field(pattern=r"^https?://[^\s]+$")]


class MonitorSettings(Section):
    """[monitor]: reads the log, counts what packages are asked and answer, and judges it by the policy."""

    group: str = Field("affiant-monitor", min_length=1, max_length=200)
    """kafka: the consumer group; monitors of one group share the partitions."""
    state_topic: str = Field("affiant-panes", pattern=r"^[A-Za-z0-9._-]+$", max_length=249)
    """kafka: the compacted topic of panes and positions. A local log's monitor keeps a file in the data directory."""
    pane_records: int = Field(256, ge=16, le=1 << 20)
    """Offsets of a pane: what is counted, kept and judged together. Another number makes other panes: state that was
    kept is counted again."""
    metrics_host: str = "127.0.0.1"
    """Where /metrics, /readyz, /figures and /evidence are served."""
    metrics_port: int = Field(9466, ge=0, le=65_535)
    """0 takes a free one and says which."""
    advertise: Annotated[str, Field(pattern=r"^https?://[A-Za-z0-9.:\[\]_-]+$")] | None = None
    """kafka: where the other monitors of the group reach this one's pages: any of them answers with what the one that
    leads says. Not set: metrics_host; where that is a wildcard, the address from which the brokers see this one."""
    policy: Path | None = None
    """A policy.yaml whose limits hold where no [governance] root is set; it may be changed while the monitor runs. With
    one, the policy in force is that of the governance log."""
    evaluate: bool = True
    """Whether the monitor also evaluates the alerts itself, logs them, and tells the controller and people; switch it
    off where Prometheus and Alertmanager do."""
    webhook: Url | None = None
    """Where the alerts go that the policy lets a controller act on, and no others, as Alertmanager's JSON; the
    controller of this machine when not set."""
    people_webhook_file: Path | None = None
    """A file with the address at which people are told of every alert and of its end. The address is a secret, and so
    does not stand here. Not set: what fires is in this process's log and in `affiant alerts firing`."""
    people_webhook_shape: Literal["slack", "alertmanager"] = "slack"
    """slack: for incoming webhooks of Slack, and of what takes the same. alertmanager: its JSON, for an on-call
    service."""
    watched: tuple[Literal["gateway", "sidecar", "notary", "controller"], ...] = (
        "gateway",
        "sidecar",
        "notary",
        "controller",
    )
    """The processes of this machine whose /metrics the alerts read, and which are told of when they do not answer; the
    controller where its key is."""
    completeness_file: Path | None = None
    """The file that `affiant audit completeness --textfile` writes on this machine, for the alerts of what it finds.
    Not set: nobody but who runs it is told."""
    labels_seconds: float = Field(2_592_000.0, gt=0)
    """Predictions wait so long for their labels; of later ones only the count is told."""


class ControllerSettings(Section):
    """[controller]: hears of alerts, computes them again, and rolls back what the policy lets it."""

    host: str = "127.0.0.1"
    """Where the webhook listens; anything but a loopback address needs TLS with client certificates, or a token."""
    port: int = Field(9467, ge=0, le=65_535)
    """0 takes a free one and says which."""
    token_file: Path = Path("controller.token")
    """The webhook's bearer token, mode 0600; `affiant controller token` makes it. Another one that is put there is
    taken at once; the one before is good for five minutes more, from the change on."""
    tls_certificate: Path | None = None
    """PEM file with the server's certificate chain."""
    tls_key: Path | None = None
    """PEM file with its private key."""
    client_ca: Path | None = None
    """PEM file: clients must show a certificate of it."""
    key_file: Path = Path("controller.key")
    """Private key of a person of the root's role `controller`, mode 0600: it signs rollbacks, and nothing else."""
    monitor_url: Url | None = None
    """Where evidence is asked for, of a group of monitors any; the monitor of this machine when not set."""
    retrain_webhook: Url | None = None
    """Told, as JSON, when the policy asks for retraining."""
