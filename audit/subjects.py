"""Whom an exchange is about, under a pseudonym: the id that a client has for a person never gets into the record.

    pseudonym = the first 16 bytes of HMAC-SHA-256(key, id)

So the same id has the same pseudonym in every entry, whoever has the key finds a person's records by it, and nobody
else can guess who it was: ids are few and can all be tried. The keys lie in one JSON file that only its owner may read:
`{"format": 1, "keys": [{"key": hex, "created": RFC 3339}, …]}`. The last one is written with. Who destroys a key, and
every copy of it, has erased the link between all persons and the pseudonyms that were made with it.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from hmac import digest
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from .errors import ConfigError
from .files import make_directory, replace_file
from .invalid import first_problem
from .private import alone, read_private

KEY_SIZE: Final = 32
SIZE: Final = 16
"""Bytes of a pseudonym."""
MAX_ID: Final = 128
_ID: Final = re.compile(rb"[\x21-\x7e]{1,%d}" % MAX_ID)
_MAX_FILE: Final = 1 << 20
_Hex32 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class NoSubject(ValueError):  # noqa: N818 — says what happened
    """This is no id of a person. Its words MUST NOT have the id in them: they are answered, recorded and logged."""


class Line(BaseModel):
    """One key."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    key: _Hex32 = Field(repr=False)
    created: datetime


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    format: Literal[1]
    keys: list[Line] = Field(min_length=1, max_length=1000)


@dataclass(frozen=True, slots=True)
class SubjectKeys:
    """Keys of pseudonyms, the oldest first. None of them: subjects are not recorded."""

    keys: tuple[bytes, ...] = ()

    def pseudonym(self, person: bytes) -> bytes:
        """16 bytes, by the newest key. There MUST be one.

        Raises:
            NoSubject: `person` is no id: 1 to 128 visible ASCII characters without spaces.
        """
        return _pseudonym(self.keys[-1], _checked(person))

    def pseudonyms(self, person: bytes) -> list[bytes]:
        """All that the person ever had, the newest first. Raises NoSubject."""
        return [_pseudonym(key, _checked(person)) for key in reversed(self.keys)]


NO_SUBJECTS: Final = SubjectKeys()


def _checked(person: bytes) -> bytes:
    # Other characters have several encodings, and a person would have several pseudonyms.
    if not _ID.fullmatch(person):
        raise NoSubject(f"a subject is 1 to {MAX_ID} visible ASCII characters, without spaces")
    return person


def _pseudonym(key: bytes, person: bytes) -> bytes:
    return digest(key, person, "sha256")[:SIZE]


def read_subject_keys(path: Path | None) -> SubjectKeys:
    """The keys of a file; None gives NO_SUBJECTS.

    Raises:
        ConfigError: it is not there, for others to read, or not what it should be.
    """
    if path is None:
        return NO_SUBJECTS
    return SubjectKeys(tuple(bytes.fromhex(line.key) for line in read_subject_lines(path)))


def read_subject_lines(path: Path) -> list[Line]:
    """As they stand there, the oldest first. Raises ConfigError as `read_subject_keys`."""
    raw = read_private(path, _MAX_FILE, "affiant subjects new-key")
    try:
        return _File.model_validate_json(raw).keys
    except ValidationError as error:
        raise ConfigError(f"{path}: {first_problem(error)}") from error


def add_subject_key(
    path: Path,
    *,
    random: Callable[[int], bytes] = secrets.token_bytes,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> int:
    """Add a key to the file, which is made when absent (mode 0600); how many there are now.

    A crash leaves the old file.

    Raises:
        ConfigError: the file is not what it should be.
        OSError: as the disk does.
    """
    path = path.resolve()
    make_directory(path.parent)
    with alone(path):
        lines = read_subject_lines(path) if path.exists() else []
        lines.append(Line(key=random(KEY_SIZE).hex(), created=now().replace(microsecond=0)))
        content = {"format": 1, "keys": [each.model_dump(mode="json") for each in lines]}
        replace_file(path, (json.dumps(content, indent=2) + "\n").encode(), 0o600)
    return len(lines)
