"""The mirror of one journal in a thread of its own, with a connection of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from audit.journal import JournalReader
from audit.settings import FluentdSettings

from .ending import Ending
from .mirror import Mirror, MirrorProgress
from .receiver import Receiver

_JOIN_MARGIN: Final = 1.0


class MirrorThread:
    """Runs from its making until `stop` is set and what is left was copied, or the time for it has passed."""

    def __init__(
        self,
        journal: bytes,
        source: Callable[[], JournalReader],
        shipping: Path,
        settings: FluentdSettings,
        stop: threading.Event,
    ) -> None:
        """`shipping` is the journal's shipping directory."""
        ending = Ending(stop, settings.drain_seconds)
        mirror = Mirror(journal, source, Receiver(settings, ending.over), shipping, settings)
        self._patience = settings.drain_seconds + _JOIN_MARGIN
        self._thread = threading.Thread(
            target=mirror.run, args=(ending,), name=f"mirror {shipping.name}", daemon=True
        )
        self.progress: MirrorProgress = mirror.progress
        self._thread.start()

    def join(self) -> None:
        """Wait for its end, for as long as it may try, and not longer: one that hangs ends with the process."""
        self._thread.join(self._patience)
