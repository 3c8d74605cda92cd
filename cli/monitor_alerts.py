"""What the monitor evaluates by itself where there is no Prometheus, and whom it tells."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

from audit.config import Config
from audit.errors import ConfigError
from audit.hosts import in_url, reachable
from audit.settings import NotarySettings, SidecarSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    from monitoring.alerts.embedded import Embedded, Source
    from monitoring.alerts.limits import Limits
    from monitoring.alerts.sender import Sender
    from monitoring.alerts.standing import Alert
    from monitoring.monitor import Monitor
    from monitoring.settings import MonitorSettings
    from registry.policy import Policy

INTERVAL: Final = 1.0


class Evaluating(threading.Thread):
    """Looks every second while this monitor leads, by the policy that is in force then."""

    def __init__(
        self,
        embedded: Embedded,
        monitor: Monitor,
        policy: Callable[[], Policy | None],
        senders: tuple[Sender, ...],
        limits: Limits,
    ) -> None:
        super().__init__(name="alerts", daemon=True)
        self._embedded = embedded
        self._monitor = monitor
        self._policy = policy
        self._senders = senders
        self._limits = limits
        self._known: Policy | None = None
        self._stop_asked = threading.Event()

    def run(self) -> None:
        """Until `end`."""
        sending = [sender.start(self._stop_asked) for sender in self._senders]
        while not self._stop_asked.wait(INTERVAL):
            self.look()
        for thread in sending:
            thread.join()

    def look(self) -> None:
        """Once. For one thread."""
        from monitoring.alerts.rules import groups_of

        policy = self._policy()
        if policy is not None and policy is not self._known:
            self._embedded.follow(groups_of(policy, self._limits))
            self._known = policy
        # Two that evaluate would tell everything twice; the receiver bears it, people less so.
        if self._known is not None and self._monitor.leads:
            self._embedded.step()

    @property
    def firing(self) -> tuple[Alert, ...]:
        """What fires, as of the last look."""
        return self._embedded.firing

    def end(self) -> None:
        """Told and done."""
        self._stop_asked.set()
        self.join()


def configured_evaluating(
    config: Config, settings: MonitorSettings, monitor: Monitor, policy: Callable[[], Policy | None]
) -> Evaluating | None:
    """None: the settings leave it to Prometheus.

    Raises:
        ConfigError: settings that contradict each other.
    """
    from monitoring.alerts.embedded import Embedded, own
    from monitoring.alerts.limits import configured_limits

    if not settings.evaluate:
        return None
    senders = _senders(config, settings)
    sources: dict[str, Source] = {"monitor": own(monitor), **_others(config)}
    return Evaluating(Embedded((), sources, senders), monitor, policy, senders, configured_limits(config))


def _others(config: Config) -> dict[str, Source]:
    """The processes of this machine whose metrics the record's rules read; of a port that is not said, none."""
    from monitoring.alerts.embedded import page
    from monitoring.settings import ControllerSettings
    from service.settings import GatewaySettings

    gateway = config.section("gateway", GatewaySettings)
    sidecar = config.section("sidecar", SidecarSettings)
    notary = config.section("notary", NotarySettings)
    controller = config.section("controller", ControllerSettings)
    found: dict[str, Source] = {}
    for name, host, port, plain in (
        ("gateway", gateway.host, gateway.port, gateway.tls_certificate is None),
        ("sidecar", sidecar.metrics_host, sidecar.metrics_port, True),
        ("notary", notary.metrics_host, notary.metrics_port, True),
        ("controller", controller.host, controller.port, controller.tls_certificate is None),
    ):
        if port and plain and (name != "controller" or config.resolve(controller.key_file).exists()):
            found[name] = page(f"http://{in_url(reachable(host))}:{port}/metrics")
    return found


def _senders(config: Config, settings: MonitorSettings) -> tuple[Sender, ...]:
    """The webhook of the settings, or this machine's controller where it has a token."""
    from monitoring.alerts.sender import Sender, poster
    from monitoring.settings import ControllerSettings

    from .controller_parts import client_tls, token_of

    controller = config.section("controller", ControllerSettings)
    has_token = config.resolve(controller.token_file).exists()
    secure = controller.tls_certificate is not None
    if settings.webhook is None and (not controller.port or not (has_token or secure)):
        return ()
    scheme = "https" if secure else "http"
    address = settings.webhook or f"{scheme}://{in_url(reachable(controller.host))}:{controller.port}/alerts"
    if (
        has_token
        and settings.webhook is not None
        and not address.startswith("https://")
        and not _here(address)
    ):
        raise ConfigError("[monitor] webhook: the token goes over https alone, but for this machine")
    token = (lambda: token_of(config, controller)) if has_token else None
    return (Sender(poster(address, token=token, tls=client_tls(config, controller) if secure else None)),)


def _here(address: str) -> bool:
    return address.startswith(("http://127.", "http://localhost", "http://[::1]"))
