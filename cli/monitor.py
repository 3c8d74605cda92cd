"""`affiant monitor`: count what packages are asked and answer, and judge it by the policy."""

from __future__ import annotations

import gc
import signal
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog
import typer

from audit.config import Config, load
from audit.hosts import in_url
from audit.together import Together

from .monitor_alerts import configured_evaluating
from .options import ConfigOption
from .telemetry import logs_as_set

if TYPE_CHECKING:
    from monitoring.governed import Governing, Plans
    from monitoring.members import Members
    from monitoring.monitor import Monitor
    from monitoring.settings import MonitorSettings

app = typer.Typer()


@app.command()
def monitor(config: ConfigOption = None) -> None:
    """Follow the log until SIGTERM: distances from the reference, alarms, objectives; /metrics, /figures, /evidence.

    It evaluates the alerts by itself, for machines without Prometheus: logs what fires, shows it to
    `affiant alerts firing`, and tells the controller, and people where `people_webhook_file` says how. Where
    Prometheus and Alertmanager do that, set `evaluate = false` in the table `[monitor]` of the settings.

    On Kafka several monitors of one group share the partitions, and one of them judges. Survives the absence of log
    and store for any time, and goes on where it was: nothing is lost, and nothing counted twice.

    Example: affiant monitor --config affiant.toml
    """
    from audit.certificates import log_certificate
    from audit.scrape import MetricsServer
    from monitoring.alerts.firing import firing_page
    from monitoring.asking import Asking
    from monitoring.pages import pages
    from monitoring.settings import MonitorSettings

    loaded = load(config)
    logs_as_set(loaded)
    settings = loaded.section("monitor", MonitorSettings)
    governing = configured_governing(loaded)
    here = Here()
    running = configured_monitor(loaded, governing, here)
    members = configured_members(loaded)
    evaluating = configured_evaluating(loaded, settings, running, lambda: governing.policy)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    say = structlog.get_logger("monitor")
    quiet_collector()
    threads = Together(stop)
    with MetricsServer(
        settings.metrics_host, settings.metrics_port, running, lambda: threads.trouble or running.trouble,
        table="monitor", more=[log_certificate(loaded)],
        pages={
            **pages(running, None if members is None else Asking(members.leader)),
            **firing_page(None if evaluating is None else lambda: evaluating.firing, lambda: running.leads),
        },
    ) as server, threads:  # fmt: skip
        here.address = advertised(settings, server.port)
        say.info("ready", metrics=f"http://{settings.metrics_host}:{server.port}/metrics")
        if evaluating is not None:
            evaluating.begin(threads)
        running.run(stop)
    say.info("ended: everything that was counted is kept")


def quiet_collector() -> None:
    """Millions of short-lived objects without a cycle among them: looking for cycles rarely is enough."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


@dataclass
class Here:
    """Where others reach this monitor's pages; known once its server listens."""

    address: str | None = None


def advertised(settings: MonitorSettings, port: int) -> str:
    """What other monitors are told, of settings and the port that the server got."""
    from monitoring.members import SEEN

    if settings.advertise is not None:
        return settings.advertise
    everywhere = settings.metrics_host in {"0.0.0.0", "::", ""}  # noqa: S104 - it is looked for, not bound
    return f"http://{SEEN if everywhere else in_url(settings.metrics_host)}:{port}"


def configured_members(config: Config) -> Members | None:
    """The monitors of the settings' group; None: over a local log there is one alone. Nothing is contacted yet."""
    from monitoring.members import Members
    from monitoring.settings import MonitorSettings
    from monitoring.state_topic import state_log

    state = state_log(config)
    if state is None:
        return None
    return Members(state, config.section("monitor", MonitorSettings).group, state.settings.topic)


def configured_monitor(config: Config, governing: Governing, here: Here | None = None) -> Monitor:
    """The monitor of a settings file. Nothing is contacted yet. `here`: what the others of its group are told.

    Raises:
        ConfigError: settings that contradict each other, or a policy or root that is none.
    """
    from audit.log import configured_log
    from audit.log.kafka import KafkaLog
    from monitoring.consume import Following, LocalFollowing
    from monitoring.consume_kafka import KafkaFollowing
    from monitoring.governed import Governed
    from monitoring.monitor import Monitor
    from monitoring.read.packages import StorePackages
    from monitoring.settings import MonitorSettings
    from monitoring.state_topic import state_log
    from monitoring.store.feed import Feed, KafkaFeed, LocalFeed
    from monitoring.store.states import FileStates, KafkaStates
    from registry.stores import configured_store

    from .external import configured_external

    settings = config.section("monitor", MonitorSettings)
    # Where nobody governs, of plans of the past nothing is known: what the store has may have answered.
    packages = StorePackages(
        configured_store(config), governing.named if isinstance(governing, Governed) else None
    )
    external = configured_external(config)
    log, state = configured_log(config, create=False), state_log(config)
    size = settings.pane_records
    following: Following
    if state is None:
        local = LocalFeed()
        directory = config.data / "monitor"
        following = LocalFollowing(log, directory, size, packages, local.hand, external)
        return Monitor(
            following, lambda _: local, log, governing, packages,
            lambda _: FileStates(directory / "judged"), pane_records=size,
            labels_seconds=settings.labels_seconds, external=external,
        )  # fmt: skip
    assert isinstance(log, KafkaLog)
    place = here or Here()
    following = KafkaFollowing(
        log, state, config, packages, lambda _: None, external, address=lambda: place.address
    )

    def feed(topic: bytes) -> Feed:
        return KafkaFeed(state, config, topic, size)

    return Monitor(
        following, feed, log, governing, packages, lambda topic: KafkaStates(state, topic), pane_records=size,
        labels_seconds=settings.labels_seconds, external=external,
    )  # fmt: skip


def configured_governing(config: Config) -> Governing:
    """The governance log where there is a root, else the operator's policy. That and [[plan]] are followed, as gateways
    follow [[plan]].

    Raises:
        ConfigError: the policy, a plan or the root is none.
    """
    from audit.log import configured_governance_log
    from monitoring.governed import Governed, Ungoverned
    from monitoring.settings import MonitorSettings
    from registry.approvals.board import first_root_of
    from registry.policy import load_policy
    from registry.settings import GovernanceSettings
    from registry.stores import configured_store

    from .controller_parts import publisher_of_store
    from .followed import Followed

    plans = Followed("monitor", "[[plan]]", config.path, lambda: plans_of(load(config.path)))
    if config.section("governance", GovernanceSettings).root is not None:
        governance = configured_governance_log(config, create=False)
        return Governed(
            governance, first_root_of(config), plans, publisher_of_store(configured_store(config))
        )
    policy = config.section("monitor", MonitorSettings).policy
    if policy is None:
        return Ungoverned(lambda: None, plans)
    file = config.resolve(policy)
    return Ungoverned(Followed("monitor", "[monitor] policy", file, lambda: load_policy(file)), plans)


def plans_of(config: Config) -> Plans:
    """Service → what [[plan]] says is to answer."""
    from registry.deployment import Placed
    from service.settings import read_plan

    found: dict[str, tuple[Placed, ...]] = {}
    for entry in read_plan(config):
        found[entry.service] = (*found.get(entry.service, ()), Placed(digest=entry.digest, slot=entry.slot))
    return found
