"""Tell others that signatures are awaited, or gates have failed: one message out, to the webhook of [governance].

`affiant gate run` calls `announce` after the gates have passed and `announce_failure` when not, `affiant approve`
calls `announce` when others are still missing;
`affiant policy propose` calls `announce_policy`.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from audit.config import Config
from audit.errors import AuditError, ConfigError
from audit.proof.errors import NotProved
from registry.errors import NotFound, RegistryError
from registry.settings import GovernanceSettings

from .approvals_open import board_of, warn

if TYPE_CHECKING:
    from registry.approvals.board import Board
    from registry.approvals.proposals import Proposal
    from registry.gates import GateReport


def announce(loaded: Config, service: str, digest: str, *, board: Board | None = None) -> bool:
    """Say who must still sign before a digest is live; nothing when nobody must, or there is no webhook.

    MUST NOT fail what it tells of: that is signed already. What keeps it from being told (the store, the log, whoever
    is to hear it) is warned of on the error output. Whether something was sent is returned.

    Args:
        loaded: the settings.
        service: of the policy in force.
        digest: `sha256:…`.
        board: the governance log, when it was just read.
    """
    from registry.approvals.foresee import verdicts
    from registry.approvals.webhook import awaited

    url = _url(loaded)
    if url is None:
        return False
    try:
        board = board if board is not None else board_of(loaded)
        name, publisher = _known(loaded, digest)
    except (AuditError, RegistryError, NotProved) as error:
        warn(f"nobody was told that a signature is awaited: {error}")
        return False
    verdict = board.verdict(service, digest, "live", time.time(), publisher)
    if not verdict.missing:
        return False
    passed = verdicts(board.gates(service, digest))
    failed = [name for name, each in passed.items() if each != "passed"]
    gates = f"failed: {', '.join(failed)}" if failed else f"{len(passed)} passed"
    return _send(url, awaited(service, digest, name, verdict.missing, verdict.approved_by, gates))


def _known(loaded: Config, digest: str) -> tuple[str, str | None]:
    """What the package is called, and who published it; of one that the store does not have, nothing."""
    from registry.lineage.publisher import publisher_of
    from registry.stores import configured_store

    try:
        package = configured_store(loaded).pull(digest)
    except NotFound:
        return "", None
    return package.name, publisher_of(package)


def announce_failure(loaded: Config, report: GateReport, name: str) -> bool:
    """Say which gates of the package `name` failed, and why; as `announce`. Reasons hold no cell of a table."""
    from registry.approvals.webhook import gates_failed

    url = _url(loaded)
    if url is None:
        return False
    reasons = {each.name: each.reason for each in report.results if each.verdict != "passed"}
    return _send(url, gates_failed(report.service, report.package, name, reasons))


def announce_policy(loaded: Config, proposal: Proposal) -> bool:
    """Say who must still sign a policy; as `announce`."""
    from registry.approvals.webhook import awaited_policy

    url = _url(loaded)
    if url is None or not proposal.missing:
        return False
    signed = [(role, person) for person, role in proposal.signed.items()]
    return _send(url, awaited_policy(proposal.policy.digest, proposal.version, proposal.missing, signed))


def _url(loaded: Config) -> str | None:
    from registry.approvals.webhook import webhook_url

    settings = loaded.section("governance", GovernanceSettings)
    file = loaded.resolve(settings.webhook_url_file) if settings.webhook_url_file is not None else None
    try:
        return webhook_url(file, settings.webhook_url_variable)
    except ConfigError as error:
        warn(str(error))
        return None


def _send(url: str, message: Mapping[str, Any]) -> bool:
    from registry.approvals.webhook import NotSent, send

    try:
        send(url, message)
    except NotSent as error:
        warn(str(error))
        return False
    return True
