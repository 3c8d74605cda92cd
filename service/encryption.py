"""The key that payloads are encrypted with, as [encryption] says, and a newer one when there is one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from pathlib import Path
from typing import Final

import structlog

from audit.config import Config
from audit.errors import ConfigError
from audit.payload_keys import EncryptionSettings, configured_keyring
from audit.proof.encryption import PayloadKey

from .follow import follow

log = structlog.get_logger("affiant.gateway")


class Encryption:
    """See the module."""

    def __init__(self, config: Config) -> None:
        """Nothing is read yet."""
        self._config: Final = config
        self._settings: Final = config.section("encryption", EncryptionSettings)

    @property
    def path(self) -> Path | None:
        """The file that is followed; None: there is none."""
        file = self._settings.keys_file
        return None if file is None else self._config.resolve(file)

    def key(self) -> PayloadKey | None:
        """The newest; None: payloads are written in the clear. Raises ConfigError: it cannot be had."""
        found = configured_keyring(self._config)
        return None if found is None else found.newest

    async def follow(
        self,
        take: Callable[[PayloadKey | None], None],
        failed: Callable[[], None],
        seen: Hashable,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Give each newer key to `take`; call `failed` when none can be had: it goes on with the one before.

        Never returns.
        """

        async def refresh() -> bool:
            try:
                take(await asyncio.to_thread(self.key))
            except ConfigError as error:
                log.error("payload keys are not to be had", reason=str(error))  # noqa: TRY400 - it says all
            except Exception as error:  # noqa: BLE001 - whatever it is, the next look is not lost with it
                log.error("payload keys are not to be had", reason=type(error).__name__)  # noqa: TRY400 - likewise
            else:
                return True
            failed()
            return False

        if not self._settings.keys_command:
            await follow(self.path, refresh, seen, sleep=sleep)
        while True:
            await sleep(self._settings.keys_seconds)
            await refresh()
