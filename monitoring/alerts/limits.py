"""Limits of what a policy does not speak of: the record's own way, what runs out, and the monitor."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from math import isfinite
from typing import Final

from audit.config import suggest
from audit.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds, hours or days, as each name says. `…_warn` is told to people, `…_page` wakes them."""

    unshipped_seconds_warn: float = 60
    unshipped_seconds_page: float = 600
    """Age of the oldest record that the log has not acknowledged."""
    unsealed_seconds_warn: float = 120
    unsealed_seconds_page: float = 1800
    """Age of the oldest record that is not proved to be sealed."""
    hours_to_full_warn: float = 24
    hours_to_full_page: float = 4
    """Until the journal refuses requests."""
    notary_seconds_warn: float = 60
    notary_seconds_page: float = 900
    """Age of the oldest record that the notary has not sealed."""
    checkpoint_seconds_warn: float = 60
    """Since the newest checkpoint was signed or renewed: a notary that is well renews it every few seconds."""
    governance_seconds_warn: float = 300
    """Since the copy of the governance log was last known to have all of it."""
    monitor_seconds_warn: float = 300
    monitor_seconds_page: float = 1800
    """Age of the newest record that the monitor has counted, while there are newer ones."""
    expiry_days_warn: float = 14
    expiry_days_page: float = 2
    """Until an approval or a certificate runs out."""
    completeness_hours_warn: float = 26
    """Since `affiant audit completeness` was last run: once a day, and two hours."""


def limits(given: Iterable[str] = (), base: Limits | None = None) -> Limits:
    """Of `name=number`.

    Raises:
        ConfigError: there is no such limit, or it is no number above 0.
    """
    found: dict[str, float] = {}
    for text in given:
        name, _, value = text.partition("=")
        if name not in NAMES:
            raise ConfigError(f"no such limit: {name!r}{suggest(name, NAMES)}")
        try:
            number = float(value)
        except ValueError as error:
            raise ConfigError(f"{name}: a number is wanted, such as {name}=60") from error
        if not (isfinite(number) and number > 0):
            raise ConfigError(f"{name}: it must be above 0")
        found[name] = number
    return replace(base or Limits(), **found)


NAMES: Final = tuple(each.name for each in fields(Limits))
