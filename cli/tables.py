"""Every table of affiant.toml with the model that reads it, and what is written from those models.

The models stand with the rooms that use them (`audit/settings.py`, `service/settings.py`,
`registry/settings.py`); what `affiant init` and docs/settings.md say about a setting is the docstring beside
its field.
"""

from __future__ import annotations

import inspect
import json
import textwrap
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Final, Literal, Union, get_args, get_origin

from pydantic_core import PydanticUndefined

from audit.config import Config, Section, unknown_tables, validate
from audit.errors import ConfigError

from . import environment


@dataclass(frozen=True, slots=True)
class Table:
    """A table's name and where its model is. `repeated`: an array of tables, `[[name]]`."""

    name: str
    where: str
    repeated: bool = False
    within: bool = False
    """It is a part of the table before it, which reads it: here only for what is said of its settings."""

    @property
    def model(self) -> type[Section]:
        """The pydantic model; importing it brings no component's libraries."""
        module, _, name = self.where.partition(":")
        found = getattr(import_module(module), name)
        assert isinstance(found, type)
        assert issubclass(found, Section)
        return found

    @property
    def heading(self) -> str:
        """As TOML writes it."""
        return f"[[{self.name}]]" if self.repeated else f"[{self.name}]"

    @property
    def about(self) -> str:
        """The model's docstring without the table's name, on one line."""
        text = " ".join(inspect.cleandoc(self.model.__doc__ or "").split())
        text = text.removeprefix(self.heading).removeprefix(f"[{self.name}]").lstrip(":, ").strip()
        return text[:1].upper() + text[1:]


# In the order in which `init` writes them.
TABLES: Final = (
    Table("data", "audit.config:DataSettings"),
    Table("gateway", "service.settings:GatewaySettings"),
    Table("plan", "service.settings:PlanSettings", repeated=True),
    Table("journal", "audit.settings:JournalSettings"),
    Table("log", "audit.settings:LogSettings"),
    Table("sidecar", "audit.settings:SidecarSettings"),
    Table("fluentd", "audit.settings:FluentdSettings"),
    Table("encryption", "audit.payload_keys:EncryptionSettings"),
    Table("notary", "audit.settings:NotarySettings"),
    Table("notary.witnesses", "audit.settings:WitnessSettings", repeated=True, within=True),
    Table("retention", "audit.retention.settings:RetentionSettings"),
    Table("monitor", "monitoring.settings:MonitorSettings"),
    Table("controller", "monitoring.settings:ControllerSettings"),
    Table("alerts", "monitoring.alerts.limits:Limits"),
    Table("store", "registry.settings:StoreSettings"),
    Table("governance", "registry.settings:GovernanceSettings"),
    Table("telemetry", "service.settings:TelemetrySettings"),
)


READ: Final = tuple(table for table in TABLES if not table.within)


@dataclass(frozen=True, slots=True)
class Setting:
    """One key of a table, as a person reads it. `default` is TOML, or None where there is none."""

    key: str
    type: str
    default: str | None
    required: bool
    about: str


def settings_of(model: type[Section]) -> Iterator[Setting]:
    """Every key of a table, in the order of the model's fields."""
    for name, field in model.model_fields.items():
        default = field.get_default(call_default_factory=True, validated_data={})
        known = default is not PydanticUndefined and default is not None
        yield Setting(
            key=field.alias or name,
            type=type_name(field.annotation),
            default=toml_value(default) if known else None,
            required=field.is_required(),
            about=" ".join((field.description or "").split()),
        )


def type_name(annotation: Any) -> str:  # noqa: PLR0911 — one line a shape
    """A type in the words of TOML: text, integer, number, true or false, list of …, or the allowed words."""
    origin = get_origin(annotation)
    if origin is Literal:
        return " | ".join(json.dumps(word) for word in get_args(annotation))
    if origin in (Union, types.UnionType):
        return " | ".join(type_name(part) for part in get_args(annotation) if part is not type(None))
    if origin in (list, tuple, set, frozenset):
        return f"list of {type_name(get_args(annotation)[0])}"
    if origin in (dict, Mapping) or (isinstance(origin, type) and issubclass(origin, Mapping)):
        return "table"
    if origin is not None:  # Annotated
        return type_name(get_args(annotation)[0])
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return "table"
    words = {str: "text", int: "integer", float: "number", bool: "true or false", Path: "path"}
    if annotation in words:
        return words[annotation]
    return str(getattr(annotation, "__name__", annotation))


def toml_value(value: Any) -> str:
    """A value as TOML."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, list | tuple | set | frozenset):
        return "[" + ", ".join(toml_value(item) for item in value) + "]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{json.dumps(key)} = {toml_value(item)}" for key, item in value.items()) + "}"
    return json.dumps(str(value), ensure_ascii=False)


def problems(config: Config) -> list[str]:
    """Every table that is not what its model wants, or that nobody reads; empty when all is well."""
    found = unknown_tables(config)
    for table in READ:
        try:
            read(config, table)
        except ConfigError as error:
            found.append(str(error))
    if not found:  # each table is right alone: are the plan's lines, and tables together?
        from audit.notary.locked import check_lock
        from service.settings import read_plan

        for check in (read_plan, check_lock):
            try:
                check(config)
            except ConfigError as error:
                found.append(str(error))
    return found


def read(config: Config, table: Table) -> list[Section]:
    """The table's content as its model; a repeated one may stand there any number of times.

    Raises:
        ConfigError: names the key, what is wrong, and the nearest key that exists.
    """
    if not table.repeated:
        return [config.section(table.name, table.model)]
    content = config.tables.get(table.name, [])
    if not isinstance(content, list) or not all(isinstance(part, dict) for part in content):
        raise ConfigError(f"{config.path.name}: {table.name} is written {table.heading}, once for each")
    return [
        validate(config.path.name, f"{table.name}.{number}", part, table.model)
        for number, part in enumerate(content, start=1)
    ]


def shown(config: Config) -> dict[str, Any]:
    """Every setting with the value that is in force, as JSON has it.

    Raises:
        ConfigError: a table is not what its model wants.
    """
    tables: dict[str, Any] = {}
    for table in READ:
        parts = [part.model_dump(mode="json") for part in read(config, table)]
        tables[table.name] = parts if table.repeated else parts[0]
    return {"file": str(config.path), "data": str(config.data), "tables": tables}


def commented_toml(set_values: Mapping[str, Mapping[str, Any]] | None = None) -> str:
    """A settings file that says what each setting does; all are commented out but those in `set_values`."""
    lines = [
        "# The settings of Affiant. Every setting that is commented out shows its default.",
        "# `affiant config check` names what is wrong; a changed [[plan]] is followed by a running gateway.",
    ]
    for table in TABLES:
        given = (set_values or {}).get(table.name, {})
        lines += ["", *_comment(table.about)]
        lines.append(f"# {table.heading}" if table.repeated and not given else table.heading)
        for setting in settings_of(table.model):
            lines += _comment(setting.about + ("" if setting.default or setting.required else " (not set)"))
            if setting.key in given:
                lines.append(f"{setting.key} = {toml_value(given[setting.key])}")
            else:
                lines.append(f"# {setting.key} = {setting.default or '…'}")
    return "\n".join(lines) + "\n"


def _comment(text: str) -> list[str]:
    return textwrap.wrap(text, 98, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False)


def markdown() -> str:
    """docs/settings.md."""
    lines = [
        "# Settings",
        "",
        "One file, `affiant.toml`, for every component; `affiant init` writes a commented one. It is looked",
        "for at `--config`, then `AFFIANT_CONFIG`, then in the current directory; relative paths in it are",
        "relative to it.",
        "An unknown table or key is refused, with the nearest one that exists.",
        "What is read of the environment beside it: [environment variables](#environment-variables).",
        "This page is made from the settings models: `affiant config docs > docs/settings.md`.",
    ]
    for table in TABLES:
        lines += [
            "",
            f"## {table.heading}",
            "",
            table.about,
            "",
            "| setting | type | default | |",
            "|---|---|---|---|",
        ]
        for setting in settings_of(table.model):
            default = "required" if setting.required else f"`{setting.default}`" if setting.default else ""
            kind = setting.type.replace("|", "\\|")
            lines.append(
                f"| `{setting.key}` | {kind} | {default} | {setting.about.replace('|', chr(92) + '|')} |"
            )
    return "\n".join([*lines, "", *environment.markdown()]) + "\n"
