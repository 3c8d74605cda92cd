"""Alertmanager's webhook, version 4, read strictly: what is no alarm of ours is counted, and stops none of the others.

https://prometheus.io/docs/alerting/latest/configuration/#webhook_config
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from audit.invalid import first_problem
from audit.proof.errors import FormatError
from monitoring.figures import Alarm

MOST_ALERTS: Final = 1000
"""In one message; Alertmanager's `max_alerts` makes it send fewer."""
_SHORT = Annotated[str, Field(max_length=1024)]
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)")
_SERVICE: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,126}[A-Za-z0-9])?")
_DIGEST: Final = re.compile(r"(?:sha256:)?([0-9a-f]{12,64})")
_OURS: Final = frozenset({"service", "digest", "slot", "severity", "cause"})


class _Alert(BaseModel):
    """One alert; keys that a later Alertmanager adds are passed over."""

    model_config = ConfigDict(frozen=True, strict=True)
    status: Literal["firing", "resolved"]
    labels: Annotated[dict[str, _SHORT], Field(max_length=64)]
    annotations: Annotated[dict[str, str], Field(max_length=64)] = {}
    starts_at: str = Field(alias="startsAt", max_length=64)
    fingerprint: str = Field(pattern=r"^[0-9A-Za-z:._-]{1,128}$")


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True)
    version: Literal["4"]
    alerts: Annotated[list[dict[str, Any]], Field(max_length=MOST_ALERTS)]


@dataclass(frozen=True, slots=True)
class Message:
    """What one webhook says. `malformed`: why, of each that is no alarm."""

    alarms: tuple[Alarm, ...]
    malformed: tuple[str, ...]


def parse_message(body: bytes) -> Message:
    """The alarms of a webhook's body. Nothing is believed.

    Raises:
        FormatError: it is not JSON, or not Alertmanager's version 4.
    """
    try:
        message = _Message.model_validate_json(body)
    except ValidationError as error:
        raise FormatError(f"webhook: {first_problem(error)}") from error
    alarms, malformed = [], []
    for number, each in enumerate(message.alerts):
        try:
            alarms.append(_alarm(each))
        except ValidationError as error:
            malformed.append(f"alerts.{number}: {first_problem(error)}")
        except ValueError as error:
            malformed.append(f"alerts.{number}: {error}")
    return Message(tuple(alarms), tuple(malformed))


def _alarm(given: Mapping[str, Any]) -> Alarm:
    """Raises ValueError."""
    alert = _Alert.model_validate(given)
    labels = alert.labels
    if missing := sorted(_OURS - labels.keys()):
        raise ValueError(f"no label {', '.join(missing)}")
    digest = _DIGEST.fullmatch(labels["digest"])
    if digest is None:
        raise ValueError("labels.digest: 12 to 64 hex digits are wanted")
    if not _SERVICE.fullmatch(labels["service"]):
        raise ValueError("labels.service: it cannot be a service's name")
    return Alarm.model_validate(
        {
            "name": labels.get("alertname", ""),
            "status": alert.status,
            "fingerprint": alert.fingerprint,
            "service": labels["service"],
            "digest": digest[1],
            "slot": labels["slot"],
            "severity": labels["severity"],
            "cause": labels["cause"],
            "starts_at": _seconds(alert.starts_at),
            "labels": labels,
            "annotations": alert.annotations,
        }
    )


def _seconds(text: str) -> float:
    if not _TIME.fullmatch(text):
        raise ValueError("startsAt: a time such as 2026-01-31T12:00:00Z is wanted")
    return datetime.fromisoformat(text).timestamp()
