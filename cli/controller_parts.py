"""The parts of a controller, of the settings."""

from __future__ import annotations

import ssl
from contextlib import closing
from typing import TYPE_CHECKING, Any

from audit.config import Config
from audit.errors import ConfigError
from audit.governance import Governance
from audit.hosts import in_url, reachable
from audit.log import configured_governance_log, configured_log
from monitoring.settings import ControllerSettings, MonitorSettings

from .approvals_open import Patient, signer_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from audit.log.base import LogReader
    from audit.scrape import Collector
    from audit.served_tls import ServedTls
    from monitoring.controller.base import Ground, Shown
    from monitoring.controller.burnt import AgainBurns
    from monitoring.controller.evidence import Again
    from monitoring.controller.ground import Grounds, Publisher
    from monitoring.controller.run import Controller, Show
    from monitoring.controller.webhook import Door
    from monitoring.figures import Alarm, Evidence
    from monitoring.read import External, StorePackages
    from monitoring.rollout.mover import Mover
    from registry.admission import InForce
    from registry.stores import Store


def token_of(config: Config, settings: ControllerSettings) -> str:
    """The webhook's token. Raises KeyRefused."""
    from monitoring.controller.token import read_token

    return read_token(config.resolve(settings.token_file))


def door_of(config: Config, settings: ControllerSettings) -> Door:
    """Who is let in: with certificates where the settings name their authority, else with the token of the file.

    Raises:
        KeyRefused: there is no token, or others can read it.
    """
    from monitoring.controller.token import LiveTokens
    from monitoring.controller.webhook import Door

    if settings.client_ca is not None:
        return Door(certificates=True)
    return Door(LiveTokens(config.resolve(settings.token_file)))


def tls_of(config: Config, settings: ControllerSettings) -> ServedTls | None:
    """TLS of the webhook; None: the settings want none.

    Raises:
        ConfigError: half of it is there.
        KeyRefused: a file is not what it should be.
    """
    from audit.served_tls import ServedTls

    pair = (settings.tls_certificate, settings.tls_key)
    if pair == (None, None) and settings.client_ca is None:
        return None
    if pair[0] is None or pair[1] is None:
        raise ConfigError("[controller] tls_certificate and tls_key go together, and client_ca needs both")
    authority = None if settings.client_ca is None else config.resolve(settings.client_ca)
    return ServedTls("controller", config.resolve(pair[0]), config.resolve(pair[1]), authority)


def collectors(
    config: Config, controller: Controller, mover: Mover, tls: ServedTls | None
) -> tuple[Collector, ...]:
    """What /metrics shows beside the counts: what waits, what is stuck, and when certificates end."""
    from audit.certificates import CertificateEnd, log_certificate
    from monitoring.controller.metrics import Gauges
    from monitoring.names import CONTROLLER_CERTIFICATE

    served = CertificateEnd(
        CONTROLLER_CERTIFICATE.name, CONTROLLER_CERTIFICATE.help, lambda: None if tls is None else tls.end()
    )
    return Gauges(controller.trouble, controller.waits), mover.stuck, served, log_certificate(config)


def client_tls(config: Config, settings: ControllerSettings) -> ssl.SSLContext:
    """TLS of who asks the controller on its own machine: it has the same files. The server's certificate is believed
    because it is the very one of the settings.
    """
    assert settings.tls_certificate is not None
    assert settings.tls_key is not None
    certificate, key = config.resolve(settings.tls_certificate), config.resolve(settings.tls_key)
    try:
        context = ssl.create_default_context(cafile=certificate)
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        context.check_hostname = False
        if settings.client_ca is not None:
            context.load_cert_chain(certificate, key)
    except OSError as error:
        raise ConfigError(f"[controller] TLS: {error.strerror or error}") from error
    return context


def publisher_of_store(store: Store) -> Publisher:
    """Who published a package, by its lineage, which the digest covers."""

    def publisher(digest: str) -> str | None:
        actor = store.pull(digest).lineage.get("actor")
        return actor if isinstance(actor, str) and actor else None

    return publisher


def monitor_url(config: Config, settings: ControllerSettings) -> str:
    """Where evidence is asked for. Raises ConfigError: nobody knows."""
    if settings.monitor_url is not None:
        return settings.monitor_url
    monitor = config.section("monitor", MonitorSettings)
    if monitor.metrics_port == 0:
        raise ConfigError(
            "[monitor] metrics_port is 0: [controller] monitor_url must say where the monitor is"
        )
    return f"http://{in_url(reachable(monitor.metrics_host))}:{monitor.metrics_port}"


def _counting(config: Config, store: Store, grounds: Grounds) -> tuple[StorePackages, External]:
    """Packages that were ever deployed, and what the object store has: what records are counted with."""
    from monitoring.read import StorePackages
    from registry.deployment import ever_named

    from .external import configured_external

    packages = StorePackages(store, lambda whose: ever_named(grounds.services()).intersection(whose))
    return packages, configured_external(config)


def again_under(config: Config, store: Store, grounds: Grounds) -> Any:
    """(policy, service) → what computes evidence under that policy; `grounds`: what was ever deployed."""
    from monitoring.judging import judged_by
    from monitoring.judging.again import again

    packages, external = _counting(config, store, grounds)

    def under(policy: InForce | None, service: str) -> Again:
        judged = judged_by(None if policy is None else policy.policy, service)
        return lambda evidence, reader: again(evidence, reader, packages, judged, external)

    return under


def burnt_under(config: Config, store: Store, grounds: Grounds) -> Any:
    """(policy, service) → what computes burn rates under that policy; `grounds`: what was ever deployed."""
    from monitoring.burns import again
    from monitoring.judging.limits import NOBODY
    from registry.policy import Slo

    packages, external = _counting(config, store, grounds)

    def under(policy: InForce | None, service: str) -> AgainBurns:
        section = None if policy is None else policy.policy.services.get(service)
        slo, digest = (Slo(), NOBODY) if policy is None or section is None else (section.slo, policy.digest)
        return lambda given, reader: again(given, reader, packages, slo, digest, external)

    return under


def _show(config: Config, settings: ControllerSettings, store: Store, grounds: Grounds) -> Show:
    from monitoring.controller.burnt import look
    from monitoring.controller.evidence import fetch, show
    from monitoring.controller.place import place_of
    from monitoring.controller.weigh import SLO
    from monitoring.errors import EvidenceUnavailable, EvidenceWrong
    from monitoring.panes import Of

    url, log = monitor_url(config, settings), configured_log(config, create=False)
    size = config.section("monitor", MonitorSettings).pane_records
    under, burnt = again_under(config, store, grounds), burnt_under(config, store, grounds)

    def shown(alarm: Alarm, digest: str, ground: Ground) -> Shown:
        if alarm.cause == SLO:
            place = place_of(digest, alarm.slot, ground.deployed)
            if place is None or ground.section is None:
                raise EvidenceUnavailable(f"{digest} is not {alarm.slot} for {alarm.service}")
            of = Of(alarm.service, digest, alarm.slot)
            topic, reader = _opened(log)
            with closing(reader):
                return look(
                    of, place.logged, ground.section, size, topic, reader, burnt(ground.policy, alarm.service)
                )
        evidence: Evidence = fetch(url, alarm.service, digest, alarm.slot)
        if evidence.pane_records != size:
            # Who may choose the panes' size may choose single records.
            raise EvidenceWrong(
                f"the evidence's panes have {evidence.pane_records} offsets, and the settings {size}"
            )
        topic, reader = _opened(log)
        with closing(reader):
            return show(evidence, topic, reader, under(ground.policy, alarm.service))

    return shown


def _opened(log: Any) -> tuple[Any, LogReader]:
    """Raises EvidenceUnavailable: there is no log yet, or it does not answer."""
    from audit.errors import AuditError
    from monitoring.errors import EvidenceUnavailable

    try:
        return log.topic(), log.reader()
    except AuditError as error:
        raise EvidenceUnavailable(f"the log: {error}") from error


def configured_controller(config: Config, settings: ControllerSettings) -> Controller:
    """The controller of a settings file. Nothing is contacted yet.

    Raises:
        ConfigError: no root, or a table that contradicts itself.
        KeyRefused: its key is not there, or can be read by others.
        NotProved: the root is not signed by its own people.
    """
    from monitoring.controller.act import appender
    from monitoring.controller.ground import Follower
    from monitoring.controller.run import Controller
    from registry.approvals.board import first_root_of
    from registry.approvals.webhook import send
    from registry.stores import configured_store

    first, store = first_root_of(config), configured_store(config)
    signer = signer_of(config.resolve(settings.key_file))
    governance = configured_governance_log(config, create=False)
    follower = Follower(governance, first, publisher_of_store(store))
    webhook = settings.retrain_webhook

    def tell(message: Mapping[str, Any]) -> None:
        assert webhook is not None
        send(webhook, message)

    return Controller(
        follower,
        _show(config, settings, store, follower.grounds),
        appender(Governance(Patient(governance), signer)),
        signer.id,
        tell=None if webhook is None else tell,
    )


def configured_mover(config: Config, settings: ControllerSettings) -> Mover:
    """What takes the steps of rollouts. Raises: as `configured_controller`."""
    from monitoring.controller.act import appender
    from monitoring.controller.ground import Follower
    from monitoring.rollout.mover import Mover, fetched
    from registry.approvals.board import first_root_of
    from registry.stores import configured_store

    signer = signer_of(config.resolve(settings.key_file))
    governance = configured_governance_log(config, create=False)
    follower = Follower(governance, first_root_of(config), publisher_of_store(configured_store(config)))
    append = appender(Governance(Patient(governance), signer))
    return Mover(follower, fetched(monitor_url(config, settings)), append, signer.id)
