"""What people write about a model: documents.yaml, as the gate `documentation` reads it, with its fields by name.

    purpose, intended_use, out_of_scope, limits, bias_notes, privacy_flags   text, or a list of texts
    owners                                                                   a list of names
    data_sheet         text, or the fields of DATA_SHEET
    risk_assessment    the fields of RISKS

Every field may be absent: a card says that it is missing. A key that is none of these is kept and shown as it is; a
policy may ask for it. In `data_sheet` and `risk_assessment` an unknown field is refused: it would be a field missed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import ValidationError

from audit.config import suggest
from audit.errors import ConfigError

from .fields import DATA_SHEET, PEOPLE, RISKS, Asked, DocumentsModel, Texts

MAX_FILE: Final = 4 << 20


class _Loader(yaml.SafeLoader):  # type: ignore[misc]  # yaml ships no types
    """YAML without aliases: nested ones grow without bound."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        """See above."""
        if self.check_event(yaml.AliasEvent):
            raise yaml.constructor.ConstructorError(
                None, None, "aliases are not read", self.peek_event().start_mark
            )
        return super().compose_node(parent, index)


# A date is what was written, too.
_Loader.yaml_implicit_resolvers = {
    letter: [each for each in known if each[0] != "tag:yaml.org,2002:timestamp"]
    for letter, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


@dataclass(frozen=True, slots=True)
class Documents:
    """A documents.yaml. `raw` is the file, and `digest` its SHA-256, as gate results name it."""

    raw: bytes
    content: DocumentsModel

    @property
    def digest(self) -> str:
        """`sha256:…`."""
        return f"sha256:{sha256(self.raw).hexdigest()}"

    def texts(self) -> dict[str, tuple[str, ...]]:
        """PEOPLE → what was written; empty where nobody did."""
        return {name: written(getattr(self.content, name)) for name in PEOPLE}

    def others(self) -> dict[str, str]:
        """Keys that no card knows, as text."""
        return {
            name: value
            if isinstance(value, str)
            else json.dumps(value, ensure_ascii=False, default=str)[:4000]
            for name, value in (self.content.model_extra or {}).items()
        }

    def data_sheet(self) -> dict[str, tuple[str, ...]]:
        """DATA_SHEET → what was written."""
        return _fields(self.content.data_sheet, DATA_SHEET)

    def about_data(self) -> tuple[str, ...]:
        """A data sheet that was written as one text; empty when it has fields, or is not there."""
        found = self.content.data_sheet
        return written(found) if isinstance(found, str | list) else ()

    def risks(self) -> dict[str, tuple[str, ...]]:
        """RISKS → what was written."""
        return _fields(self.content.risk_assessment, RISKS)


def written(value: Texts) -> tuple[str, ...]:
    """What says something of a text or a list of texts."""
    texts = [value] if isinstance(value, str) else value or []
    return tuple(text for each in texts if (text := each.strip()))


def _fields(section: Any, names: Mapping[str, Asked]) -> dict[str, tuple[str, ...]]:
    return {name: written(getattr(section, name, None)) for name in names}


def load_documents(path: Path) -> Documents:
    """Read a file of documents.

    Raises:
        ConfigError: absent, over 4 MiB, not YAML, an unknown field, or something that is no text; says file and key.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_FILE + 1)
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error
    return parse_documents(raw, path.name)


def parse_documents(raw: bytes, name: str = "documents.yaml") -> Documents:
    """Documents from YAML or JSON bytes. Raises ConfigError, see `load_documents`."""
    if len(raw) > MAX_FILE:
        raise ConfigError(f"{name}: over {MAX_FILE} bytes")
    try:
        content = yaml.load(raw, _Loader)  # noqa: S506 — a SafeLoader that refuses more
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError(f"{name}: not YAML: {' '.join(str(error).split())[:200]}") from error
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise ConfigError(f"{name}: a mapping is wanted, of keys and texts")
    try:
        return Documents(raw, DocumentsModel.model_validate(content))
    except (ValidationError, RecursionError) as error:
        raise ConfigError("; ".join(_problems(name, error))) from error


def risk_gaps(value: Any, minimum: int) -> list[str]:
    """What is wrong with a risk assessment that a policy requires, a sentence for each field.

    Args:
        value: of the key `risk_assessment`, as it was read.
        minimum: characters of each text; a name and a date need one.
    """
    if not isinstance(value, Mapping):
        return [
            "risk_assessment is missing" if not value else "risk_assessment is not a mapping of its fields"
        ]
    found = []
    for name, field in RISKS.items():
        text = value.get(name)
        text = text.isoformat() if isinstance(text, date) else text  # yaml makes one of 2026-01-31
        length = len("".join(written(text if isinstance(text, str | list) and _texts(text) else None)))
        wanted = 1 if field.short else minimum
        if length == 0:
            found.append(f"risk_assessment.{name} is missing")
        elif length < wanted:
            found.append(f"risk_assessment.{name} has {length} characters; {wanted} are needed")
    return found


def _texts(value: str | list[Any]) -> bool:
    return isinstance(value, str) or all(isinstance(each, str) for each in value)


def _problems(name: str, error: ValidationError | RecursionError) -> list[str]:
    if isinstance(error, RecursionError):
        return [f"{name}: nested too deep"]
    lines: dict[str, str] = {}
    for problem in error.errors(include_url=False, include_input=False):
        where = [str(part) for part in problem["loc"] if str(part) not in _BRANCHES]
        place = f"{name}:{'.'.join(where)}"
        if problem["type"] == "extra_forbidden":
            lines[place] = f"{place}: unknown field{suggest(where[-1], (*DATA_SHEET, *RISKS))}"
        elif not any(known.startswith(f"{place}.") for known in lines):
            lines.setdefault(place, f"{place}: text, or a list of texts, is wanted")
    return list(lines.values())


# Pydantic names the branches of a union, too.
_BRANCHES: Final = frozenset({"str", "list[str]", "DataSheet", "RiskAssessment"})
