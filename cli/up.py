"""`affiant up`: the components of this machine under one supervisor."""

from __future__ import annotations

import asyncio
import re
import ssl
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated, Final

import typer

from audit.config import Config, load, suggest
from audit.errors import ConfigError

from .console import Console
from .options import ConfigOption
from .supervisor import Component, Supervisor
from .tables import problems

app = typer.Typer()


_LISTENS: Final = re.compile(r"\bready\b.*\bmetrics\b.{1,4}https?://[^\s/]*:(\d{1,5})/metrics")
"""What a component says when it listens, as text or as JSON."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a component listens. `host` is what a client on this machine connects to; of port 0 the component
    takes a free one, and says which.
    """

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.scheme}://{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Part:
    """A component that `up` knows: its command is `affiant <name>`, or another."""

    name: str
    address: Callable[[Config], Address]
    ready: str
    """The path that answers 200 when it can do its work."""
    grace: Callable[[Config], float]
    """Seconds that it may take to end before it is killed."""
    settle: float = 0.0
    """Seconds to wait until it is ready before it is told to end."""
    vital: bool = True
    """Whether the others end when it cannot be kept up."""
    command: tuple[str, ...] = ()
    """What follows `affiant`, when it is not the name alone."""
    wanted: Callable[[Config], bool] = lambda _: True
    """Whether it runs when nobody names it."""


def gateway_address(config: Config) -> Address:
    """Where the gateway answers."""
    from service.settings import GatewaySettings

    settings = config.section("gateway", GatewaySettings)
    return Address("https" if settings.tls_certificate else "http", _reachable(settings.host), settings.port)


def gateway_grace(config: Config) -> float:
    """Its own limit for the requests in work, and time to close the journal."""
    from service.settings import GatewaySettings

    return config.section("gateway", GatewaySettings).grace_seconds + 30


def sidecar_address(config: Config) -> Address:
    """Where the sidecar's metrics are."""
    from audit.settings import SidecarSettings

    settings = config.section("sidecar", SidecarSettings)
    return Address("http", _reachable(settings.metrics_host), settings.metrics_port)


def sidecar_grace(config: Config) -> float:
    """What it gives itself for shipping the rest, and time to close."""
    from audit.settings import SidecarSettings

    return config.section("sidecar", SidecarSettings).drain_seconds + 30


def notary_address(config: Config) -> Address:
    """Where the notary's metrics are."""
    from audit.settings import NotarySettings

    settings = config.section("notary", NotarySettings)
    return Address("http", _reachable(settings.metrics_host), settings.metrics_port)


def notary_grace(_: Config) -> float:
    """Time to seal and archive the rest."""
    return 90.0


def monitor_address(config: Config) -> Address:
    """Where the monitor's metrics are."""
    from monitoring.settings import MonitorSettings

    settings = config.section("monitor", MonitorSettings)
    return Address("http", _reachable(settings.metrics_host), settings.metrics_port)


def controller_address(config: Config) -> Address:
    """Where the controller hears of alerts."""
    from monitoring.settings import ControllerSettings

    settings = config.section("controller", ControllerSettings)
    return Address("https" if settings.tls_certificate else "http", _reachable(settings.host), settings.port)


def controller_wanted(config: Config) -> bool:
    """Where somebody governs, and has given this machine a controller's key."""
    from monitoring.settings import ControllerSettings
    from registry.settings import GovernanceSettings

    governed = config.section("governance", GovernanceSettings).root is not None
    settings = config.section("controller", ControllerSettings)
    return governed and config.resolve(settings.key_file).exists()


def quick_grace(_: Config) -> float:
    """What keeps nothing has nothing to finish."""
    return 30.0


# In the order in which they end: the gateway drains first, the sidecar ships the rest, the notary seals it, the monitor
# counts it.
PARTS: Final = (
    Part("gateway", gateway_address, "/readyz", gateway_grace),
    Part("sidecar", sidecar_address, "/readyz", sidecar_grace, settle=20.0),
    Part(
        "notary", notary_address, "/readyz", notary_grace, settle=20.0, vital=False, command=("notary", "run")
    ),
    Part("monitor", monitor_address, "/readyz", quick_grace, vital=False),
    Part(
        "controller",
        controller_address,
        "/readyz",
        quick_grace,
        vital=False,
        command=("controller", "run"),
        wanted=controller_wanted,
    ),
)
OnlyOption = Annotated[
    str | None,
    typer.Option(help="Run these alone, separated by commas.", show_default=False),
]


@app.command()
def up(config: ConfigOption = None, only: OnlyOption = None) -> None:
    """Run the gateway, the sidecar, the notary and the monitor under one supervisor until Ctrl-C.

    A component that crashes is started again, with growing pauses. Gateway or sidecar that cannot be kept up end
    them all, with exit code 3; without the notary the others go on, loudly, until the journal is full. On Ctrl-C
    or SIGTERM the gateway drains first, then the sidecar ships the rest, and the notary seals it. The controller runs
    too where there is a governance root and its key.

    Example: affiant up --config affiant.toml --only gateway
    """
    loaded = load(config)
    if found := problems(loaded):
        raise ConfigError("; ".join(found))
    parts = chosen(only, loaded)
    if any(part.name == "notary" for part in parts):
        need_key(loaded)
    console = Console([part.name for part in parts])
    code = asyncio.run(_run(loaded, parts, console))
    if code:
        raise typer.Exit(code)


def need_key(config: Config) -> None:
    """Say at once what the notary would say.

    Raises:
        KeyRefused: its key is not there, or can be read by others; or there is no such command that signs.
    """
    from audit.notary.signers import configured_signer

    configured_signer(config)


def chosen(only: str | None, config: Config) -> tuple[Part, ...]:
    """The parts that `--only` names, or those that are wanted, in the order of the table.

    Raises:
        ConfigError: there is no such component.
    """
    wanted = tuple(part.name for part in PARTS if part.wanted(config))
    names = wanted if only is None else named(only, tuple(part.name for part in PARTS))
    return tuple(part for part in PARTS if part.name in names)


def named(only: str, known: tuple[str, ...]) -> tuple[str, ...]:
    """Of an `--only`. Raises ConfigError: one of them is none of `known`, as a name of no letters is."""
    names = tuple(name.strip() for name in only.split(","))
    for name in names:
        if name not in known:
            raise ConfigError(f"--only: no component {name!r}{suggest(name, known)}")
    return names


class Screen:
    """Prints what components say, and hears from it which ports they have taken."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._ports: dict[str, int] = {}

    def say(self, name: str, line: str) -> None:
        """Print one line of the component `name`, or of `affiant`."""
        if found := _LISTENS.search(line):
            self._ports[name] = int(found[1])  # started again, it has taken another one
        self._console.say(name, line)

    def address(self, config: Config, part: Part) -> Address | None:
        """Where the part listens; None as long as it has not said what port it has taken."""
        address = part.address(config)
        if address.port:
            return address
        port = self._ports.get(part.name)
        return None if port is None else replace(address, port=port)


async def _run(config: Config, parts: tuple[Part, ...], console: Console) -> int:
    screen = Screen(console)
    supervisor = Supervisor([component(config, part, screen) for part in parts], screen.say)
    console.say("affiant", f"starting {', '.join(part.name for part in parts)} from {config.path}")
    return await supervisor.run(lambda: greet(config, parts, screen))


def component(config: Config, part: Part, screen: Screen) -> Component:
    """How the part is started and how one sees that it is ready."""
    # -P: nothing in the current directory may pass for one of our modules.
    argv = (
        sys.executable,
        "-P",
        "-m",
        "cli.main",
        *(part.command or (part.name,)),
        "--config",
        str(config.path),
    )

    async def ready() -> bool:
        address = screen.address(config, part)
        return address is not None and await answers(address, part.ready)

    return Component(
        part.name,
        argv,
        ready=ready,
        environment={"PYTHONUNBUFFERED": "1"},
        grace=part.grace(config),
        settle=part.settle,
        vital=part.vital,
    )


def greet(config: Config, parts: tuple[Part, ...], screen: Screen) -> None:
    """Say where everything is, once everything is ready."""
    for part in parts:
        address = screen.address(config, part)
        if part.name == "gateway":
            screen.say("affiant", f"predictions  {address}/v1/models and {address}/v2/models")
            screen.say("affiant", f"description  {address}/docs")
        screen.say("affiant", f"metrics      {address}/metrics ({part.name})")
    screen.say(
        "affiant", f"ready; the record is under {config.data}; `affiant log tail` shows it; Ctrl-C ends"
    )


async def answers(address: Address, path: str) -> bool:
    """Whether a GET is answered with 200, within two seconds."""
    try:
        return await asyncio.wait_for(_status(address, path), 2) == 200
    except (OSError, TimeoutError, ValueError, EOFError):
        return False  # not yet: the caller asks again


async def _status(address: Address, path: str) -> int:
    context = None
    if address.scheme == "https":
        # We ask our own child whether it is up; whose certificate it shows is its clients' matter.
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    reader, writer = await asyncio.open_connection(address.host, address.port, ssl=context)
    try:
        head = f"GET {path} HTTP/1.1\r\nHost: {address.host}:{address.port}\r\nConnection: close\r\n\r\n"
        writer.write(head.encode())
        line = await reader.readline()
        return int(line.split()[1]) if line else 0
    except IndexError as error:
        raise ValueError("not an HTTP answer") from error
    finally:
        writer.close()


def _reachable(host: str) -> str:
    """What to connect to when a server listens everywhere."""
    return {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, host)  # noqa: S104
