"""The `[journal]` table of affiant.toml."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal, Self

from pydantic import Field, model_validator

from audit.config import Config, Section

MIB: Final = 1 << 20


class JournalSettings(Section):
    """[journal]: where an answer's record waits until it is safe elsewhere."""

    segment_bytes: int = Field(64 * MIB, ge=64 << 10, le=1 << 30)
    """Size of one pre-allocated segment, in bytes. Freeing goes by whole segments."""

    max_bytes: int = Field(4096 * MIB)
    """Bound on what the journal takes on disk, in bytes; at the bound requests are answered 503."""

    slow_at: float = Field(0.8, gt=0, lt=1)
    """Fraction of `max_bytes` from which admission slows down."""

    external_bytes: int = Field(1 * MIB, ge=256 << 10, le=4 * MIB)
    """A longer payload goes to the object store, under its digest; the log gets its entry alone."""

    heartbeat_seconds: int = Field(60, ge=1, le=86_400)
    """Seconds between signed heartbeat entries, at most."""

    release: Literal["disk", "log"] = "disk"
    """What an answer waits for: this node's disk, or the log's acknowledgement."""

    release_timeout_seconds: float = Field(10.0, gt=0, le=3600)
    """release = "log": seconds after which an unacknowledged answer becomes a 503."""

    free_after: Literal["sealed", "acknowledged"] = "sealed"
    """When a segment may be removed: once every entry in it is under a checkpoint that the notary signed, which the
    sidecar has proved; or, where no notary runs, once the log has acknowledged it. While the notary stands still a
    journal that waits for it grows up to max_bytes."""

    sync: Literal["auto", "thread", "aio"] = "auto"
    """How fdatasync is waited for: a thread, or Linux kernel AIO; `auto` takes what measured better."""

    key_directory: Path | None = None
    """Where the keys are by which journals are signed, a file for each, named like its journal: a place that the
    sidecar does not have, so that who carries records cannot sign others. Each data directory wants one of its own.
    Without it each lies beside what it signs."""

    @model_validator(mode="after")
    def _bound_holds_segments(self) -> Self:
        if self.max_bytes < 3 * self.segment_bytes:
            raise ValueError("max_bytes must hold at least three segments (3 × segment_bytes)")
        return self


def journal_settings(config: Config) -> JournalSettings:
    """The `[journal]` table, its paths absolute.

    Raises:
        ConfigError: names the key, what is wrong, and the nearest key that exists.
    """
    found = config.section("journal", JournalSettings)
    if found.key_directory is None:
        return found
    return found.model_copy(update={"key_directory": config.resolve(found.key_directory)})
