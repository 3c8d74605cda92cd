"""Which policy's limits hold, and what is to answer: of the governance log, read on from where it was.

Where nobody governs, both are the operator's: a policy file and the plans of the settings.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from audit.errors import LogUnavailable
from audit.governance import PARTITION
from audit.log.base import Log
from audit.show import walk
from registry.approvals.root import Root
from registry.deployment import Placed
from registry.ledger import Ledger
from registry.policy import Policy, load_policy


class Governed:
    """The governance log as far as it was read. For one thread.

    Signatures are checked by the ledger; a log that was made again is another one, and refused.
    """

    def __init__(self, log: Log, first: Root) -> None:
        """`first`: the root that is believed."""
        self._log: Final = log
        self._first: Final = first
        self.ledger = Ledger(first)
        self._topic: bytes | None = None
        self._end = 0

    def read_on(self) -> bool:
        """Take what is new; whether anything was.

        Raises:
            LogUnavailable: the log does not answer, was made again, or its beginning is gone.
        """
        topic = self._log.topic().id
        if self._topic not in (None, topic):
            raise LogUnavailable("the governance log was made again: it is not the one that was read before")
        reader = self._log.reader()
        try:
            first, end = reader.bounds(PARTITION)
            if first > self._end or end < self._end:
                raise LogUnavailable(
                    f"the governance log has offsets {first} to {end}, and was read up to {self._end}"
                )
            new = end > self._end
            self.ledger.take(walk(reader, PARTITION, self._end, end, name="governance log"))
        finally:
            reader.close()
        self._topic, self._end = topic, end
        return new

    @property
    def policy(self) -> Policy | None:
        """The policy in force; None: there is none yet."""
        found = self.ledger.policy
        return None if found is None else found.policy

    @property
    def plans(self) -> Mapping[str, tuple[Placed, ...]]:
        """Service → what is to answer."""
        return self.ledger.plans


class Ungoverned:
    """A policy file, and plans that the settings name."""

    def __init__(self, policy: Path | None, plans: Mapping[str, tuple[Placed, ...]]) -> None:
        """The file is read now. Raises ConfigError: it is no policy."""
        self.policy: Final = None if policy is None else load_policy(policy)
        self.plans: Final = plans

    def read_on(self) -> bool:
        """Nothing changes while the process runs."""
        return False
