"""Who of a group of monitors leads, and where its pages are: as the brokers tell of the group's members.

A member's client id says where others reach it; who was given partition 0 of the state topic leads. So nothing is
written anywhere that could outlive a monitor: a leader that is dead is no member any more. Whoever may join the group
may also lie here, and may as well lead; nobody who acts believes what a monitor says.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple

from audit.errors import LogUnavailable
from audit.hosts import in_url
from audit.log.kafka import KafkaLog

_MARK: Final = "affiant-monitor@"
_ADDRESS: Final = re.compile(r"https?://(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._*-]{1,253})(?::[0-9]{1,5})?/?")
"""No user, no path, no query: what is asked for is said by who asks."""
SEEN: Final = "*"
"""In place of a host: the one from which the brokers see the member."""
FRESH: Final = 2.0
"""Seconds for which an answer of the brokers is good."""


class Leader(NamedTuple):
    """A member that has partition 0 of the state topic."""

    name: str
    """For people: its address, or the host from which the brokers see it."""
    address: str | None
    """Where its pages are, without a slash at the end; None: it does not say."""


def client_id(address: str | None) -> str:
    """What a member calls itself. None: nobody is told where it is."""
    return "affiant-monitor" if address is None else _MARK + address


def leader_of(members: Iterable[Mapping[str, Any]], topic: str) -> Leader | None:
    """Of a group's members, as `describe_groups` gives them; None: nobody leads just now. Pure.

    Raises:
        LogUnavailable: they are not what a broker of this version tells.
    """
    try:
        for member in members:
            if _has(member["member_assignment"], topic):
                return _leader(str(member["client_id"]), str(member["client_host"]).lstrip("/"))
    except (KeyError, TypeError, AttributeError) as error:
        raise LogUnavailable(f"kafka: the group's members cannot be read ({error})") from error
    return None


def _has(assignment: Any, topic: str) -> bool:
    if not isinstance(assignment, Mapping):
        return False  # while the group shares out anew
    return any(
        each["topic"] == topic and 0 in each["partitions"] for each in assignment["assigned_partitions"]
    )


def _leader(named: str, host: str) -> Leader:
    address = named.removeprefix(_MARK)
    if address == named or _ADDRESS.fullmatch(address) is None:
        return Leader(host, None)
    address = address.rstrip("/").replace(SEEN, in_url(host))
    return Leader(address, address)


class Members:
    """Asks the brokers, at most every `FRESH` seconds. For any thread."""

    def __init__(
        self, log: KafkaLog, group: str, topic: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Nothing is contacted yet.

        Args:
            log: how brokers are reached.
            group: of the monitors.
            topic: of the panes.
            clock: seconds, monotonic.
        """
        self._log: Final = log
        self._group: Final = group
        self._topic: Final = topic
        self._clock: Final = clock
        self._lock: Final = threading.Lock()
        self._known: tuple[float, Leader | None] = (float("-inf"), None)

    def leader(self) -> Leader | None:
        """Who leads; None: nobody does just now.

        Raises:
            LogUnavailable: the brokers do not answer, or do not tell of the group.
        """
        with self._lock:
            now = self._clock()
            if now - self._known[0] >= FRESH:
                self._known = now, self._asked()
            return self._known[1]

    def _asked(self) -> Leader | None:
        with self._log.admin() as admin:
            found = admin.describe_groups([self._group])[self._group]
        if found["group_state"] == "Dead":
            return None  # a group without members, of whom nothing is known
        if found["error"]:
            raise LogUnavailable(f"kafka: the group {self._group!r}: {found['error']}")
        return leader_of(found["members"], self._topic)
