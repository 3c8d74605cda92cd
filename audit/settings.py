"""The tables of affiant.toml that the audit room reads; [journal] stands with the journal."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final, Literal, Self

from pydantic import Field, field_validator, model_validator

from .config import Section
from .hosts import is_loopback
from .journal.settings import JournalSettings

__all__ = [
    "FluentdSettings",
    "JournalSettings",
    "LogSettings",
    "NotarySettings",
    "SidecarSettings",
    "WitnessSettings",
]

UNIX: Final = "unix://"
_HOST_PORT: Final = re.compile(r"([A-Za-z0-9._-]{1,253}):([0-9]{1,5})")


class LogSettings(Section):
    """[log]: where the record is kept."""

    backend: Literal["local", "kafka"] = "local"
    """`local` is a directory on this machine; `kafka` is for production."""
    topic: str = Field("affiant-entries", pattern=r"^[A-Za-z0-9._-]{1,194}$")
    """The topic's name; `affiant topics create` makes it with the right settings."""
    governance_topic: str = Field("affiant-governance", pattern=r"^[A-Za-z0-9._-]{1,194}$")
    """The governance log: alarms, approvals, deployments. Same backend, one partition; with a local log,
    a directory `…-governance` beside it."""
    partitions: int = Field(1, ge=1, le=10_000)
    """Partitions of a new topic. A journal stays in the partition that was chosen for it."""
    directory: Path | None = None
    """local: where the log is kept; `log` in the data directory when not set."""
    bootstrap: str | None = None
    """kafka: brokers to ask first, as host:port, separated by commas."""
    replication: int = Field(3, ge=1, le=32)
    """kafka: replicas of a new topic; with fewer than three, the loss of a broker stops shipping. Never lowered: with
    fewer live brokers no topic is made. 1 is for a cluster of one broker, whose disk is then the only copy."""
    archived: bool = False
    """kafka: whether an archive keeps what the topic's retention drops; without one, finite retention is
    refused."""
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    """kafka: how brokers are spoken to."""
    ca_file: Path | None = None
    """kafka: certificates that sign the brokers'; the system's when not set."""
    certificate_file: Path | None = None
    """kafka: our certificate, for mutual TLS."""
    key_file: Path | None = None
    """kafka: its private key."""
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    """kafka: how we log in."""
    sasl_username: str | None = None
    """kafka: who we are."""
    sasl_password_file: Path | None = None
    """kafka: a file with the password alone; a password never stands in the settings or on a command line."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.backend == "kafka" and not self.bootstrap:
            raise ValueError('backend = "kafka" needs bootstrap = "host:port"')
        if self.security_protocol.startswith("SASL") and not (self.sasl_username and self.sasl_password_file):
            raise ValueError("SASL needs sasl_username and sasl_password_file")
        return self


class SidecarSettings(Section):
    """[sidecar]: ships the journals to the log."""

    metrics_host: str = "127.0.0.1"
    """Where /metrics and /readyz are served."""
    metrics_port: int = Field(9464, ge=0, le=65_535)
    """0 takes a free one and says which."""
    in_flight_bytes: int = Field(8 << 20, ge=64 << 10)
    """Bytes of records that were sent and not yet acknowledged, a journal, at most."""
    delivery_timeout_seconds: float = Field(30.0, gt=0)
    """A producer that delivers nothing for so long is closed and replaced."""
    retry_seconds: float = Field(1.0, gt=0)
    """Pause before another try when the log does not answer; it grows up to thirty times this."""
    drain_seconds: float = Field(30.0, ge=0)
    """When told to end: how long to go on shipping what the journals hold."""
    scan_seconds: float = Field(1.0, gt=0)
    """How often to look for new journals."""
    receipts: int = Field(1_000_000, ge=0, le=1_000_000_000)
    """Newest records of each journal whose place in the log is kept, at 8 bytes, so that clients get their receipts
    here. Of older ones `affiant audit prove` gives it."""
    object_store: str | None = None
    """URL of the store for payloads that are too large for the log (`file:///…`, `s3://…`); `objects` in the
    data directory when not set."""


class FluentdSettings(Section):
    """[fluentd]: a copy of the record for Fluentd or Fluent Bit, made by the sidecar. Off until `address` is set."""

    address: str | None = None
    """Where it listens for the Forward protocol: `host:port`, or `unix:///path` of a socket. It must acknowledge, as
    Fluentd's and Fluent Bit's `forward` inputs do."""
    tag: str = Field("affiant", pattern=r"^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$", max_length=128)
    """What tags begin with: an entry of the service `credit` has the tag `affiant.credit`, one of no service
    `affiant`."""
    payloads: bool = False
    """Whether requests and answers go along. They are personal data, and an erasure does not reach the copy."""
    payload_bytes: int = Field(64 << 10, ge=1, le=16 << 20)
    """Larger payloads stay out of the copy; their entries say how large they are."""
    plain_network: bool = False
    """Say that payloads may cross the network to `address` in the clear: the Forward protocol is spoken here without
    TLS. Without it payloads go to this machine's loopback or to a socket only."""
    resend_records: int = Field(1000, ge=0, le=1_000_000)
    """After each interruption so many records are sent once more, for a receiver that acknowledges what it does not
    keep yet. Readers count a record id once."""
    timeout_seconds: float = Field(10.0, gt=0, le=300)
    """A receiver that does not connect, take or acknowledge for so long is left, and tried again."""
    retry_seconds: float = Field(1.0, gt=0, le=300)
    """Pause before another try; it grows up to thirty times this."""
    drain_seconds: float = Field(5.0, ge=0, le=300)
    """When told to end: how long to go on copying what is left. The rest is copied by the next run."""

    @field_validator("address")
    @classmethod
    def _reachable(cls, address: str | None) -> str | None:
        if address is None or (address.startswith(f"{UNIX}/") and len(address) <= len(UNIX) + 107):
            return address
        found = _HOST_PORT.fullmatch(address)
        if found is None or not 0 < int(found[2]) <= 65_535:
            raise ValueError("want host:port, with a name or an IPv4 address, or unix:///path")
        return address

    @model_validator(mode="after")
    def _payloads_stay_here(self) -> Self:
        address = self.address
        if (
            self.payloads
            and not self.plain_network
            and address is not None
            and not address.startswith(UNIX)
            and not is_loopback(address.rpartition(":")[0])
        ):
            raise ValueError(
                f"payloads = true would send personal data to {address} in the clear: use a forwarder on this "
                "machine, which speaks TLS onwards, or say plain_network = true"
            )
        return self


class WitnessSettings(Section):
    """[[notary.witnesses]]: who vouches that the log was never forked or rolled back (C2SP tlog-witness)."""

    url: str = Field(pattern=r"^https?://")
    """Submission prefix: checkpoints are sent to URL/add-checkpoint."""
    key: str
    """The witness's vkey, `name+id+key`, of signature type 0x04."""
    ca_file: Path | None = None
    """Certificates that sign the witness's, in the place of the system's; for an https:// address."""


class NotarySettings(Section):
    """[notary]: seals the log in Merkle trees, and keeps the archive."""

    name: str = Field("affiant.local", pattern=r"^[A-Za-z0-9.-]+(/[A-Za-z0-9._-]+)*$", max_length=128)
    """Whose log it is: the first part of each tree's origin, by which the world tells logs apart. A host name
    that you own, for what others shall verify."""
    store: str | None = None
    """Where trees and archive are kept: a directory, or a URL such as `s3://bucket/prefix`; `sealed` in the data
    directory when not set."""
    payload_store: str | None = None
    """Where the archive's payload files are kept, when elsewhere than in `store`: with Object Lock on that bucket,
    payloads in the clear need one without, so that they can be erased while entries and proofs stay."""
    object_lock: bool = False
    """Say that `store` is a bucket whose default rule (Object Lock) holds each object for a time. Refused where it is
    none, or would hold payloads in the clear: they need a `payload_store` in another bucket, or [encryption]."""
    key_file: Path = Path("notary.key")
    """The notary's Ed25519 key, mode 0600; `affiant notary keygen` makes it. Only the notary reads it."""
    public_key_file: Path = Path("notary.pub")
    """Its vkey, which auditors, sidecars and gateways believe."""
    signer_command: tuple[str, ...] = ()
    """A command, without a shell, that signs in the place of key_file, for a key in a KMS or an HSM: `COMMAND sign`
    reads a message and prints its signature (docs/notary.md)."""
    seal_seconds: float = Field(1.0, gt=0, le=2)
    """A record waits so long for the checkpoint that covers it, at most, when the store answers."""
    archive_seconds: float = Field(300.0, gt=0, le=86_400)
    """A sealed record waits so long for its Parquet file, at most."""
    archive_records: int = Field(65_536, ge=256, le=1_048_576)
    """Records of one Parquet file, at most."""
    archive_bytes: int = Field(64 << 20, ge=1 << 20, le=512 << 20)
    """Bytes of payloads of one Parquet file, at most (one record more). Readers refuse a file of over 1 GiB, and
    hold one in memory whole."""
    metrics_host: str = "127.0.0.1"
    """Where /metrics and /readyz are served."""
    metrics_port: int = Field(9465, ge=0, le=65_535)
    """0 takes a free one and says which."""
    witnesses: tuple[WitnessSettings, ...] = ()
    """Each new checkpoint is shown to them before it is published."""
    quorum: int = Field(0, ge=0)
    """So many of them must vouch for a checkpoint before it is published."""

    @model_validator(mode="after")
    def _quorum_can_be_met(self) -> Self:
        if self.quorum > len(self.witnesses):
            raise ValueError(f"quorum = {self.quorum} needs as many [[notary.witnesses]]")
        return self

    @model_validator(mode="after")
    def _only_a_bucket_holds(self) -> Self:
        if self.object_lock and (self.store is None or not self.store.startswith(("s3://", "s3a://"))):
            raise ValueError(
                "object_lock = true is for a bucket with Object Lock: store must be s3://…, a directory holds nothing"
            )
        return self
