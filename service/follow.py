"""Follows [[plan]] and the keys in their files: loads what is new off the loop, then swaps the whole map."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from concurrent.futures import Executor
from pathlib import Path
from typing import Final

import structlog

from audit.config import load as load_config
from audit.errors import AuditError
from audit.proof.errors import FormatError, NotProved
from audit.renewed import stamp
from registry.errors import DigestMismatch, RegistryError
from registry.runtimes.base import Model

from .admitted import Admission
from .batching import Batcher
from .metrics import Metrics
from .models import EMPTY, Loaded, Plan, build_plan
from .settings import PlanSettings, read_plan

log = structlog.get_logger("affiant.gateway")

POLL_SECONDS: Final = 0.5
RETRY_SECONDS: Final = 5.0
"""After a failure that may pass by itself (a store that does not answer), without a change of the file."""


class PlanFollower:
    """Keeps `plan` to what the settings file says.

    A plan that cannot be read, or one of whose packages cannot be loaded, changes nothing: what is served
    goes on, and the failure is logged, counted and told by /readyz when nothing is served yet.
    """

    def __init__(
        self,
        path: Path,
        *,
        load: Callable[[str], Model],
        make_batcher: Callable[[Model], Batcher],
        swap: Callable[[Plan], None],
        metrics: Metrics,
        count: Callable[[str], None],
        executor: Executor,
        max_rows: int,
        admission: Admission | None = None,
    ) -> None:
        self._admission: Final = admission
        self._turn: Final = asyncio.Lock()
        self._path: Final = path
        self._load: Final = load
        self._make_batcher: Final = make_batcher
        self._swap: Final = swap
        self._metrics: Final = metrics
        self._count: Final = count
        self._executor: Final = executor
        self._max_rows: Final = max_rows
        self._loaded: dict[str, Loaded] = {}
        self._entries: tuple[PlanSettings, ...] | None = None
        self.plan: Plan = EMPTY
        self.problem: str | None = None
        """Why the newest plan is not the one that is served."""

    async def refresh(self) -> bool:
        """Read the plan, load what is new, swap. Returns whether the served plan is the newest."""
        async with self._turn:
            return await self._refresh()

    async def _refresh(self) -> bool:
        loop = asyncio.get_running_loop()
        refused: tuple[str, ...] = ()
        try:
            entries = await loop.run_in_executor(self._executor, lambda: read_plan(load_config(self._path)))
            if self._admission is not None:
                entries, refused = await loop.run_in_executor(self._executor, self._admission.admit, entries)
            if entries != self._entries:
                entries, loaded, failed = await self._load_all(entries, loop)
                refused = (*refused, *failed)
                if entries != self._entries:
                    await self._apply(entries, loaded, loop)
        # Anything: a package is a stranger's bytes, and a follower that ends is one that nobody misses.
        except Exception as error:  # noqa: BLE001
            reason = self._failed(error)
            if reason != self.problem:
                log.error(  # noqa: TRY400 — the message says it all
                    "the plan in the settings cannot be served; nothing was changed", reason=reason
                )
            self.problem = reason
            return False
        problem = "; ".join(refused) or None
        if problem is not None:
            self._metrics.events["not-admitted"] += 1
            if problem != self.problem:
                log.error("what may not answer is left out of the plan", reason=problem)
        self.problem = problem
        return problem is None

    def _failed(self, error: Exception) -> str:
        """Count a failure; why, in a line."""
        expected = isinstance(error, AuditError | FormatError | NotProved | RegistryError | OSError)
        self._metrics.events["plan-failed"] += 1
        if isinstance(error, DigestMismatch):
            self._metrics.events["package-refused"] += 1
            self._count("package-refused")
        if not expected:
            log.error("following the plan failed in a way that nobody expected", exc_info=error)
        return " ".join(str(error).split()) if expected else repr(error)

    async def _load_all(
        self, entries: tuple[PlanSettings, ...], loop: asyncio.AbstractEventLoop
    ) -> tuple[tuple[PlanSettings, ...], dict[str, Loaded], list[str]]:
        """What can be served of the plan, loaded; and why the rest cannot.

        Where admission decides, one package that cannot be loaded keeps no other service's back: what was live
        before stays in its place while it may, and a canary or a shadow is left out.
        """
        loaded: dict[str, Loaded] = {}
        kept: list[PlanSettings] = []
        failed: list[str] = []
        for wanted in entries:
            entry: PlanSettings | None = wanted
            tried: frozenset[str] = frozenset()
            while entry is not None:
                try:
                    loaded[entry.digest] = loaded.get(entry.digest) or await self._load_one(
                        entry.digest, loop
                    )
                    kept.append(entry)
                    break
                except Exception as error:
                    if self._admission is None:
                        raise
                    failed.append(f"{entry.service}: {entry.digest} cannot be loaded: {self._failed(error)}")
                tried |= {entry.digest}
                entry = (
                    await loop.run_in_executor(self._executor, self._admission.fallback, entry.service, tried)
                    if entry.slot == "live"
                    else None
                )
        return _consistent(kept), loaded, failed

    async def _load_one(self, digest: str, loop: asyncio.AbstractEventLoop) -> Loaded:
        known = self._loaded.get(digest)
        if known is None:
            model = await loop.run_in_executor(self._executor, self._load, digest)
            known = Loaded.of(model, self._make_batcher(model), self._max_rows)
            log.info(
                "loaded", digest=digest, model=model.signature.name, runtime=model.runtime,
                device=model.device, batching=model.batching.kind,
            )  # fmt: skip
        return known

    async def _apply(
        self, entries: tuple[PlanSettings, ...], loaded: dict[str, Loaded], loop: asyncio.AbstractEventLoop
    ) -> None:
        # The old map goes with the last request that pinned something in it.
        self.plan = build_plan(entries, loaded)
        self._loaded = {each.digest: loaded[each.digest] for each in entries}
        self._entries = entries
        self._swap(self.plan)
        if self._admission is not None:
            await loop.run_in_executor(self._executor, self._admission.served, entries)
        self._metrics.events["plan-swapped"] += 1
        if self.plan:
            log.info("the plan is served", services=sorted(self.plan))
        else:
            log.warning("[[plan]] is empty: no prediction is answered")


def _consistent(kept: list[PlanSettings]) -> tuple[PlanSettings, ...]:
    """Without what has no live package beside it, or stands in two slots since a fallback took the place of another."""
    live = {each.service: each.digest for each in kept if each.slot == "live"}
    return tuple(
        each
        for each in kept
        if each.slot == "live" or (each.service in live and live[each.service] != each.digest)
    )


async def follow(
    path: Path | None,
    refresh: Callable[[], Awaitable[bool]],
    seen: Hashable,
    *,
    failed: bool = False,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Call `refresh` whenever the file changes, and after a failure each RETRY_SECONDS. Never returns.

    Args:
        path: of the file; None: nothing is followed.
        refresh: returns whether it succeeded.
        seen: the file's stamp before it was first read.
        failed: whether that failed.
        sleep: injected.
    """
    failed_for = RETRY_SECONDS if failed else 0.0
    while True:
        await sleep(POLL_SECONDS)
        now = stamp(path)
        if now == seen:
            if failed_for == 0.0:
                continue
            failed_for -= POLL_SECONDS
            if failed_for > 0:
                continue
        seen = now
        failed_for = 0.0 if await refresh() else RETRY_SECONDS
