"""One worker process: starts what it needs in order, and stops it in the opposite one.

settings → models → journal → ready; stopping: no new request → those in work → shadows → closing entry.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import numpy as np
import structlog
from numpy.typing import NDArray
from prometheus_client import PlatformCollector, ProcessCollector

from audit.authorities import authorities
from audit.config import Config
from audit.errors import ConfigError
from audit.journal import Door, Journal
from audit.proof.encryption import PayloadKey
from audit.renewed import stamp
from audit.subjects import read_subject_keys
from audit.traces.ring import RingWriter, place
from registry.runtimes import load as load_model
from registry.runtimes.base import Model
from registry.stores import configured_store

from . import openapi, page
from .admitted import configured_admission, copy_age
from .auth import Keys, read_keys
from .batching import Batcher
from .bench import Unrecorded
from .call import Gate, Recorder
from .cold import Cold
from .connections import Bounds, most_connections
from .debts import Debts
from .encryption import Encryption
from .follow import PlanFollower, follow
from .front import Front
from .journals import close_orphans, open_journal
from .metrics import JOURNAL_NUMBERS, Metrics, State, exposition
from .models import Plan, Served
from .rate import TokenBucket
from .receipts import configured_receipts
from .settings import UNAUDITED, GatewaySettings, TelemetrySettings, bench_unaudited
from .shadow import ShadowRunner
from .spans import SpanExport
from .tasks import kept
from .tls import served_tls

log = structlog.get_logger("affiant.gateway")

_GC_THRESHOLD: Final = 50_000
"""Young objects before the collector looks: requests leave few cycles behind."""


class Worker:
    """Composes the parts of one gateway process around a `Front`."""

    def __init__(self, config: Config, front: Front, number: int) -> None:
        self._config: Final = config
        self._front: Final = front
        self._number: Final = number
        self.settings: Final = config.section("gateway", GatewaySettings)
        self.telemetry: Final = config.section("telemetry", TelemetrySettings)
        self._keys_path: Final = config.resolve(self.settings.keys_file) if self.settings.keys_file else None
        subjects = self.settings.subject_keys_file
        self._subjects_path: Final = config.resolve(subjects) if subjects else None
        self.metrics: Final = Metrics()
        self._executor: Final = ThreadPoolExecutor(2, "affiant-models")
        # Of its own: a store that hangs MUST NOT keep a thread from those who ask.
        self._loader: Final = ThreadPoolExecutor(1, "affiant-loader")
        self._explainer: Final = ThreadPoolExecutor(1, "affiant-explain")
        self._shadows: Final = ShadowRunner(self.settings.shadow_queue)
        self._tasks: list[asyncio.Task[None]] = []
        self._follower: PlanFollower | None = None
        self._journal: Journal | None = None
        self._debts: Final = Debts()
        self._unaudited = bench_unaudited()
        self.tls: Final = served_tls(config, self.settings)
        self.bounds: Final = Bounds(
            self.settings.receive_seconds,
            most_connections(self.settings.max_connections),
            self._connection_refused,
        )
        self._encryption: Final = Encryption(config)
        endpoint = self.telemetry.otlp_endpoint
        self._spans: Final = (
            SpanExport.to(
                endpoint,
                self.telemetry.sample_ratio,
                authorities(config, self.telemetry.ca_file, "[telemetry] ca_file"),
            )
            if endpoint
            else None
        )

    async def start(self) -> None:
        """Open the journal, load the plan, answer.

        Raises:
            ConfigError: the settings or the keys are not what they should be.
            JournalError: the journal cannot be opened.
        """
        loop = asyncio.get_running_loop()
        settings = self.settings
        store = configured_store(self._config)
        admission = configured_admission(
            self._config, self._number, lambda digest: store.pull(digest).lineage
        )
        keys, subjects = self._read_keys(), read_subject_keys(self._subjects_path)
        seen = stamp(self._config.path), stamp(self._keys_path), stamp(self._encryption.path)
        subjects_seen = stamp(self._subjects_path)
        payload_key = await asyncio.to_thread(self._encryption.key)
        recorder = await self._open_recorder(loop)
        follower = self._follower = PlanFollower(
            self._config.path,
            load=lambda digest: load_model(
                store.pull(digest), device=settings.device, threads=settings.threads
            ),
            make_batcher=self._make_batcher,
            swap=self._swap,
            metrics=self.metrics,
            count=recorder.count,
            executor=self._loader,
            max_rows=settings.max_rows,
            admission=admission,
        )
        self._front.gate = Gate(
            recorder=recorder,
            metrics=self.metrics,
            brief=TokenBucket(settings.unauthenticated_per_second, time.monotonic),
            clock=time.time_ns,
            timer=time.perf_counter,
            explain=self._explain,
            max_body=settings.max_body_bytes,
            max_queue=settings.max_queue,
            keys=keys,
            debts=self._debts,
            subjects=subjects,
            shadows=self._shadows,
            spans=self._spans,
            payload_key=payload_key,
        )
        self._front.cold = Cold(
            plan=lambda: self._front.plan,
            problem=self.problem,
            metrics=self._scrape,
            keys=lambda: self._gate.keys,
            docs=page.page,
            openapi=openapi.describe,
            receipts=configured_receipts(self._config),
        )
        await follower.refresh()
        failed = follower.problem is not None
        self._keep("plan", lambda: follow(self._config.path, follower.refresh, seen[0], failed=failed))
        self._keep("keys", lambda: follow(self._keys_path, self._refresh_keys, seen[1]))
        self._keep("subject keys", lambda: follow(self._subjects_path, self._refresh_subjects, subjects_seen))
        self._keep("payload keys", lambda: self._encryption.follow(self._take_key, self._no_key, seen[2]))
        if admission is not None:
            self._keep("governance log", lambda: admission.follow(follower.refresh))
        # What is loaded now stays: the collector need not look at it again (100 ms pauses otherwise).
        gc.collect()
        gc.freeze()
        gc.set_threshold(_GC_THRESHOLD, 20, 20)
        log.info(
            "ready" if self.problem() is None else "started", worker=self._number, problem=self.problem()
        )

    def _keep(self, name: str, begin: Callable[[], Awaitable[None]]) -> None:
        """Follow something until the worker stops."""
        self._tasks.append(asyncio.get_running_loop().create_task(kept(name, begin, self._not_followed)))

    def _connection_refused(self) -> None:
        self.metrics.events["connection-refused"] += 1

    def _not_followed(self) -> None:
        self.metrics.events["task-failed"] += 1

    async def stop(self) -> None:
        """Let the requests in work finish, then close the journal with its signed closing entry."""
        gate = self._front.gate
        if gate is not None:
            gate.stopping = True
            await self._drain(gate)
        for task in self._tasks:
            task.cancel()
        # Whatever became of them: the journal MUST still be closed.
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._debts.stop()
        if self._journal is not None:
            await self._journal.close()
        self._executor.shutdown()
        # Nothing that stops here waits for what hangs in a store. Python's own end would, where no signal comes before.
        self._loader.shutdown(wait=False, cancel_futures=True)
        self._explainer.shutdown()
        if self._spans is not None:
            await asyncio.to_thread(self._spans.close)
        log.info("stopped", worker=self._number)

    async def _drain(self, gate: Gate) -> None:
        """The server has waited for its connections already; this is for what they do not show."""
        end = time.monotonic() + self.settings.grace_seconds
        # A poll, so that no request has to tell anybody that it ended.
        while gate.in_work and time.monotonic() < end:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        try:
            await asyncio.wait_for(self._shadows.drain(), max(0.0, end - time.monotonic()))
        except TimeoutError:
            log.warning("shadows did not finish in time; their records are missing")

    @property
    def _gate(self) -> Gate:
        assert self._front.gate is not None
        return self._front.gate

    def problem(self) -> str | None:
        """Why predictions are not answered now; None: they are."""
        gate, follower = self._front.gate, self._follower
        if gate is None or follower is None:
            return "starting"
        if gate.stopping:
            return "stopping"
        if not self._front.plan:
            return f"no model: {follower.problem or '[[plan]] is empty'}"
        admission = gate.recorder.admission()
        if admission.door in (Door.FULL, Door.FAILED):
            return f"journal: {admission.reason}"
        return None

    def _swap(self, plan: Plan) -> None:
        self._front.swap(plan)

    def _make_batcher(self, model: Model) -> Batcher:
        settings = self.settings
        return Batcher(
            model.predict,
            model.signature.width,
            max_rows=settings.max_batch_rows,
            thread_rows=settings.thread_rows,
            executor=self._executor,
            batches=self.metrics,
            loop=asyncio.get_running_loop(),
        )

    async def _explain(self, served: Served, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._explainer, served.loaded.model.explain, rows)

    def _read_keys(self) -> Keys:
        return read_keys(self._keys_path, certificates=self.settings.client_ca is not None)

    async def _refresh_keys(self) -> bool:
        try:
            self._gate.keys = self._read_keys()
        except ConfigError as error:
            log.error(  # noqa: TRY400 — the message says it all
                "the keys cannot be read; the old ones go on", reason=str(error)
            )
            self.metrics.events["keys-failed"] += 1
            return False
        log.info("the keys were read again")
        return True

    async def _refresh_subjects(self) -> bool:
        try:
            self._gate.subjects = read_subject_keys(self._subjects_path)
        except ConfigError as error:
            log.error(  # noqa: TRY400 — the message says it all
                "the keys of subjects cannot be read; the old ones go on", reason=str(error)
            )
            self.metrics.events["subject-keys-failed"] += 1
            return False
        log.info("the keys of subjects were read again")
        return True

    def _no_key(self) -> None:
        self.metrics.events["payload-keys-failed"] += 1

    def _take_key(self, key: PayloadKey | None) -> None:
        """What is written from now on is encrypted with it."""
        if key != self._gate.payload_key:
            log.info("payload key", id=None if key is None else key.id.hex())
        self._gate.payload_key = key

    def _scrape(self) -> bytes:
        state = State(
            plan=lambda: self._front.plan,
            in_work=lambda: self._gate.in_work,
            journal=self._journal_numbers,
            journal_id="" if self._journal is None else self._journal.journal_id.hex(),
            workers=self.settings.workers,
            ready=lambda: self.problem() is None,
            unaudited=self._unaudited,
            worker=self._number,
            behind=lambda: self._follower is not None and self._follower.problem is not None,
            governance=lambda: copy_age(self._config),
            certificate=lambda: None if self.tls is None else self.tls.end(),
        )
        more = (ProcessCollector(registry=None), PlatformCollector(registry=None))
        return exposition(self.metrics, state, more)

    def _journal_numbers(self) -> dict[str, float]:
        if self._journal is None:
            return {}
        stats = self._journal.stats()
        return {name: float(getattr(stats, name)) for name in JOURNAL_NUMBERS}

    def _observe(self, seconds: Sequence[float]) -> None:
        for value in seconds:
            self.metrics.journal_seconds.add(value)

    async def _open_recorder(self, loop: asyncio.AbstractEventLoop) -> Recorder:
        if self._unaudited:
            log.warning(
                "UNAUDITED: the benchmark's switch is on, nothing is recorded. Never use this in production.",
                switch=UNAUDITED,
            )
            return Unrecorded(loop)
        if self._number == 0:
            await close_orphans(self._config, self.settings)
        self._journal = await open_journal(self._config, self.settings, self._number, self._observe)
        if self._spans is not None:
            # The sidecar beside us learns of sampled requests here; it needs none of it to ship.
            self._spans.ring = RingWriter(place(self._config.data, self._journal.journal_id))
        return self._journal
