"""`affiant notary`: seal the log in Merkle trees, keep the archive, tell what is wrong."""

from __future__ import annotations

import gc
import json
import signal
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import structlog
import typer

from audit.authorities import authorities
from audit.config import Config, load
from audit.governance import PARTITION
from audit.governance import alarms as read_alarms
from audit.log import configured_governance_log, configured_log
from audit.log.base import Topic
from audit.notary.locked import check_lock
from audit.notary.signers import configured_signer, make_key
from audit.proof.note import VerifierKey
from audit.sealed import TreeId
from audit.settings import NotarySettings, WitnessSettings
from audit.trees import configured_trees, configured_trust

from .errors import WRONG
from .notary_backup import backup, restore
from .options import ConfigOption
from .telemetry import logs_as_set

if TYPE_CHECKING:
    from audit.notary.notary import Notary

app = typer.Typer(
    no_args_is_help=True,
    help="Seal the log, and keep the notary's key.\n\nExample: affiant notary keygen && affiant notary run",
)


BeginOption = Annotated[
    bool,
    typer.Option(
        "--begin", help="Begin trees again that were begun, and that the store has lost: it forks the log."
    ),
]


@app.command()
def run(config: ConfigOption = None, begin: BeginOption = False) -> None:
    """Seal every partition of the log and of the governance log, until SIGTERM; then seal the rest and end.

    Survives the absence of log and store for any time. Two notaries of one log: the second one ends. Exit code 1
    when sealing on would contradict what was sealed, or the store has lost it; 3 when it was told to end and not all
    could be sealed.

    A store that is empty although the governance log says that its trees were begun is refused: put a copy back
    (affiant notary restore). With --begin they are begun again under the same key, and the governance log says so: keep
    that out of what restarts the notary.

    Example: affiant notary run --config affiant.toml
    """
    from audit.certificates import log_certificate
    from audit.notary.metrics import NotaryCollector, trouble
    from audit.scrape import MetricsServer

    loaded = load(config)
    logs_as_set(loaded)
    settings = loaded.section("notary", NotarySettings)
    notary = configured_notary(loaded, anew=begin)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    say = structlog.get_logger("notary")
    # Millions of short-lived objects without a cycle among them: looking for cycles took a tenth of the time.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    with MetricsServer(
        settings.metrics_host,
        settings.metrics_port,
        NotaryCollector(notary),
        lambda: trouble(notary),
        table="notary",
        more=[log_certificate(loaded)],
    ) as server:
        say.info("ready", metrics=f"http://{settings.metrics_host}:{server.port}/metrics")
        notary.run(stop)
    say.info("ended: everything that the log had is sealed")


@app.command()
def keygen(config: ConfigOption = None) -> None:
    """Make the notary's key, readable by its owner alone, and print its vkey; a key that is there is left as it is.

    With [notary] signer_command the key is made elsewhere: the command is asked for its public half, and notary.pub is
    written. Exit code 2 when there is another key already, 3 when the command does not say it.

    Give the vkey to whoever shall verify: it is the only thing that an auditor must believe.

    Example: affiant notary keygen
    """
    loaded = load(config)
    typer.echo(make_key(loaded))


@app.command()
def vkey(
    config: ConfigOption = None, as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False
) -> None:
    """Print the notary's vkey, and the same key under the name of each tree, as other verifiers take it.

    Example: affiant notary vkey
    """
    loaded = load(config)
    settings = loaded.section("notary", NotarySettings)
    public_key = configured_signer(loaded).public_key
    base = VerifierKey(settings.name, public_key)
    topics = [log.topic() for log in (configured_log(loaded), configured_governance_log(loaded))]
    trees = [str(tree.key(public_key)) for topic in topics for tree in trees_of(settings.name, topic)]
    if as_json:
        typer.echo(json.dumps({"vkey": str(base), "trees": trees}, indent=2))
        return
    for line in (str(base), *trees):
        typer.echo(line)


@app.command()
def alarms(
    config: ConfigOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, one object a line.")] = False,
) -> None:
    """Print what the notary has found wrong: its signed entries of the governance log. Exit code 1 when there are any.

    docs/notary.md says what each is, and what to do.

    Example: affiant notary alarms --json
    """
    loaded = load(config)
    public_key = configured_trust(loaded).public_key()
    reader = configured_governance_log(loaded, create=False).reader()
    found = False
    try:
        first, end = reader.bounds(PARTITION)
        for each in read_alarms(reader, first, end, public_key):
            found = True
            if as_json:
                typer.echo(json.dumps({"logged_ms": each.logged, **each.body}))
                continue
            logged = datetime.fromtimestamp(each.logged / 1000, UTC).isoformat(timespec="seconds")
            body = each.body
            where = f"topic {str(body['topic'])[:8]}…, partition {body['partition']}, offset {body['offset']}"
            if "journal" in body:
                where += f", journal {body['journal']}, sequence {body['sequence']}"
            typer.echo(f"{logged}  {body['what']}: {body['message']} ({where})")
    finally:
        reader.close()
    if found:
        raise typer.Exit(WRONG)
    if not as_json:
        typer.echo("no alarms")


app.command()(backup)
app.command()(restore)


def trees_of(name: str, topic: Topic) -> list[TreeId]:
    """The trees of a topic."""
    return [TreeId(name, topic.id, partition) for partition in range(topic.partitions)]


def _believed(config: Config, witness: WitnessSettings) -> Path | None:
    return authorities(config, witness.ca_file, f"[[notary.witnesses]] ca_file of {witness.url}")


def configured_notary(config: Config, *, anew: bool = False) -> Notary:
    """The notary of a settings file; `anew`: it begins lost trees again. Nothing is contacted yet.

    Raises:
        KeyRefused: its key is not there, or can be read by others; or there is no such command that signs.
        ConfigError: a table that contradicts itself.
    """
    from audit.notary.notary import Notary
    from audit.notary.witness import Witness

    check_lock(config)
    settings = config.section("notary", NotarySettings)
    trees = configured_trees(config)

    def cosigners() -> tuple[Witness, ...]:
        pairs = zip(settings.witnesses, trees.trust.witnesses, strict=True)
        return tuple(Witness(each.url, key, authorities=_believed(config, each)) for each, key in pairs)

    cosigners()  # what is wrong with them is said at the start
    return Notary(
        configured_log(config),
        configured_governance_log(config),
        trees.objects,
        configured_signer(config),
        settings,
        cosigners=cosigners,
        payload_objects=trees.payload_objects,
        anew=anew,
    )
