"""The sidecar process: a shipper for every journal on the shared volume, one server for what is told of all."""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import structlog

from audit.errors import AuditError, JournalDamaged, NoSuchRecord
from audit.files import make_directory
from audit.journal import JournalReader
from audit.log.base import Log
from audit.log.copy import LogCopy
from audit.mirror.thread import MirrorThread
from audit.scrape import Collector, MetricsServer
from audit.settings import FluentdSettings, SidecarSettings
from audit.together import Together
from audit.traces.ring import place
from audit.traces.shipping import Tracing
from audit.trees import Trees

from .external import ExternalStore
from .lag import LagWatch
from .metrics import Mirroring, Sealing, Shipped, SidecarCollector
from .receipts import PATH as RECEIPTS
from .receipts import ReceiptPages
from .sealed import SealedJournal
from .shipper import Shipper
from .watch import SealWatch

_JOIN_MARGIN = 30.0


@dataclass(slots=True)
class _Running:
    shipper: Shipper
    thread: threading.Thread
    shipped: Shipped
    mirror: MirrorThread | None = None

    @property
    def alarm(self) -> bool:
        sealed = self.shipped.sealed
        return self.shipper.progress.alarm is not None or (
            sealed is not None and sealed.progress.alarm is not None
        )


class Sidecar:
    """Finds journals under `journals`, ships each in a thread, and writes under `shipping` alone."""

    def __init__(
        self,
        data: Path,
        log: Log,
        settings: SidecarSettings,
        trees: Trees | None = None,
        governance: LogCopy | None = None,
        fluentd: FluentdSettings | None = None,
        tracing: Tracing | None = None,
    ) -> None:
        """`data` is the shared volume's directory; `trees` what the notary seals, None where there is none;
        `governance` copies the governance log for a gateway that cannot read it itself; `fluentd` says where a copy of
        the entries goes, if anywhere; `tracing` is told of sampled requests' records.
        """
        self._data = data
        self._log = log
        self._settings = settings
        self._external = ExternalStore(settings.object_store or data / "objects")
        self._running: dict[str, _Running] = {}
        self.governance = governance
        self._fluentd = fluentd if fluentd is not None and fluentd.address else None
        self._tracing = tracing
        self._watch = None if trees is None else SealWatch(trees)
        self._threads: Together | None = None
        self._strange: dict[Path, str] = {}
        """What is no journal, and why: told once."""
        self._say = structlog.get_logger("sidecar")

    def run(self, stop: threading.Event) -> int:
        """Ship until told to end and drained; 1 when something stays unshipped or raised an alarm, else 0.

        Raises:
            AuditError: the thread that looks at what is sealed, or that copies the governance log, has ended unasked:
                `stop` was set, and what the journals held was drained before.
        """
        self._threads = Together(stop, _JOIN_MARGIN)
        with self._threads as threads:
            if self._watch is not None:
                threads.start("sealed", self._watch.run)
            if self.governance is not None:
                threads.start("governance", self.governance.run)
            while not stop.is_set():
                self._start_new(stop)
                stop.wait(self._settings.scan_seconds)
            self._start_new(stop)  # a journal that appeared just before the end is drained too
            self._drain()
        if self._watch is not None and threads.ended("sealed"):
            self._watch.look()  # not waited for: what the notary seals later is found by the next run
            self._watch.close()
        unfinished = [running for running in self._running.values() if self._unfinished(running)]
        return int(bool(unfinished))

    def _drain(self) -> None:
        """Wait for the shippers, and the mirrors, for as long as they may try."""
        patience = self._settings.drain_seconds + self._settings.delivery_timeout_seconds + _JOIN_MARGIN
        for running in self._running.values():
            running.thread.join(patience)
        for running in self._running.values():
            if running.mirror is not None:
                running.mirror.join()

    def journals(self) -> dict[bytes, Shipped]:
        """The shippers that run, by journal id."""
        return {running.shipper.journal: running.shipped for running in list(self._running.values())}

    def trouble(self) -> str:
        """Why it is not well: any journal's shipping has stopped with an alarm, what is sealed is not what was shipped,
        or a thread is gone. Empty when it is.

        A checkpoint that is not believed is no reason: it frees nothing, and who can write to the store could stop
        every gateway by it.
        """
        if any(running.alarm for running in list(self._running.values())):
            return "a journal has an alarm; the log says why"
        return "" if self._threads is None else self._threads.trouble

    def receipt(self, record: str) -> bytes:
        """See `SealWatch.receipt`."""
        if self._watch is None:
            raise NoSuchRecord("nothing is sealed here: there is no notary")
        return self._watch.receipt(record)

    def _unfinished(self, running: _Running) -> bool:
        lag = running.shipped.watch.lag().records
        if lag:
            self._say.error("ends with records unshipped; they stay in the journal", records=lag)
        return bool(lag) or running.alarm

    def _start_new(self, stop: threading.Event) -> None:
        for path in sorted((self._data / "journals").glob("*/journal.json")):
            name = path.parent.name
            if name in self._running:
                continue
            try:
                journal = JournalReader(path.parent).journal_id()
            except (OSError, JournalDamaged) as error:
                if self._strange.get(path) != (reason := str(error)):
                    self._strange[path] = reason
                    self._say.error("not a journal", path=str(path), reason=reason)
                continue
            self._strange.pop(path, None)
            if journal is None:
                continue
            self._running[name] = self._start(name, path.parent, journal, stop)

    def _start(self, name: str, directory: Path, journal: bytes, stop: threading.Event) -> _Running:
        shipper = Shipper(
            journal,
            lambda: JournalReader(directory),
            self._log,
            self._data / "shipping" / name,
            self._settings,
            self._external,
            traces=None if self._tracing is None else (self._tracing, place(self._data, journal)),
        )
        mirror = self._mirror(name, directory, journal, stop)
        shipped = Shipped(
            shipper.progress,
            LagWatch(directory, shipper.progress),
            self._follow(name, directory, shipper),
            None if mirror is None else Mirroring(mirror.progress, LagWatch(directory, mirror.progress)),
        )

        def ship() -> None:
            try:
                shipper.run(stop)
            except Exception as error:  # noqa: BLE001 — a thread must not end unseen
                shipper.progress.alarm = f"{type(error).__name__}: {error}"
                self._say.exception("alarm: shipping of this journal stops", journal=journal.hex())

        thread = threading.Thread(target=ship, name=f"ship {name}", daemon=True)
        thread.start()
        return _Running(shipper, thread, shipped, mirror)

    def _mirror(
        self, name: str, directory: Path, journal: bytes, stop: threading.Event
    ) -> MirrorThread | None:
        if self._fluentd is None:
            return None
        return MirrorThread(
            journal,
            lambda: JournalReader(directory),
            self._data / "shipping" / name,
            self._fluentd,
            stop,
        )

    def _follow(self, name: str, directory: Path, shipper: Shipper) -> Sealing | None:
        if self._watch is None:
            return None
        seal = SealedJournal(
            shipper.journal,
            lambda: JournalReader(directory),
            self._data / "shipping" / name,
            shipper.progress,
            self._settings.receipts,
            os.urandom(16),
        )
        self._watch.add(seal, lambda: _durable(directory))
        return Sealing(seal.progress, LagWatch(directory, seal.progress))


def _durable(directory: Path) -> int:
    mark = JournalReader(directory).mark()
    return 0 if mark is None else mark.sequence


def metrics_server(host: str, port: int, sidecar: Sidecar, more: Iterable[Collector] = ()) -> MetricsServer:
    """/metrics, /livez, /readyz and /receipts/ on one small server. `more`: what else /metrics shows. Raises AuditError
    when the address is taken.
    """
    return MetricsServer(
        host,
        port,
        SidecarCollector(sidecar.journals, governance=sidecar.governance),
        sidecar.trouble,
        table="sidecar",
        pages={RECEIPTS: ReceiptPages(sidecar.receipt)},
        more=more,
    )


@contextmanager
def one_sidecar(data: Path) -> Iterator[None]:
    """Hold the shared volume's shipping directory: two sidecars would fight over the acknowledged marks."""
    directory = data / "shipping"
    make_directory(directory)
    descriptor = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise AuditError(f"{directory}: another sidecar ships these journals") from error
        yield
    finally:
        os.close(descriptor)
