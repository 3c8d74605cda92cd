"""The gateway asks admission itself before a digest answers, and remembers what it has seen of the governance log.

Nothing is believed but the first root, whose digest is remembered from the first start on. Of the governance log
what was read before is remembered by its length and hash, on the gateway's own disk: a log that is shorter, other or
another topic's is refused, and what is served goes on. The time that was reached is remembered, too.

A crash between a swap and `served` forgets which digest was served last: a revocation then takes the service off
instead of falling back to it.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Final, NamedTuple

import structlog

from audit.config import Config
from audit.errors import ConfigError, LogError
from audit.files import make_directory, parse_json, replace_file
from audit.governance import PARTITION
from audit.log import configured_governance_log
from audit.log.base import Log, LogEntry, LogReader
from audit.notary.holes import entry_of
from audit.proof.hashing import leaf_hash
from audit.proof.merkle import LeafNodes
from audit.proof.merkle import root as merkle_root
from audit.settings import LogSettings
from audit.show import walk
from audit.trees import Trees, configured_trees
from registry.admission import InForce, Verdict, evaluate, policy_in_force
from registry.approvals.root import fold_roots, parse_root
from registry.errors import NotAdmitted
from registry.package import Package
from registry.settings import GovernanceSettings
from registry.statement import PREDICATES, said_in

from .settings import PlanSettings

log = structlog.get_logger("affiant.gateway")

POLL_SECONDS: Final = 0.5
RECHECK_SECONDS: Final = 30.0
_KEPT: Final = 16
"""Digests of a service that were live, to fall back to."""


class Admitted(NamedTuple):
    """A plan without what may not answer. `refused`: why, a line for each."""

    entries: tuple[PlanSettings, ...]
    refused: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Memory:
    """What survives a restart."""

    root: str
    """The first root's digest."""
    topic: str = ""
    end: int = 0
    hash: str = ""
    """Over the values of all entries before `end`, each with its length."""
    clock: float = 0.0
    served: dict[str, list[str]] = field(default_factory=dict)
    """Service → digests that were live, newest last."""

    @classmethod
    def read(cls, path: Path) -> _Memory | None:
        """Raises NotAdmitted: it is there and damaged."""
        try:
            return cls(**parse_json(path.read_bytes()))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError) as error:
            raise NotAdmitted(f"{path} is damaged: the gateway no longer knows what it has seen") from error

    def write(self, path: Path) -> None:
        content = {name: getattr(self, name) for name in self.__dataclass_fields__}
        replace_file(path, json.dumps(content).encode())


def memory_path(data: Path, worker: int) -> Path:
    """Where a worker remembers; each has its own file."""
    return data / "admission" / f"{worker}.json"


def configured_admission(
    config: Config, worker: int, publisher: Callable[[str], str | None]
) -> Admission | None:
    """The gateway's admission, or None when the settings govern nothing, and never did.

    Raises:
        ConfigError: [governance] is gone although this gateway was governed: who can write the settings cannot end it;
            or the log is Kafka and there is no copy to read.
    """
    settings = config.section("governance", GovernanceSettings)
    path = memory_path(config.data, worker)
    if settings.root is None:
        if path.parent.is_dir():
            raise ConfigError(
                f"{config.path.name}: this gateway was governed, and [governance] root is gone; whoever means that "
                f"removes {path.parent}"
            )
        return None
    if config.section("log", LogSettings).backend != "local":
        raise ConfigError(
            f'{config.path.name}: [governance] wants [log] backend = "local" here: a gateway does not speak to Kafka'
        )
    return Admission(
        path,
        config.resolve(settings.root),
        configured_governance_log(config, create=False),
        publisher,
        trees=configured_trees(config) if settings.checkpoint else None,
    )


def publisher_of(package: Package) -> str | None:
    """Who published a package, by its lineage: the digest covers it. Raises PackageError."""
    actor = package.lineage.get("actor")
    return actor if isinstance(actor, str) and actor else None


class Admission:
    """One worker's. Used by one thread at a time."""

    def __init__(
        self,
        path: Path,
        root: Path,
        governance: Log,
        publisher: Callable[[str], str | None],
        clock: Callable[[], float] = time.time,
        trees: Trees | None = None,
    ) -> None:
        """`publisher`: a digest → who published it, out of the verified package. `trees`: the log is held to them."""
        self._trees = trees
        self._path = path
        self._root = root
        self._log = governance
        self._publisher = publisher
        self._clock = clock
        self._publishers: dict[str, str | None] = {}

    def admit(self, entries: tuple[PlanSettings, ...]) -> Admitted:
        """The plan's entries that may answer now.

        A live digest that may not is replaced by the newest that was live and still may; where there is none, the
        service goes. A canary or a shadow that may not is left out.

        Raises:
            NotAdmitted: the log, the root or what is remembered is not what it should be: nothing may change.
            LogUnavailable: the log is not to be read.
            RegistryError: the store does not give the package that is asked for.
        """
        try:
            first = parse_root(self._root.read_bytes())
        except OSError as error:
            raise NotAdmitted(f"{self._root}: {error.strerror}") from error
        known = _Memory.read(self._path)
        if known is None:
            known = _Memory(first.digest)
        if known.root != first.digest:
            raise NotAdmitted(f"{self._root} is another first root than the one that this gateway began with")
        reader = self._log.reader()
        try:
            known, read = self._look(reader, known)
        finally:
            reader.close()
        roots = fold_roots(first, said_in(read))
        said = [each for each in said_in(read, roots.public_keys()) if each.type in PREDICATES]
        now = max(self._clock(), known.clock)
        make_directory(self._path.parent)
        replace(known, clock=now).write(self._path)
        policy = policy_in_force(roots, said)

        def ask(entry: PlanSettings) -> Verdict:
            return evaluate(
                roots, policy, said, service=entry.service, digest=entry.digest, slot=entry.slot, now=now,
                publisher=self._publisher_of(entry.digest),
            )  # fmt: skip

        return _filter(entries, ask, known.served, policy)

    def served(self, entries: tuple[PlanSettings, ...]) -> None:
        """Remember what is live now, to fall back to."""
        known = _Memory.read(self._path)
        assert known is not None
        served = {service: list(digests) for service, digests in known.served.items()}
        for entry in entries:
            if entry.slot == "live":
                digests = [each for each in served.get(entry.service, []) if each != entry.digest]
                served[entry.service] = [*digests, entry.digest][-_KEPT:]
        if served != known.served:
            replace(known, served=served).write(self._path)

    async def follow(
        self,
        refresh: Callable[[], Awaitable[bool]],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Call `refresh` when the governance log has grown, and now and then: approvals expire. Never returns."""
        seen, waited = None, 0.0
        while True:
            await sleep(POLL_SECONDS)
            waited += POLL_SECONDS
            now = await asyncio.to_thread(self._end)
            if now != seen or waited >= RECHECK_SECONDS:
                seen, waited = now, 0.0
                await refresh()

    def _end(self) -> int | None:
        """Where the log ends; None when it does not say: `admit` says why."""
        try:
            reader = self._log.reader()
        except LogError:
            return None
        try:
            return reader.bounds(PARTITION)[1]
        except LogError:
            return None
        finally:
            reader.close()

    def _publisher_of(self, digest: str) -> str | None:
        if digest not in self._publishers:
            self._publishers[digest] = self._publisher(digest)
        return self._publishers[digest]

    def _look(self, reader: LogReader, known: _Memory) -> tuple[_Memory, list[LogEntry]]:
        """Read the whole log and hold it to what is remembered."""
        topic = self._log.topic().id.hex()
        first, end = reader.bounds(PARTITION)
        if first != 0:
            raise NotAdmitted(f"the governance log begins at offset {first}: its beginning is gone")
        if known.topic not in ("", topic):
            raise NotAdmitted("the governance log is another topic than the one that was read before")
        if end < known.end:
            raise NotAdmitted(
                f"the governance log ends at {end}, and {known.end} entries of it were read before"
            )
        entries: list[LogEntry] = []
        so_far = sha256()
        for entry in walk(reader, PARTITION, 0, end, name="governance log"):
            if entry.offset != len(entries):
                raise NotAdmitted(f"the governance log has no offset {len(entries)}")
            value = entry.value or b""
            so_far.update(len(value).to_bytes(8, "big") + value)
            entries.append(entry)
            if entry.offset + 1 == known.end and so_far.hexdigest() != known.hash:
                raise NotAdmitted(
                    f"the first {known.end} entries of the governance log are not those read before"
                )
        self._sealed(entries)
        return replace(known, topic=topic, end=end, hash=so_far.hexdigest()), entries

    def _sealed(self, entries: list[LogEntry]) -> None:
        """Hold what was read to the notary's newest checkpoint."""
        if self._trees is None:
            return
        topic = self._log.topic()
        sealed = self._trees.tree(topic.id, PARTITION).published().opened.checkpoint
        if len(entries) < sealed.size:
            raise NotAdmitted(
                f"the notary has sealed {sealed.size} entries of the governance log, and it has {len(entries)}"
            )
        leaves = [
            leaf_hash(entry_of(each.value, topic, PARTITION, each.offset).entry)
            for each in entries[: sealed.size]
        ]
        if merkle_root(LeafNodes(leaves), sealed.size) != sealed.root:
            raise NotAdmitted("the governance log is not the one that the notary has sealed")


def _filter(
    entries: tuple[PlanSettings, ...],
    ask: Callable[[PlanSettings], Verdict],
    served: dict[str, list[str]],
    policy: InForce | None,
) -> Admitted:
    kept: list[PlanSettings] = []
    refused: list[str] = []
    for service in dict.fromkeys(each.service for each in entries):
        own = [each for each in entries if each.service == service]
        live = next(each for each in own if each.slot == "live")
        rules = policy.rules(service) if policy is not None else None
        lasting = rules is not None and not rules.stop_on_expiry

        def may(entry: PlanSettings, lasting: bool = lasting, service: str = service) -> bool:
            verdict = ask(entry)
            was_live = entry.slot == "live" and served.get(service, [])[-1:] == [entry.digest]
            if verdict.admitted or (verdict.expired and lasting and was_live):
                return True
            refused.append(f"{service}: {entry.digest} may not be {entry.slot}: {'; '.join(verdict.reasons)}")
            return False

        before = [live.model_copy(update={"digest": each}) for each in reversed(served.get(service, []))]
        found = next((each for each in (live, *(one for one in before if one != live)) if may(each)), None)
        if found is None:
            continue
        kept.append(found)
        kept += [each for each in own if each.slot != "live" and each.digest != found.digest and may(each)]
    return Admitted(tuple(kept), tuple(refused))
