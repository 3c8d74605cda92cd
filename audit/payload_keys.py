"""Where payload keys are had from: a file that only its owner may read, or a command that asks a key service.

Both give one JSON text: `{"format": 1, "keys": [{"id": hex, "key": hex, "created": RFC 3339}, …]}`. The last key is the
one that is written with; all of them open what was written before. Who destroys a key, and every copy of it, has erased
what it hid, in the journal, the log and the archive, while entries and proofs stay.
"""

from __future__ import annotations

import glob
import json
import os
import secrets
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from .commands import CommandFailed, ask
from .config import Config, Section
from .errors import ConfigError, LogUnavailable
from .files import make_directory, replace_file
from .invalid import first_problem
from .private import alone, read_private
from .proof.encryption import KEY_ID_SIZE, NO_KEYS, PayloadKey, PayloadKeys
from .proof.xaes import KEY_SIZE

_MAX_TEXT: Final = 1 << 20
_SECONDS: Final = 30.0
"""A command that takes longer does not answer."""
_MOST_MISSED: Final = 1024
"""Names that are remembered: they come from the log, and anybody may have made them up."""
_Hex16 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
_Hex32 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class EncryptionSettings(Section):
    """[encryption]: payloads are written encrypted (XAES-256-GCM), and opened by whoever has the keys.

    Without keys they are written in the clear.
    """

    keys_file: Path | None = None
    """JSON file of payload keys, mode 0600; `affiant payload-keys new` makes it, and adds a key. The newest is written
    with. A running gateway follows within a second."""
    keys_command: list[str] = Field(default_factory=list)
    """A command, without a shell, that prints what keys_file would hold: for keys that a key service unwraps."""
    keys_seconds: float = Field(300.0, ge=1, le=86_400)
    """How often a running gateway asks the command for new keys."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        if self.keys_file is not None and self.keys_command:
            raise ValueError("keys_file and keys_command: one of them says where the keys are")
        if self.keys_seconds != type(self).model_fields["keys_seconds"].default and not self.wanted:
            raise ValueError("neither keys_file nor keys_command says where the keys are")
        return self

    @property
    def wanted(self) -> bool:
        """Whether payloads are to be encrypted."""
        return self.keys_file is not None or bool(self.keys_command)


class Keyring(NamedTuple):
    """All keys, and the one to write with."""

    all: PayloadKeys
    newest: PayloadKey


class Line(BaseModel):
    """One key."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    id: _Hex16
    key: _Hex32 = Field(repr=False)
    created: datetime


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    format: Literal[1]
    keys: list[Line] = Field(min_length=1, max_length=10_000)

    @model_validator(mode="after")
    def _once(self) -> Self:
        if len({line.id for line in self.keys}) != len(self.keys):
            raise ValueError("two keys have one id")
        return self


def configured_keyring(config: Config) -> Keyring | None:
    """What [encryption] names; None: payloads are written in the clear.

    Raises:
        ConfigError: the keys cannot be had, or are none. Nothing MUST be written in the clear instead.
    """
    settings = config.section("encryption", EncryptionSettings)
    if settings.keys_file is not None:
        return read_keyring(config.resolve(settings.keys_file))
    if settings.keys_command:
        return ask_keyring(settings.keys_command)
    return None


def configured_keys(config: Config) -> PayloadKeys:
    """The keys that open payloads; none where [encryption] names none. Raises ConfigError as `configured_keyring`."""
    found = configured_keyring(config)
    return NO_KEYS if found is None else found.all


class LiveKeys:
    """Keys that open payloads, looked for again when one is missing. For one thread."""

    def __init__(self, config: Config, monotonic: Callable[[], float] = time.monotonic) -> None:
        """They are read now. Raises ConfigError as `configured_keyring`."""
        self._config: Final = config
        self._monotonic: Final = monotonic
        self._missed: dict[bytes, float] = {}
        """Name of a key → until when the command is not asked for it again."""
        self._settings: Final = config.section("encryption", EncryptionSettings)
        self._seen = self._stamp()
        self.keys = configured_keys(config)

    def newer(self, name: bytes) -> PayloadKeys:
        """All that there are now: of a file that has changed, or asked for again.

        A command that did not have the key of that name is not asked for it again for `keys_seconds`: whoever reads
        over what was erased would ask a key service once a batch.

        Raises:
            LogUnavailable: they cannot be had now, or are none. Nothing that needs them MUST be counted as lost.
        """
        seen, now = self._stamp(), self._monotonic()
        if (seen is None or seen != self._seen) and now >= self._missed.get(name, now):
            try:
                self.keys = configured_keys(self._config)
            except ConfigError as error:
                raise LogUnavailable(f"payload keys are not to be had: {error}") from error
            self._seen = seen
            if self._settings.keys_command and name not in self.keys.keys:
                if len(self._missed) >= _MOST_MISSED:
                    self._missed.clear()
                self._missed[name] = now + self._settings.keys_seconds
        return self.keys

    def _stamp(self) -> object:
        """What changes when the file does; None where there is nothing to see it by."""
        if self._settings.keys_file is None:
            return None if self._settings.keys_command else ()
        try:
            found = self._config.resolve(self._settings.keys_file).stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_size


def read_keyring(path: Path) -> Keyring:
    """The keys of a file. Raises ConfigError: not there, for others to read, or not what it should be."""
    return _keyring(read_lines(path))


def read_lines(path: Path) -> list[Line]:
    """As `read_keyring`, as they stand there."""
    advice = ", and make a new key if anybody may have read it"
    return _parse(read_private(path, _MAX_TEXT, "affiant payload-keys new", advice), str(path))


def ask_keyring(command: Sequence[str], seconds: float = _SECONDS) -> Keyring:
    """The keys that a command prints. Raises ConfigError: it fails, takes 30 s, or prints something else."""
    what = f"[encryption] keys_command ({command[0]})"
    try:
        return _keyring(_parse(ask(command, seconds), what))
    except CommandFailed as error:
        raise ConfigError(f"{what}: {error}") from error


def add_key(
    path: Path,
    *,
    random: Callable[[int], bytes] = secrets.token_bytes,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> str:
    """Add a key to the file, which is made when absent (mode 0600); its id. A crash leaves the old file.

    Raises:
        ConfigError: the file is not what it should be.
        OSError: as the disk does.
    """
    if path.is_symlink():
        # Its target is what the readers have; a link to nowhere is a volume that is not mounted, and no new file.
        try:
            path = path.resolve(strict=True)
        except OSError as error:
            raise ConfigError(f"{path} leads nowhere: {error.strerror}") from error
    make_directory(path.parent)
    with alone(path):
        for left in path.parent.glob(f".{glob.escape(path.name)}.*"):
            left.unlink()  # of an addition that was killed: it has all keys in it
        lines = read_lines(path) if path.exists() else []
        if path.exists() and path.stat().st_uid != os.geteuid():
            raise ConfigError(
                f"{path} is another user's, who could not read it any more: run this as its owner"
            )
        line = Line(
            id=random(KEY_ID_SIZE).hex(), key=random(KEY_SIZE).hex(), created=now().replace(microsecond=0)
        )
        content = {"format": 1, "keys": [each.model_dump(mode="json") for each in (*lines, line)]}
        raw = (json.dumps(content, indent=2) + "\n").encode()
        if len(raw) > _MAX_TEXT:
            raise ConfigError(
                f"{path}: over {_MAX_TEXT} bytes with one more key; take out what is not needed any more"
            )
        replace_file(path, raw, 0o600)
    return line.id


def _keyring(lines: Sequence[Line]) -> Keyring:
    keys = [PayloadKey.of(bytes.fromhex(line.id), bytes.fromhex(line.key)) for line in lines]
    return Keyring(PayloadKeys.of(keys), keys[-1])


def _parse(raw: bytes, what: str) -> list[Line]:
    if len(raw) > _MAX_TEXT:
        raise ConfigError(f"{what}: over {_MAX_TEXT} bytes")
    try:
        return _File.model_validate_json(raw).keys
    except ValidationError as error:
        raise ConfigError(f"{what}: {first_problem(error)}") from error
