"""What the monitor evaluates by itself where there is no Prometheus, and whom it tells."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import structlog

from audit.config import Config
from audit.errors import ConfigError
from audit.hosts import in_url, reachable
from audit.renewed import Renewed
from audit.settings import LogSettings, NotarySettings, SidecarSettings

if TYPE_CHECKING:
    from audit.together import Together
    from monitoring.alerts.embedded import Embedded, Source
    from monitoring.alerts.form import Group
    from monitoring.alerts.limits import Limits
    from monitoring.alerts.sender import Sender
    from monitoring.alerts.standing import Alert
    from monitoring.settings import MonitorSettings
    from registry.policy import Policy

INTERVAL: Final = 1.0
NO_MONITOR: Final = "AffiantNoMonitor"

say = structlog.get_logger("affiant.alerts")


class Leading(Protocol):
    """What is asked of a monitor."""

    def collect(self) -> Iterable[Any]:
        """Its metrics."""
        ...

    @property
    def leads(self) -> bool:
        """Whether it judges."""
        ...


class Evaluating:
    """Looks every second, by the policy that is in force then.

    MUST: the rules of the record's way are looked at whether or not there is a policy, and whether or not this monitor
    leads: they are about this machine's processes. Those of a policy, and that nobody judges, while it leads alone: two
    that evaluate them would tell people everything twice.
    """

    def __init__(
        self,
        embedded: Embedded,
        monitor: Leading,
        policy: Callable[[], Policy | None],
        senders: tuple[Sender, ...],
        limits: Limits,
        *,
        alone: bool,
        unread: frozenset[str] = frozenset(),
    ) -> None:
        """`alone`: there is no other monitor that could lead. `unread`: alerts whose metrics are not read here."""
        self._embedded: Final = embedded
        self._monitor: Final = monitor
        self._policy: Final = policy
        self._senders: Final = senders
        self._limits: Final = limits
        self._alone: Final = alone
        self._unread: Final = unread
        self._known: Policy | None = None
        self._followed: tuple[Policy | None, bool] | None = None

    def begin(self, threads: Together) -> None:
        """Look and tell, in threads of their own: a webhook that does not answer keeps nobody waiting."""
        for sender in self._senders:
            threads.start("told", sender.run)
        threads.start("alerts", self.run)

    def run(self, stop: threading.Event) -> None:
        """Look until `stop` is set; `begin` has the senders run, too."""
        while not stop.wait(INTERVAL):
            self.look()

    def look(self) -> None:
        """Once. For one thread."""
        policy = self._policy()
        self._known = self._known if policy is None else policy
        rules = self._known, self._alone or self._monitor.leads
        if rules != self._followed:
            groups = self._groups(*rules)
            lost = self._followed is not None and self._followed[1] and not rules[1]
            (self._embedded.leave if lost else self._embedded.follow)(groups)
            self._followed = rules
        self._embedded.step()

    @property
    def firing(self) -> tuple[Alert, ...]:
        """What fires, as of the last look."""
        return self._embedded.firing

    def _groups(self, policy: Policy | None, leads: bool) -> tuple[Group, ...]:
        from monitoring.alerts.form import Group
        from monitoring.alerts.path import path_groups
        from monitoring.alerts.rules import groups_of

        without = self._unread if leads else self._unread | {NO_MONITOR}
        all_of = path_groups(self._limits) if policy is None or not leads else groups_of(policy, self._limits)
        return tuple(
            Group(each.name, tuple(rule for rule in each.rules if rule.alert not in without), each.interval)
            for each in all_of
        )


def configured_evaluating(
    config: Config,
    settings: MonitorSettings,
    monitor: Leading,
    policy: Callable[[], Policy | None],
) -> Evaluating | None:
    """None: the settings leave it to Prometheus.

    Raises:
        ConfigError: settings that contradict each other, or an address of people that is none.
    """
    from monitoring.alerts.embedded import Embedded, own
    from monitoring.alerts.limits import configured_limits

    if not settings.evaluate:
        return None
    senders = (*_controller(config, settings), *_people(config, settings))
    sources: dict[str, Source] = {"monitor": own(monitor), **_others(config, settings)}
    return Evaluating(
        Embedded((), sources, senders), monitor, policy, senders, configured_limits(config),
        alone=config.section("log", LogSettings).backend == "local", unread=_unread(settings),
    )  # fmt: skip


def _unread(settings: MonitorSettings) -> frozenset[str]:
    """Alerts that would say of what is elsewhere, or is not written, that there is none."""
    from monitoring.alerts.path import COMPLETENESS, NO_CONTROLLER

    elsewhere = settings.webhook is not None or "controller" not in settings.watched
    return frozenset(
        {
            *(COMPLETENESS if settings.completeness_file is None else ()),
            *({NO_CONTROLLER} if elsewhere else ()),
        }
    )


def _others(config: Config, settings: MonitorSettings) -> dict[str, Source]:
    """The processes of this machine whose metrics the record's rules read; of a port that is not said, none."""
    from monitoring.alerts.embedded import page
    from monitoring.alerts.written import written
    from monitoring.settings import ControllerSettings
    from service.settings import GatewaySettings

    gateway = config.section("gateway", GatewaySettings)
    sidecar = config.section("sidecar", SidecarSettings)
    notary = config.section("notary", NotarySettings)
    controller = config.section("controller", ControllerSettings)
    found: dict[str, Source] = {}
    for name, host, port, certificate in (
        ("gateway", gateway.host, gateway.port, gateway.tls_certificate),
        ("sidecar", sidecar.metrics_host, sidecar.metrics_port, None),
        ("notary", notary.metrics_host, notary.metrics_port, None),
        ("controller", controller.host, controller.port, controller.tls_certificate),
    ):
        if name not in settings.watched:
            continue
        if name == "controller" and not config.resolve(controller.key_file).exists():
            continue
        if not port:
            say.warning("no alert reads what it says of itself", target=name, why="its port is 0")
            continue
        tls = None if certificate is None else _believing(config.resolve(certificate))
        scheme = "http" if tls is None else "https"
        found[name] = page(f"{scheme}://{in_url(reachable(host))}:{port}/metrics", tls=tls)
    if settings.completeness_file is not None:
        found["completeness"] = written(config.resolve(settings.completeness_file))
    return found


def _believing(certificate: Path) -> Callable[[], ssl.SSLContext]:
    """Of a server on this machine: it is the one of the settings, because its certificate is the very one of them.
    While that file is none it is the one before, which the server shows. It may be there later than we are.
    """

    def made() -> ssl.SSLContext:
        try:
            found = ssl.create_default_context(cafile=certificate)
        except OSError as error:
            raise ConfigError(f"{certificate}: {error.strerror or error}") from error
        found.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        found.check_hostname = False
        return found

    kept: list[Renewed[ssl.SSLContext]] = []

    def context() -> ssl.SSLContext:
        if not kept:
            try:
                kept.append(Renewed((certificate,), made, _told_of(certificate)))
            except ConfigError as error:
                raise OSError(str(error)) from error
        return kept[0]()

    return context


def _told_of(certificate: Path) -> Callable[[str | None], None]:
    def told(why: str | None) -> None:
        if why is None:
            say.info("a server's certificate was renewed", certificate=str(certificate))
        else:
            say.warning(
                "a server is believed by its certificate of before: what is in its place is none", why=why
            )

    return told


def _controller(config: Config, settings: MonitorSettings) -> tuple[Sender, ...]:
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
    if not secure:
        return (Sender(poster(address, token=token)),)
    pair = (controller.tls_certificate, controller.tls_key)
    files = tuple(config.resolve(each) for each in pair if each is not None)
    # The controller has a renewed certificate at once; and one that is none as little as we have.
    tls = Renewed(files, lambda: client_tls(config, controller), _told_of(files[0]))
    return (Sender(poster(address, token=token, tls=tls)),)


def _people(config: Config, settings: MonitorSettings) -> tuple[Sender, ...]:
    """Who hears of every alert: never with the controller's token."""
    from monitoring.alerts.chat import chat
    from monitoring.alerts.outbox import Outbox
    from monitoring.alerts.sender import Sender, poster
    from registry.approvals.webhook import webhook_url

    from .followed import Followed

    if settings.people_webhook_file is None:
        return ()
    file = config.resolve(settings.people_webhook_file)

    def address() -> str:
        try:
            found = webhook_url(file, None)
        except ConfigError as error:
            raise ConfigError(
                f"[monitor] people_webhook_file: {file} is not to be read, or holds no http:// or https:// address"
            ) from error
        assert found is not None
        return found

    post = poster(Followed("affiant.alerts", "[monitor] people_webhook_file", file, address), proxied=True)
    if settings.people_webhook_shape == "alertmanager":
        return (Sender(post, Outbox.of_people()),)
    return (Sender(post, Outbox.of_people(), shape=chat),)


def _here(address: str) -> bool:
    return address.startswith(("http://127.", "http://localhost", "http://[::1]"))
