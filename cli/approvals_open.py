"""What the commands of roles, policies and approvals share: options, keys, the log, and saying yes."""

from __future__ import annotations

import getpass
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from audit.config import Config
from audit.errors import ConfigError, KeyRefused, LogUnavailable, NoSuchTopic
from audit.log.base import Log, LogWriter

from .text import printable

if TYPE_CHECKING:
    from registry.approvals.board import Board
    from registry.approvals.keys import KeySigner
    from registry.stores import Store

PASSPHRASE: Final = "AFFIANT_KEY_PASSPHRASE"  # noqa: S105 - the name of a variable
_WAIT_SECONDS: Final = 10.0
"""For another process that appends to a local log: each is quick."""
_TEXT_FILES: Final = frozenset({".md", ".txt", ".rst"})

JsonOption = Annotated[bool, typer.Option("--json", help="As JSON.")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Sign without asking; for scripts.")]
KeyOption = Annotated[
    Path,
    typer.Option(
        "--key", help="Your key file, or the .pub file of a key that a URI names.", show_default=False
    ),
]
ServiceOption = Annotated[str, typer.Option("--service", "-s", help="The service.", show_default=False)]
RoleOption = Annotated[
    str, typer.Option("--role", "-r", help="The role in which you speak.", show_default=False)
]
RationaleOption = Annotated[
    str,
    typer.Option(help="Why, as text, or the name of a text file; it is signed and kept.", show_default=False),
]


def secret(name: str) -> str:
    """A passphrase or PIN: of the environment's AFFIANT_KEY_PASSPHRASE, else asked for on a terminal.

    Raises:
        KeyRefused: neither is there.
    """
    if found := os.environ.get(PASSPHRASE):
        return found
    if not sys.stdin.isatty():
        raise KeyRefused(f"the key wants a {name}: set {PASSPHRASE}, or call from a terminal")
    return getpass.getpass(f"{name} of the key: ", sys.stderr)


def signer_of(key: Path) -> KeySigner:
    """The signer of a key file. Raises KeyRefused."""
    from registry.approvals.keys import read_signer

    return read_signer(key, secret)


def board_of(config: Config, *, create: bool = False) -> Board:
    """The governance log now. `create`: a local log that is not there yet is an empty one, and is made.

    Raises:
        ConfigError: the settings name no root, or an unsigned one.
        NotProved: the root is not signed by its own people.
        NotAdmitted: the log is not whole.
        LogUnavailable: the log does not answer; NoSuchTopic: nobody has proposed a policy yet.
    """
    from audit.log import configured_governance_log
    from registry.approvals.board import first_root_of, read_board

    first = first_root_of(config)
    bar = Progress(
        TextColumn("reading the governance log"), BarColumn(), TextColumn("{task.completed:.0f}/{task.total:.0f}"),
        console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty(),
    )  # fmt: skip
    with bar:
        task = bar.add_task("", total=1, visible=False)

        def progress(read: int, of: int) -> None:
            bar.update(task, completed=read, total=of, visible=True)

        log = configured_governance_log(config, create=create)
        with governed(log):
            return read_board(log, first, progress)


@contextmanager
def governed(log: Log) -> Iterator[None]:
    """Read the governance log within: where there is none yet, in a directory, that is said with what begins it.

    The log's own message speaks of that of records, which other commands make.
    """
    from audit.log.local import LocalLog

    try:
        yield
    except NoSuchTopic as error:
        if not isinstance(log, LocalLog):
            raise
        raise NoSuchTopic(
            f"{log.directory}: there is no governance log yet; `affiant policy propose` begins it, with the first "
            "policy"
        ) from error


def append(config: Config, signer: KeySigner, bodies: list[bytes]) -> None:
    """Append statements, each signed; all of them are in the log when it returns.

    Raises:
        KeyRefused: the key does not sign; nothing was appended.
        LogUnavailable: another process holds the log, or it does not answer.
    """
    from audit.governance import Governance
    from audit.log import configured_governance_log
    from registry.statement import append as append_to

    append_to(Governance(Patient(configured_governance_log(config)), signer), bodies)


class Patient:
    """A log whose one writer may be another process for a moment: a local log's, which says so at once."""

    def __init__(
        self,
        log: Log,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._log = log
        self._clock = clock
        self._sleep = sleep
        self.topic = log.topic
        self.reader = log.reader
        self.check = log.check

    def writer(self, partition: int) -> LogWriter:
        """See `Log.writer`; nothing is written before there is one, so asking again is safe."""
        end = self._clock() + _WAIT_SECONDS
        while True:
            try:
                return self._log.writer(partition)
            except LogUnavailable:
                if self._clock() >= end:
                    raise
                self._sleep(0.1)


def confirm(question: str, *, yes: bool) -> None:
    """Go on, or end the command with nothing signed.

    Raises:
        ConfigError: there is no terminal to ask on, and `--yes` was not given.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise ConfigError("there is no terminal to ask on: `--yes` signs without asking")
    typer.confirm(question, abort=True, err=True)


def text_of(value: str, option: str = "--rationale") -> str:
    """A rationale: the content of the file of that name, or the text itself.

    Raises:
        ConfigError: it looks like a file's name, and there is none; or it is not text; or it says nothing.
    """
    from registry.approvals.foresee import MAX_RATIONALE, rationale_of

    path = Path(value) if len(value) < 256 and "\n" not in value else None
    if path is not None and path.is_file():
        if path.stat().st_size > MAX_RATIONALE:
            raise ConfigError(f"{option}: {path} is over {MAX_RATIONALE} bytes")
        try:
            return rationale_of(path.read_text(encoding="utf-8"), option)
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{option}: {path} is not to be read as text") from error
    if path is not None and path.suffix in _TEXT_FILES and not any(map(str.isspace, value)):
        raise ConfigError(f"{option}: there is no file {path}")
    return rationale_of(value, option)


def digest_of(store: Store, digest: str) -> str:
    """A digest from its beginning. Raises NotFound; a whole one is not looked up."""
    from .model import _whole

    return _whole(store, digest)


def publisher_in(store: Store, digest: str) -> tuple[bool, str | None]:
    """Whether the store has a package, whole, and who published it.

    Raises:
        PackageError: it has it, and its bytes are not what the digest names.
        StoreUnavailable: it does not answer.
    """
    from registry.errors import NotFound
    from registry.lineage.publisher import publisher_of

    try:
        return True, publisher_of(store.pull(digest))
    except NotFound:
        return False, None


def warn(text: str) -> None:
    """One line on the error output."""
    typer.echo(f"warning: {printable(text)}", err=True)
