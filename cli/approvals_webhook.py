"""Tell others that a signature is awaited: one message out, to the webhook of [governance]."""

from __future__ import annotations

from audit.config import Config
from registry.approvals.board import Board


def announce(loaded: Config, board: Board, service: str, digest: str, publisher: str | None) -> None:
    """Say who must still sign. What cannot be sent is warned of, and fails nothing."""
