"""Limits of what a policy does not speak of: the record's own way, what runs out, and the monitor.

A policy says what is promised about a service, and people sign it; these are an operator's, of one machine's settings.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Final, Self

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from audit.config import Config, Section, find, load, suggest, validate
from audit.errors import ConfigError


def _whole(number: float) -> float:
    """60, not 60.0: the same limits give the same files, whoever wrote them."""
    return int(number) if number.is_integer() else number


Limit = Annotated[float, Field(gt=0, allow_inf_nan=False), AfterValidator(_whole)]
_LEFT: Final = ("hours_to_full", "expiry_days")
"""What is left: the less, the worse."""


class Limits(Section):
    """[alerts]: limits of what no policy speaks of, for `affiant alerts render`, `affiant dashboards render`, and the
    monitor that evaluates alerts itself. `…_warn` is told to people; `…_page` wakes them, and must be the worse one.
    """

    model_config = ConfigDict(strict=True)

    unshipped_seconds_warn: Limit = 60
    """Age of the oldest record that the log has not acknowledged."""
    unshipped_seconds_page: Limit = 600
    """The same, for a page."""
    unsealed_seconds_warn: Limit = 120
    """Age of the oldest record that is not proved to be sealed."""
    unsealed_seconds_page: Limit = 1800
    """The same, for a page."""
    hours_to_full_warn: Limit = 24
    """Until the journal refuses requests."""
    hours_to_full_page: Limit = 4
    """The same, for a page."""
    notary_seconds_warn: Limit = 60
    """Age of the oldest record that the notary has not sealed."""
    notary_seconds_page: Limit = 900
    """The same, for a page."""
    checkpoint_seconds_warn: Limit = 60
    """Since the newest checkpoint was signed or renewed: a notary that is well renews it every few seconds."""
    governance_seconds_warn: Limit = 300
    """Since the copy of the governance log was last known to have all of it."""
    monitor_seconds_warn: Limit = 300
    """Age of the newest record that the monitor has counted, while there are newer ones."""
    monitor_seconds_page: Limit = 1800
    """The same, for a page."""
    expiry_days_warn: Limit = 14
    """Until an approval or a certificate runs out."""
    expiry_days_page: Limit = 2
    """The same, for a page."""
    completeness_hours_warn: Limit = 26
    """Since `affiant audit completeness` was last run: once a day, and two hours."""

    @model_validator(mode="after")
    def _worse(self) -> Self:
        for name in NAMES:
            what = name.removesuffix("_page")
            if what == name:
                continue
            warn, page = getattr(self, f"{what}_warn"), getattr(self, name)
            if (page >= warn) if what in _LEFT else (page <= warn):
                than = "less" if what in _LEFT else "more"
                raise ValueError(
                    f"{name} is {page:g} and {what}_warn is {warn:g}: what wakes people must be {than} than what warns"
                )
        return self


NAMES: Final = tuple(Limits.model_fields)


def limits(given: Iterable[str] = (), base: Limits | None = None) -> Limits:
    """Of `name=number`, in place of those of `base`.

    Raises:
        ConfigError: there is no such limit, it is no number above 0, or a page would come before its warning.
    """
    found = (base or Limits()).model_dump()
    for text in given:
        name, _, value = text.partition("=")
        if name not in NAMES:
            raise ConfigError(f"no such limit: {name!r}{suggest(name, NAMES)}")
        try:
            found[name] = float(value)
        except ValueError as error:
            raise ConfigError(f"{name}: a number is wanted, such as {name}=60") from error
        if not 0 < found[name] < float("inf"):
            raise ConfigError(f"{name}: it must be above 0")
    return validate("options", "alerts", found, Limits)


def configured_limits(config: Config) -> Limits:
    """Of the settings. Raises ConfigError: a key that there is not, or a wrong number; says which."""
    return config.section("alerts", Limits)


def limits_of(path: Path | None, given: Iterable[str]) -> Limits:
    """Of options, in place of those of the settings file where there is one.

    Args:
        path: of the settings file, where somebody has named it.
        given: `name=number`.

    Raises:
        ConfigError: the file is not what it should be, or an option is not.
    """
    if path is None and not find().exists():
        return limits(given)
    return limits(given, configured_limits(load(path)))
