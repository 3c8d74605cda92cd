"""The doctor's look at who may say what: a root and a policy that one person could live up to alone are remarks."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Final

from audit.doctor import rights
from audit.doctor.base import Check, Finding, Looked, Outcome
from audit.errors import NoSuchTopic
from audit.log import configured_governance_log
from audit.settings import LogSettings
from registry.settings import GovernanceSettings

if TYPE_CHECKING:
    from audit.config import Config

    from .doctor_checks import Asked

_READING: Final = frozenset({"monitor", "controller", *rights.CALLERS})
"""Who reads roots and policies, and has the libraries for it; a gateway speaks to no broker, and reads a local log."""

_NEXT_ROOT: Final = "`affiant roles edit` makes the next root"


def checks(asked: Asked) -> Iterator[Check]:
    """None where nothing is governed, nothing here reads roots and policies, or the log has said that it is silent."""
    config = asked.config
    local = config.section("log", LogSettings).backend == "local"
    reading = _READING | {"gateway"} if local else _READING
    root = config.section("governance", GovernanceSettings).root
    if root is None or asked.silent or not reading & set(asked.parts):
        return
    remedy = "`affiant roles check` says what a root lacks; `affiant policy show` reads the log"
    yield Check("governance", partial(look, config), ("governance-unread", str(config.resolve(root)), remedy))


def look(config: Config) -> Iterator[Outcome]:
    """The root and the policy that are in force; before there is a log, the first root alone.

    Raises:
        ConfigError, FormatError, NotProved, NotAdmitted, LogUnavailable: see `first_root_of` and `read_board`.
    """
    from registry.approvals.alone import of_root
    from registry.approvals.board import first_root_of, read_board
    from registry.approvals.slots import warnings

    first = first_root_of(config)
    first.check(None)
    try:
        board = read_board(configured_governance_log(config, create=False), first)
    except NoSuchTopic:
        yield from _told("the first root", of_root(first.content, first_policy=True), _NEXT_ROOT)
        return
    root, policy = board.roots.now, board.policy
    found = of_root(root.content, first_policy=policy is None)
    yield from _told(f"root, version {root.version}", found, _NEXT_ROOT)
    if policy is not None:
        yield from _told(
            f"policy, version {policy.version}",
            warnings(policy.policy),
            "`affiant policy propose` another one",
        )


def _told(where: str, found: tuple[str, ...], remedy: str) -> Iterator[Outcome]:
    yield Looked(where, "in force" if not found else f"in force, {len(found)} to be looked at")
    for each in found:
        yield Finding("one-person", where, each, f"{remedy}, unless that is meant", grave=False)
