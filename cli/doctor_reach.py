"""Whether what the settings name answers: stores, components of this machine, and others' addresses."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from audit.authorities import authorities, believed
from audit.config import Config
from audit.doctor.base import Check, Finding, Looked, Outcome
from audit.doctor.clock import of_date
from audit.doctor.reach import Answer, get, why
from audit.errors import ConfigError
from audit.settings import NotarySettings, SidecarSettings
from audit.ship.external import ExternalStore
from monitoring.settings import ControllerSettings, MonitorSettings
from registry.settings import StoreSettings
from service.settings import TelemetrySettings, read_plan

from .config_uses import packages, without_credentials
from .up import PARTS, Part

if TYPE_CHECKING:
    from .doctor_checks import Asked

_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_NO_DIGEST = "sha256:" + "0" * 64


def checks(asked: Asked) -> Iterator[Check]:
    """Stores first, then addresses, then this machine's components."""
    config = asked.config
    if "gateway" in asked.parts:
        remedy = "start it, or set [store] right; a gateway that runs goes on with what it has loaded"
        yield Check("packages", partial(_store, asked), ("store-unreachable", packages(config), remedy))
    yield Check("addresses", partial(_addresses, asked))
    for part in PARTS:
        if part.name in asked.parts:
            yield Check("components", partial(_component, asked, part))


def objects(asked: Asked) -> Iterator[Outcome]:
    """The store of large payloads. Raises LogUnavailable: it does not answer."""
    place = asked.config.section("sidecar", SidecarSettings).object_store or asked.config.data / "objects"
    ExternalStore(place).get(bytes(32))
    yield Looked("large payloads", f"{place} answers")


def _store(asked: Asked) -> Iterator[Outcome]:
    from registry.stores import configured_store

    config = asked.config
    store, plan = configured_store(config), read_plan(config)
    store.exists(_NO_DIGEST)
    missing = [part for part in plan if not store.exists(part.digest)]
    for part in missing:
        where = f"[[plan]] {part.service}, {part.slot}"
        what = f"{part.digest} is not in {packages(config)}"
        yield Finding(
            "package-absent", where, what, "`affiant model list` shows what the store has; publish or sync it"
        )
    yield Looked(
        "packages",
        f"{packages(config)} answers; {len(plan) - len(missing)} of {len(plan)} in the plan are there",
    )
    settings = config.section("store", StoreSettings)
    tls = believed(authorities(config, settings.ca_file, "[store] ca_file"))
    if settings.backend == "oci" and settings.reference:
        host = settings.reference.partition("/")[0]
        on_loopback = urlsplit(f"//{host}").hostname in _LOOPBACK
        plain = settings.plain_http or (on_loopback and settings.ca_file is None)
        _hear(asked, f"the registry {host}", f"{'http' if plain else 'https'}://{host}/v2/", tls)
    elif settings.tracking_uri:
        url = without_credentials(settings.tracking_uri)
        _hear(asked, f"MLflow at {url}", f"{url.rstrip('/')}/health", tls)


def _hear(asked: Asked, whose: str, url: str, tls: ssl.SSLContext) -> None:
    """What time another has; whether it answers at all was asked before."""
    try:
        _note(asked, whose, asked.ask(url, tls))
    except OSError:
        return


def _note(asked: Asked, whose: str, answer: Answer) -> None:
    reference = of_date(whose, answer.date, asked.now())
    if reference is not None:
        asked.references.append(reference)


def _addresses(asked: Asked) -> Iterator[Outcome]:
    config = asked.config
    monitor = config.section("monitor", MonitorSettings)
    controller = config.section("controller", ControllerSettings)
    telemetry = config.section("telemetry", TelemetrySettings)
    if "notary" in asked.parts:
        for witness in config.section("notary", NotarySettings).witnesses:
            yield from _any(
                asked, "witness-unreachable", "[[notary.witnesses]] url", witness.url, witness.ca_file
            )
    if "monitor" in asked.parts and monitor.webhook:
        yield from _any(asked, "webhook-unreachable", "[monitor] webhook", monitor.webhook)
    if "controller" in asked.parts:
        if controller.retrain_webhook:
            yield from _any(
                asked, "webhook-unreachable", "[controller] retrain_webhook", controller.retrain_webhook
            )
        if controller.monitor_url:
            yield from _as(
                asked,
                "monitor-unreachable",
                "[controller] monitor_url",
                controller.monitor_url,
                "/metrics",
                b"affiant_monitor",
            )
    if "gateway" in asked.parts and telemetry.otlp_endpoint:
        yield from _any(
            asked,
            "collector-unreachable",
            "[telemetry] otlp_endpoint",
            telemetry.otlp_endpoint,
            telemetry.ca_file,
        )
    if asked.alertmanager:
        yield from _as(
            asked,
            "alertmanager-unreachable",
            "--alertmanager",
            asked.alertmanager,
            "/api/v2/status",
            b"versionInfo",
        )


def _any(asked: Asked, code: str, setting: str, url: str, ca_file: Path | None = None) -> Iterator[Outcome]:
    """Anything that speaks HTTP will do: what it says of a GET is its own matter."""
    yield from _as(asked, code, setting, url, "", b"", ca_file)


def _as(
    asked: Asked, code: str, setting: str, url: str, path: str, mark: bytes, ca_file: Path | None = None
) -> Iterator[Outcome]:
    """It answers; where a `mark` is given with 200, and the mark in its body. `ca_file`: whom its client believes."""
    shown = without_credentials(url)
    remedy = f"start what should answer there, or set {setting} right"
    try:
        tls = believed(authorities(asked.config, ca_file, "ca_file"))
        answer = asked.ask(f"{shown.rstrip('/')}{path}", tls)
    except (OSError, ConfigError) as error:
        yield Finding(code, f"{setting} = {shown}", _not(error), remedy)
        return
    _note(asked, f"what answers at {shown}", answer)
    if mark and (answer.status != 200 or mark not in answer.body):
        yield Finding(
            code, f"{setting} = {shown}", f"answers {answer.status} to {path}, and not as it should", remedy
        )
    else:
        yield Looked(setting, f"{shown} answers {answer.status}")


def _not(error: Exception) -> str:
    return f"does not answer: {why(error)}" if isinstance(error, OSError) else f"is not asked: {error}"


def _component(asked: Asked, part: Part) -> Iterator[Outcome]:
    """Whether it is ready. That one which nobody has started does not answer is no finding, unless it shall run."""
    address = part.address(asked.config)
    remedy = f"start it: `affiant {' '.join(part.command or (part.name,))}`, or `affiant up`"
    if not address.port:
        yield Looked(part.name, "takes a free port, and says which when it starts")
        return
    try:
        answer = get(f"{address}{part.ready}", _own_tls(asked.config, part.name))
    except ConnectionRefusedError:
        if asked.running:
            yield Finding("component-absent", str(address), f"{part.name} does not answer there", remedy)
        else:
            yield Looked(part.name, f"does not run ({address})")
        return
    except OSError as error:
        what = f"{part.name} is to listen there, and what answers is none: {why(error)}"
        yield Finding("port-taken", str(address), what, "end what listens there, or take another port")
        return
    if answer.status == 200:
        yield Looked(part.name, f"ready ({address})")
    elif answer.status == 503:
        what = f"{part.name} is not ready: {answer.line or 'it does not say why'}"
        yield Finding(
            "component-not-ready",
            str(address),
            what,
            "its output says more; so do docs/operations.md and /metrics",
        )
    else:
        what = f"{part.name} is to listen there, and what answers says {answer.status} to {part.ready}"
        yield Finding("port-taken", str(address), what, "end what listens there, or take another port")


def _own_tls(config: Config, name: str) -> ssl.SSLContext:
    """Of who asks a component of its own machine whether it is up; its certificate is its clients' matter."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    settings = config.section("controller", ControllerSettings)
    if name == "controller" and settings.client_ca and settings.tls_certificate and settings.tls_key:
        context.load_cert_chain(config.resolve(settings.tls_certificate), config.resolve(settings.tls_key))
    return context
