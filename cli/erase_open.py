"""What `affiant erase` looks at and works on: what `affiant retention` opens, and the notary's states."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from audit.config import Config
from audit.objects.lock import keeps_versions
from audit.retention.settings import RetentionSettings
from audit.trees import configured_trees

from .retention_open import Opened, opened

if TYPE_CHECKING:
    from audit.erasure.plan import Looked, Wanted
    from registry.approvals.keys import KeySigner

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class House:
    """See the module."""

    config: Config
    base: Opened

    def look(self, wanted: Iterable[Wanted], progress: Progress, *, minimum: bool = True) -> list[Looked]:
        """Where each is now. `minimum`: what [retention] wants kept is kept. Raises as `audit.erasure.plan.look`."""
        from audit.erasure.erase import archived_below
        from audit.erasure.plan import look

        days = self.config.section("retention", RetentionSettings).payload_min_days if minimum else 0
        return look(
            self.base.archive,
            self.base.places,
            archived_below(configured_trees(self.config).objects),
            self.base.erased,
            wanted,
            now_ms=int(time.time() * 1000),
            min_days=days,
            progress=progress,
        )

    def told(self) -> list[Wanted]:
        """All that statements tell of."""
        from audit.erasure.plan import Wanted

        return [Wanted(each.item) for each in self.base.erased.values()]

    def erase(self, looked: list[Looked], progress: Progress) -> None:
        """Raises as `audit.erasure.erase.erase`."""
        from audit.erasure.erase import erase

        erase(looked, self.base.payloads, self.base.external.remove, progress)

    def say(
        self, items: list[Looked], signer: KeySigner, person: str, why: str, *, despite_minimum: bool
    ) -> None:
        """The statements, before anything is erased; all are in the log when it returns.

        Raises:
            FormatError: the reason is too long.
            KeyRefused, LogUnavailable: nothing was erased.
        """
        from registry.erasure import MOST, encode_erasure

        from .approvals_open import append

        at = round(time.time(), 3)
        bodies = [
            encode_erasure(
                [each.item for each in items[start : start + MOST]],
                why,
                person,
                at,
                despite_minimum=despite_minimum,
            )
            for start in range(0, len(items), MOST)
        ]
        append(self.config, signer, bodies)

    def versions(self) -> list[str]:
        """Stores in which what is erased stays behind, as a version."""
        kept = {
            "the archive's payload store": keeps_versions(self.base.payloads),
            "the object store of large payloads": self.base.external.keeps_versions(),
        }
        return [name for name, versions in kept.items() if versions]


@contextmanager
def house(config: Config) -> Iterator[House]:
    """All of it, as it is now. Raises as `retention_open.opened`."""
    with opened(config) as found:
        yield House(config, found)
