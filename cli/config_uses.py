"""What each component would use, as the settings have it: addresses, and files with their paths made absolute."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from audit.config import Config
from audit.errors import ConfigError
from audit.hosts import in_url, reachable
from audit.log import governance_copy
from audit.payload_keys import EncryptionSettings
from audit.settings import LogSettings, NotarySettings, SidecarSettings
from monitoring.settings import ControllerSettings, MonitorSettings
from registry.settings import GovernanceSettings, StoreSettings
from service.journals import JOURNALS
from service.settings import GatewaySettings, TelemetrySettings, read_plan


@dataclass(frozen=True, slots=True)
class Use:
    """One thing that a component would use. `there` is None for what is no file of this machine."""

    component: str
    what: str
    where: str
    there: bool | None = None


def uses(config: Config) -> list[Use]:
    """In the order of the components. Nothing is made, and nobody is asked.

    Raises:
        ConfigError: a table is not what its model wants; see `cli.tables.problems` for all that is wrong.
    """
    return [*_gateway(config), *_sidecar(config), *_notary(config), *_monitor(config), *_controller(config)]


def contradictions(config: Config) -> list[str]:
    """What is wrong with tables that are each right alone, as who opens what they name would say. Nobody is asked."""
    from audit.log import configured_log
    from audit.ship.external import ExternalStore
    from audit.trees import configured_trees

    sidecar = config.section("sidecar", SidecarSettings)
    found = []
    for opened in (
        lambda: configured_log(config, create=False),
        lambda: configured_trees(config),
        lambda: ExternalStore(sidecar.object_store or config.data / "objects"),
    ):
        try:
            opened()
        except ConfigError as error:
            found.append(str(error))
        except ModuleNotFoundError:
            continue  # a bucket's client: this machine runs no component that opens it
    return found


def without_credentials(url: str) -> str:
    """A URL that may be shown: what stands before an @ of its host goes."""
    scheme, separator, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}{separator}{host.rpartition('@')[2]}{slash}{path}"


def _file(config: Config, component: str, what: str, path: Path | None) -> Iterator[Use]:
    if path is not None:
        absolute = config.resolve(path)
        yield Use(component, what, str(absolute), absolute.exists())


def store_place(config: Config, url: str | None, default: str) -> str:
    """Where objects are kept: a URL as it stands, a directory with its path made absolute."""
    if url is None:
        return str(config.data / default)
    return url if "://" in url else str(config.resolve(Path(url)))


def packages(config: Config) -> str:
    """Where model packages are: a directory, a reference, or a server."""
    store = config.section("store", StoreSettings)
    if store.backend == "oci":
        return f"{store.reference} (oci)"
    if store.backend == "mlflow":
        return f"{without_credentials(store.tracking_uri or '$MLFLOW_TRACKING_URI')} (mlflow)"
    return str(config.resolve(store.directory) if store.directory else config.data / "store")


def logs(config: Config) -> tuple[str, str]:
    """The log and the governance log."""
    log = config.section("log", LogSettings)
    if log.backend == "kafka":
        return f"kafka://{log.bootstrap}/{log.topic}", f"kafka://{log.bootstrap}/{log.governance_topic}"
    directory = config.resolve(log.directory) if log.directory else config.data / "log"
    return str(directory), str(directory.with_name(f"{directory.name}-governance"))


def _gateway(config: Config) -> Iterator[Use]:
    settings = config.section("gateway", GatewaySettings)
    governance = config.section("governance", GovernanceSettings)
    scheme = "https" if settings.tls_certificate else "http"
    name = "gateway"
    yield Use(name, "listens on", f"{scheme}://{in_url(settings.host)}:{settings.port}")
    for worker in range(settings.workers):
        yield from _file(config, name, "journal", config.data / JOURNALS / str(worker))
    yield _place(name, "packages", packages(config))
    for part in read_plan(config):
        yield Use(name, f"{part.slot} of {part.service}", part.digest)
    yield from _file(config, name, "API keys", settings.keys_file)
    yield from _file(config, name, "keys of subjects", settings.subject_keys_file)
    yield from _payload_keys(config, name)
    yield from _file(config, name, "TLS certificate", settings.tls_certificate)
    yield from _file(config, name, "TLS key", settings.tls_key)
    yield from _file(config, name, "clients' CA", settings.client_ca)
    yield from _file(config, name, "packages' CA", config.section("store", StoreSettings).ca_file)
    yield from _file(config, name, "governance root", governance.root)
    if governance.root is not None:
        kafka = config.section("log", LogSettings).backend == "kafka"
        yield _place(name, "governance log", str(governance_copy(config)) if kafka else logs(config)[1])
    sidecar = config.section("sidecar", SidecarSettings)
    address = f"http://{in_url(reachable(sidecar.metrics_host))}:{sidecar.metrics_port}"
    yield Use(name, "receipts from", settings.receipts_url or address)
    endpoint = config.section("telemetry", TelemetrySettings).otlp_endpoint
    if endpoint:
        yield Use(name, "spans to", without_credentials(endpoint))
        yield from _file(
            config, name, "collector's CA", config.section("telemetry", TelemetrySettings).ca_file
        )


def _payload_keys(config: Config, component: str) -> Iterator[Use]:
    settings = config.section("encryption", EncryptionSettings)
    yield from _file(config, component, "payload keys", settings.keys_file)
    if settings.keys_command:
        yield Use(component, "payload keys from", settings.keys_command[0])


def _place(component: str, what: str, place: str) -> Use:
    return Use(component, what, place, Path(place).exists() if place.startswith("/") else None)


def _sidecar(config: Config) -> Iterator[Use]:
    settings = config.section("sidecar", SidecarSettings)
    name = "sidecar"
    yield Use(name, "metrics on", f"http://{in_url(settings.metrics_host)}:{settings.metrics_port}")
    yield from _file(config, name, "journals", config.data / JOURNALS)
    yield _place(name, "ships to", logs(config)[0])
    yield _place(name, "large payloads", store_place(config, settings.object_store, "objects"))
    yield from _log_files(config, name)


def _log_files(config: Config, component: str) -> Iterator[Use]:
    log = config.section("log", LogSettings)
    if log.backend == "kafka":
        yield from _file(config, component, "brokers' CA", log.ca_file)
        yield from _file(config, component, "our certificate", log.certificate_file)
        yield from _file(config, component, "its key", log.key_file)
        yield from _file(config, component, "SASL password", log.sasl_password_file)


def _notary(config: Config) -> Iterator[Use]:
    settings = config.section("notary", NotarySettings)
    name = "notary"
    yield Use(name, "metrics on", f"http://{in_url(settings.metrics_host)}:{settings.metrics_port}")
    log, governance = logs(config)
    yield _place(name, "seals", log)
    yield _place(name, "and", governance)
    yield _place(name, "trees and archive", store_place(config, settings.store, "sealed"))
    if settings.payload_store is not None:
        yield _place(name, "payloads", store_place(config, settings.payload_store, "sealed"))
    if settings.signer_command:
        yield Use(name, "signs by", settings.signer_command[0])
    else:
        yield from _file(config, name, "key", settings.key_file)
    yield from _file(config, name, "public key", settings.public_key_file)
    for witness in settings.witnesses:
        yield Use(name, "witness", witness.url)
        yield from _file(config, name, "witness's CA", witness.ca_file)


def _monitor(config: Config) -> Iterator[Use]:
    settings = config.section("monitor", MonitorSettings)
    log = config.section("log", LogSettings)
    name = "monitor"
    yield Use(name, "metrics on", f"http://{in_url(settings.metrics_host)}:{settings.metrics_port}")
    yield _place(name, "reads", logs(config)[0])
    state = (
        f"kafka://{log.bootstrap}/{settings.state_topic}"
        if log.backend == "kafka"
        else str(config.data / "monitor")
    )
    yield _place(name, "keeps panes in", state)
    yield from _file(config, name, "policy", settings.policy)
    yield from _payload_keys(config, name)
    if settings.webhook is not None:
        yield Use(name, "alerts to", without_credentials(settings.webhook))
    yield from _file(config, name, "people are told at", settings.people_webhook_file)


def _controller(config: Config) -> Iterator[Use]:
    settings = config.section("controller", ControllerSettings)
    monitor = config.section("monitor", MonitorSettings)
    scheme = "https" if settings.tls_certificate else "http"
    name = "controller"
    yield Use(name, "listens on", f"{scheme}://{in_url(settings.host)}:{settings.port}")
    beside = f"http://{in_url(reachable(monitor.metrics_host))}:{monitor.metrics_port}"
    yield Use(name, "evidence from", settings.monitor_url or beside)
    yield from _file(config, name, "key", settings.key_file)
    yield from _file(config, name, "token", settings.token_file)
    yield from _payload_keys(config, name)
    yield from _file(config, name, "TLS certificate", settings.tls_certificate)
    yield from _file(config, name, "TLS key", settings.tls_key)
    yield from _file(config, name, "clients' CA", settings.client_ca)
    if settings.retrain_webhook is not None:
        yield Use(name, "retraining asked at", without_credentials(settings.retrain_webhook))
