"""The doctor's checks of a settings file, for the components that run on this machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path

from audit.config import Config
from audit.doctor import clock, disk, secrets, state, topics, versions
from audit.doctor.base import Check, Finding, Looked, Outcome
from audit.doctor.clock import Reference, Steady
from audit.doctor.reach import Ask, accepts, get, why
from audit.errors import LogUnavailable, NoSuchTopic
from audit.log import configured_governance_log, configured_log, governance_copy
from audit.log.base import Log
from audit.notary.keys import FileKey, read_vkey
from audit.payload_keys import EncryptionSettings
from audit.settings import JournalSettings, LogSettings, NotarySettings, SidecarSettings
from audit.trees import configured_trees
from monitoring.settings import ControllerSettings
from registry.settings import GovernanceSettings
from service.journals import JOURNALS, SHIPPING
from service.settings import GatewaySettings

from . import doctor_reach
from .config_uses import logs


@dataclass(frozen=True)
class Asked:
    """What the doctor is to look at, and by which clock (ns since 1970 UTC)."""

    config: Config
    parts: Collection[str]
    """Components of this machine, by the names that `affiant up` gives them."""
    running: bool = False
    """Whether they shall run now: one that does not answer is a finding then."""
    alertmanager: str | None = None
    requirements: Path | None = None
    now: Callable[[], int] = time.time_ns
    ask: Ask = get
    silent: list[str] = field(default_factory=list)
    """Logs that do not answer: who waits for them again waits long."""
    references: list[Reference] = field(default_factory=list)
    """Times that others have said on the way."""


def checks(asked: Asked) -> list[Check]:
    """In the order in which they are told; clocks last, since the others hear what time others have."""
    steady = Steady(asked.now)
    return [
        Check("disk", partial(_disk, asked)),
        Check("keys", partial(_keys, asked)),
        Check("keys", partial(_certificates, asked)),
        *_log(asked),
        *doctor_reach.checks(asked),
        *_kept(asked),
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


def _keys(asked: Asked) -> Iterator[Outcome]:
    return chain.from_iterable(secrets.look(each) for each in _secrets(asked))


def _secrets(asked: Asked) -> Iterator[secrets.Secret]:
    config, parts = asked.config, asked.parts
    notary = config.section("notary", NotarySettings)
    controller = config.section("controller", ControllerSettings)
    gateway = config.section("gateway", GatewaySettings)
    log = config.section("log", LogSettings)
    hook = config.section("governance", GovernanceSettings).webhook_url_file
    if "notary" in parts:
        key = config.resolve(notary.key_file)
        yield secrets.Secret("the notary's key", key, "`affiant notary keygen` makes it", read=FileKey)
    if "controller" in parts:
        yield secrets.Secret(
            "the controller's key", config.resolve(controller.key_file), "`affiant roles keygen` makes one"
        )
        yield secrets.Secret(
            "the controller's token",
            config.resolve(controller.token_file),
            "`affiant controller token` makes it",
            wanted=controller.client_ca is None,
        )
    if "gateway" in parts:
        if gateway.keys_file is not None:
            make = "`affiant gateway keys add NAME` makes the first one, and the file"
            yield secrets.Secret("API keys", config.resolve(gateway.keys_file), make)
        for key in sorted((config.data / JOURNALS).glob("*/key")):
            yield secrets.Secret(
                "a journal's key", key, "a journal without its key can sign nothing any more"
            )
    encryption = config.section("encryption", EncryptionSettings)
    if encryption.keys_file is not None and {"gateway", "monitor", "controller"} & set(parts):
        make = "`affiant payload-keys new` makes it"
        yield secrets.Secret("payload keys", config.resolve(encryption.keys_file), make)
    for what, path in (
        ("TLS key of the gateway", gateway.tls_key),
        ("TLS key of the controller", controller.tls_key),
        ("our key for the brokers", log.key_file),
        ("password for the brokers", log.sasl_password_file),
        ("the webhook's address", hook),
    ):
        if path is not None:
            yield secrets.Secret(what, config.resolve(path), "put it there, of mode 0600")


def _certificates(asked: Asked) -> Iterator[Outcome]:
    config = asked.config
    gateway = config.section("gateway", GatewaySettings)
    controller = config.section("controller", ControllerSettings)
    log = config.section("log", LogSettings)
    now = clock.utc(asked.now())
    for what, certificate, key in (
        ("the gateway's certificate", gateway.tls_certificate, gateway.tls_key),
        ("the controller's certificate", controller.tls_certificate, controller.tls_key),
        ("the certificate of the controller's clients' CA", controller.client_ca, None),
        ("our certificate for the brokers", log.certificate_file, log.key_file),
        ("the certificate of the brokers' CA", log.ca_file, None),
    ):
        if certificate is not None:
            pair = secrets.Pair(
                what, config.resolve(certificate), None if key is None else config.resolve(key)
            )
            yield from secrets.look_at_pair(pair, now)


def _log(asked: Asked) -> Iterator[Check]:
    """The topics: of a local log there is nothing to set, and the sidecar makes it."""
    config = asked.config
    settings = config.section("log", LogSettings)
    where = ", ".join(logs(config))
    remedy = (
        "start the brokers, or set [log] bootstrap, security_protocol and the log-in right"
        if settings.backend == "kafka"
        else "give the components the right to read it, and name in [log] the topic that is there"
    )
    unless = ("log-unreachable", where, remedy)
    if settings.backend == "kafka":
        from audit.log.kafka import KafkaLog
        from monitoring.state_topic import check_state_topic, state_log

        silent = [(each, accepts(each)) for each in (settings.bootstrap or "").split(",")]
        if all(error is not None for _, error in silent):
            asked.silent.append(where)
            yield Check("log", partial(_silent, where, remedy, silent))
            return
        for log in (configured_log(config), configured_governance_log(config)):
            assert isinstance(log, KafkaLog)
            yield Check("log", partial(topics.look, log, log.check), unless)
        panes = state_log(config)
        if panes is not None and "monitor" in asked.parts:
            yield Check("log", partial(topics.look, panes, partial(check_state_topic, panes)), unless)
    yield Check("log", partial(_times, asked, configured_log(config, create=False)), unless)


def _silent(where: str, remedy: str, brokers: list[tuple[str, OSError | None]]) -> Iterator[Outcome]:
    """No broker takes a connection: clients would wait long, each for itself, before they say so."""
    said = "; ".join(f"{broker}: {why(error)}" for broker, error in brokers if error is not None)
    yield Finding("log-unreachable", where, f"no broker takes a connection: {said}", remedy)


def _times(asked: Asked, log: Log) -> Iterator[Outcome]:
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
    if {"notary", "sidecar"} & set(asked.parts):
        where = settings.store or str(config.data / "sealed")
        remedy = "is the store up, is [notary] store right, and may this user read there?"
        yield Check("state", partial(_sealed, asked), ("sealed-unreachable", where, remedy))
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
    for log in (
        configured_log(asked.config, create=False),
        configured_governance_log(asked.config, create=False),
    ):
        try:
            topic = log.topic()
        except LogUnavailable:
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
