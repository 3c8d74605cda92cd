"""A controller in a process of its own, which says nothing before the other, too, has read what it decides on."""

from __future__ import annotations

from multiprocessing.synchronize import Barrier, Lock
from pathlib import Path
from typing import NamedTuple

from audit.config import load
from cli.controller_parts import configured_controller
from monitoring.controller.alertmanager import parse_message
from monitoring.settings import ControllerSettings


class Both(NamedTuple):
    """What two controllers share."""

    decided: Barrier
    writing: Lock


def race(settings: str, message: bytes, both: Both, now: float) -> None:
    """Hear, decide, wait for the other, append; then decide until nothing waits.

    Args:
        settings: the file.
        message: the webhook's body.
        both: what the two share.
        now: what its clock says, s since 1970 UTC. Two that decide in the same millisecond sign the same statement.
    """
    loaded = load(Path(settings))
    controller = configured_controller(loaded, loaded.section("controller", ControllerSettings))
    append = controller._append

    def together(bodies: list[bytes]) -> None:
        # The retraining too: it is said after the log was read for the last time, and who reads it after the
        # other's signs another end of the log.
        both.decided.wait(60)
        with both.writing:  # a local log has one writer; who is refused would decide again, alone
            append(bodies)

    object.__setattr__(controller, "_append", together)
    object.__setattr__(controller, "_clock", lambda: now)
    controller.hear(parse_message(message).alarms)
    while (due := controller.step()) is not None and due > 0:
        if controller.told()[0]["outcome"] != "wait":
            break
