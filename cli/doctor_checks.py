"""The doctor's checks of a settings file, for the components that run on this machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from audit.config import Config
from audit.doctor import clock, disk, rights, state, topics, versions
from audit.doctor.base import Check, Finding, Looked, Outcome
from audit.doctor.clock import Reference, Steady
from audit.doctor.reach import Ask, accepts, get, why
from audit.doctor.secrets import Facts, facts_of
from audit.errors import ConfigError, LogUnavailable, NoSuchTopic
from audit.log import configured_governance_log, configured_log, governance_copy
from audit.log.base import Log
from audit.notary.keys import read_vkey
from audit.settings import JournalSettings, LogSettings, NotarySettings, SidecarSettings
from audit.trees import configured_trees
from service.journals import JOURNALS, SHIPPING
from service.settings import GatewaySettings

from . import doctor_governance, doctor_keys, doctor_lock, doctor_reach
from .config_uses import logs


@dataclass(frozen=True)
class Asked:
    """What the doctor is to look at, and by which clock (ns since 1970 UTC)."""

    config: Config
    parts: Collection[str]
    """Components of this machine, by the names that `affiant up` gives them; and callers, by rights.CALLERS."""
    running: bool = False
    """Whether they shall run now: one that does not answer is a finding then."""
    alertmanager: str | None = None
    requirements: Path | None = None
    now: Callable[[], int] = time.time_ns
    ask: Ask = get
    facts: Callable[[int], Facts] = facts_of
    silent: list[str] = field(default_factory=list)
    """Logs that do not answer: who waits for them again waits long."""
    references: list[Reference] = field(default_factory=list)
    """Times that others have said on the way."""


def checks(asked: Asked) -> list[Check]:
    """In the order in which they are told; clocks last, since the others hear what time others have."""
    steady = Steady(asked.now)
    return [
        Check("disk", partial(_disk, asked)),
        Check("keys", partial(doctor_keys.keys, asked)),
        Check("keys", partial(doctor_keys.certificates, asked)),
        *_log(asked),
        *doctor_reach.checks(asked),
        *_kept(asked),
        *doctor_governance.checks(asked),
        Check("versions", partial(_versions, asked)),
        Check("clock", partial(_clock, asked, steady)),
    ]


def _disk(asked: Asked) -> Iterator[Outcome]:
    """Where journals are written; elsewhere nothing of this machine's disk is promised."""
    config = asked.config
    if "gateway" not in asked.parts:
        return
    workers = config.section("gateway", GatewaySettings).workers
    bound = config.section("journal", JournalSettings).max_bytes * workers

    def probed(directory: Path) -> disk.Probed:
        found = disk.probe(directory, asked.now)
        asked.references.append(Reference(f"the file system of {directory}", found.ahead))
        return found

    yield from disk.look(config.data, config.data / JOURNALS, bound, probed)


def _log(asked: Asked) -> Iterator[Check]:
    """The topics: of a local log there is nothing to set, and the sidecar makes it. A gateway speaks to no broker, and
    need not have what is wanted for it.
    """
    config, parts = asked.config, asked.parts
    settings = config.section("log", LogSettings)
    if settings.backend == "kafka" and not rights.speaks(parts):
        return
    where = ", ".join(logs(config))
    remedy = (
        "start the brokers, or set [log] bootstrap, security_protocol and the log-in right"
        if settings.backend == "kafka"
        else "give the components the right to read it, and name in [log] the topic that is there"
    )
    unless = ("log-unreachable", where, remedy)
    if settings.backend == "kafka":
        silent = [(each, accepts(each)) for each in (settings.bootstrap or "").split(",")]
        if all(error is not None for _, error in silent):
            asked.silent.append(where)
            yield Check("log", partial(_silent, where, remedy, silent))
            return
        for which in (rights.ENTRIES, rights.GOVERNANCE, rights.PANES):
            if rights.needed(parts, which):
                yield Check("log", partial(_topic, asked, which), unless)
        if not rights.needed(parts, rights.ENTRIES):
            return  # they may not read what times the record has
    yield Check("log", partial(_times, asked), unless)


def _topic(asked: Asked, which: str) -> Iterator[Outcome]:
    """One topic of a cluster. Raises ConfigError where a file of the log-in is none: told as a finding, like others."""
    from audit.log.kafka import KafkaLog
    from monitoring.state_topic import check_state_topic, state_log

    config = asked.config
    if which == rights.PANES:
        log: Log | None = state_log(config)
    else:
        log = (configured_log if which == rights.ENTRIES else configured_governance_log)(config)
    assert isinstance(log, KafkaLog)
    check = partial(check_state_topic, log) if which == rights.PANES else log.check
    return topics.look(log, check, asked.parts, which)


def _silent(where: str, remedy: str, brokers: list[tuple[str, OSError | None]]) -> Iterator[Outcome]:
    """No broker takes a connection: clients would wait long, each for itself, before they say so."""
    said = "; ".join(f"{broker}: {why(error)}" for broker, error in brokers if error is not None)
    yield Finding("log-unreachable", where, f"no broker takes a connection: {said}", remedy)


def _times(asked: Asked) -> Iterator[Outcome]:
    log = configured_log(asked.config, create=False)
    try:
        topic = log.topic()
        for each in topics.times(log, asked.now()):
            if isinstance(each, Reference):
                asked.references.append(each)
            else:
                yield each
    except NoSuchTopic as error:
        yield Looked("log", str(error))  # of a cluster it is told above; a local one is made by the sidecar
        return
    yield Looked(
        f"{topic.backend} log", f"topic {topic.name}, {topic.partitions} partitions, id {topic.id.hex()}"
    )
    yield from topics.look_at_routes(asked.config.data / SHIPPING, topic)


def _kept(asked: Asked) -> Iterator[Check]:
    config = asked.config
    yield Check("state", partial(state.look_at_journals, config.data / JOURNALS))
    if config.section("log", LogSettings).backend == "local":
        directories = [Path(place) for place in logs(config)]
    else:
        directories = [governance_copy(config)]
    yield Check("state", partial(state.look_at_topics, *directories))
    settings = config.section("notary", NotarySettings)
    if {"notary", "sidecar", "auditor"} & set(asked.parts):
        where = settings.store or str(config.data / "sealed")
        remedy = "is the store up, is [notary] store right, and may this user read there?"
        yield Check("state", partial(_sealed, asked), ("sealed-unreachable", where, remedy))
        yield Check("state", partial(doctor_lock.look, config), ("sealed-unreachable", where, remedy))
    if "sidecar" in asked.parts:
        where = config.section("sidecar", SidecarSettings).object_store or str(config.data / "objects")
        remedy = "is the store up, is [sidecar] object_store right, and may this user read there?"
        yield Check("state", partial(doctor_reach.objects, asked), ("objects-unreachable", where, remedy))


def _sealed(asked: Asked) -> Iterator[Outcome]:
    """What the notary keeps, of the topics that there are."""
    trees = configured_trees(asked.config)
    trees.objects.get("affiant-doctor")  # whether it answers, before anything is sealed
    if "notary" in asked.parts or trees.trust.public_key_file.exists():
        yield from _public_key(trees.trust.public_key_file)
    if asked.silent:
        return
    for opened in (configured_log, configured_governance_log):
        try:
            topic = opened(asked.config, create=False).topic()
        except (ConfigError, LogUnavailable):
            continue  # told above
        yield from state.look_at_trees(trees.objects, topic)


def _public_key(path: Path) -> Iterable[Outcome]:
    """Whether it is one."""
    if not path.exists():
        return [
            Finding(
                "key-absent",
                str(path),
                "the notary's public key is not there",
                "`affiant notary vkey` prints it",
            )
        ]
    return [Looked("the notary's public key", str(read_vkey(path)))]


def _versions(asked: Asked) -> Iterator[Outcome]:
    there = versions.installed()
    wanted, pythons = versions.asked_for()
    yield from versions.look(there, wanted, versions.python(), pythons)
    if asked.requirements is not None:
        yield from versions.look_locked(there, asked.requirements)


def _clock(asked: Asked, steady: Steady) -> Iterator[Outcome]:
    yield from clock.judge(asked.references)
    yield from steady.judge()
