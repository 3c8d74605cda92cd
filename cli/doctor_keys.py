"""The doctor's checks of files with keys, secrets and certificates: those of the components that run here, no others'.

In a cluster each container has its own files alone: what another one reads is not there, and need not be.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from audit.doctor import clock, rights, secrets
from audit.doctor.base import Outcome
from audit.journal.identity import KEY_NAME
from audit.journal.settings import journal_settings
from audit.notary.keys import FileKey
from audit.payload_keys import EncryptionSettings
from audit.settings import LogSettings, NotarySettings
from monitoring.settings import ControllerSettings, MonitorSettings
from registry.settings import GovernanceSettings, StoreSettings
from service.journals import JOURNALS
from service.settings import GatewaySettings, TelemetrySettings

if TYPE_CHECKING:
    from audit.config import Config

    from .doctor_checks import Asked

_PUT: Final = "put it there, of mode 0600"
_PULLING: Final = frozenset({"gateway", "monitor", "controller", *rights.CALLERS})
"""Who asks the store of model packages."""


def keys(asked: Asked) -> Iterator[Outcome]:
    """Whether each is there, closed to others, and a key."""
    for each in (*_own(asked), *_payload_keys(asked), *_mounted(asked)):
        yield from secrets.look(each, asked.facts)


def _own(asked: Asked) -> Iterator[secrets.Secret]:
    """Keys that their component refuses when its group can read them: a chart copies those out of their Secret."""
    config, parts = asked.config, asked.parts
    notary = config.section("notary", NotarySettings)
    controller = config.section("controller", ControllerSettings)
    gateway = config.section("gateway", GatewaySettings)
    if "notary" in parts and not notary.signer_command:
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
        if gateway.subject_keys_file is not None:
            make = "`affiant subjects new-key` makes it"
            yield secrets.Secret("keys of subjects", config.resolve(gateway.subject_keys_file), make)
        for key in _journal_keys(config):
            yield secrets.Secret(
                "a journal's key", key, "a journal without its key can sign nothing any more"
            )


def _journal_keys(config: Config) -> list[Path]:
    """Where they are apart, of files that are named like a journal: a volume's own, and drafts, are none."""
    keys, journals = journal_settings(config).key_directory, config.data / JOURNALS
    if keys is None:
        return sorted(journals.glob(f"*/{KEY_NAME}"))
    return sorted(path for path in keys.glob("*") if path.name.isdecimal() or (journals / path.name).is_dir())


def _payload_keys(asked: Asked) -> Iterator[secrets.Secret]:
    settings = asked.config.section("encryption", EncryptionSettings)
    if settings.keys_file is not None and {"gateway", "monitor", "controller"} & set(asked.parts):
        make = "`affiant payload-keys new` makes it"
        yield secrets.Secret("payload keys", asked.config.resolve(settings.keys_file), make)


def _mounted(asked: Asked) -> Iterator[secrets.Secret]:
    """Those that a library reads, of whatever mode: a chart leaves them in their Secret's volume."""
    config = asked.config
    log = config.section("log", LogSettings)
    kafka = log.backend == "kafka" and rights.speaks(asked.parts)
    found: list[tuple[str, Path | None]] = []
    if "gateway" in asked.parts:
        found.append(("TLS key of the gateway", config.section("gateway", GatewaySettings).tls_key))
    if "controller" in asked.parts:
        found.append(("TLS key of the controller", config.section("controller", ControllerSettings).tls_key))
    if "monitor" in asked.parts:
        people = config.section("monitor", MonitorSettings).people_webhook_file
        found.append(("the address at which people are told", people))
    if kafka:
        found.append(("our key for the brokers", log.key_file))
        found.append(("password for the brokers", log.sasl_password_file))
    found.append(("the webhook's address", config.section("governance", GovernanceSettings).webhook_url_file))
    for what, path in found:
        if path is not None:
            yield secrets.Secret(what, config.resolve(path), _PUT, mounted=True)


class _Shown(NamedTuple):
    """A certificate of the settings, and its key where it is ours."""

    what: str
    certificate: Path | None
    key: Path | None = None


def certificates(asked: Asked) -> Iterator[Outcome]:
    """Whether each can be used now, and for a while yet."""
    config = asked.config
    now = clock.utc(asked.now())
    for shown in (*_ours(asked), *_believed(asked)):
        if shown.certificate is not None:
            key = None if shown.key is None else config.resolve(shown.key)
            pair = secrets.Pair(shown.what, config.resolve(shown.certificate), key)
            yield from secrets.look_at_pair(pair, now)


def _ours(asked: Asked) -> Iterator[_Shown]:
    """What our components show, and whom they let in."""
    config, parts = asked.config, asked.parts
    gateway = config.section("gateway", GatewaySettings)
    controller = config.section("controller", ControllerSettings)
    if "gateway" in parts:
        yield _Shown("the gateway's certificate", gateway.tls_certificate, gateway.tls_key)
        yield _Shown("the certificate of the gateway's clients' CA", gateway.client_ca)
    if "controller" in parts:
        yield _Shown("the controller's certificate", controller.tls_certificate, controller.tls_key)
        yield _Shown("the certificate of the controller's clients' CA", controller.client_ca)


def _believed(asked: Asked) -> Iterator[_Shown]:
    """What they show to others, and whom they believe there."""
    config, parts = asked.config, set(asked.parts)
    log = config.section("log", LogSettings)
    if log.backend == "kafka" and rights.speaks(parts):
        yield _Shown("our certificate for the brokers", log.certificate_file, log.key_file)
        yield _Shown("the certificate of the brokers' CA", log.ca_file)
    if parts & _PULLING:
        yield _Shown(
            "the certificate of the package store's CA", config.section("store", StoreSettings).ca_file
        )
    if "notary" in parts:
        for witness in config.section("notary", NotarySettings).witnesses:
            yield _Shown(f"the certificate of the CA of {witness.url}", witness.ca_file)
    if parts & {"gateway", "sidecar"}:
        authority = config.section("telemetry", TelemetrySettings).ca_file
        yield _Shown("the certificate of the collector's CA", authority)
