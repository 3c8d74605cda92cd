"""What the monitor says of one package: figures, and the ranges of the log from which anybody computes them again.

The forms that leave the process: the monitor's `/figures`, the evidence of a rollback event in the governance log, and
what `affiant audit recompute` compares. docs/drift.md has the fields.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Digest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
Slot = Literal["live", "canary", "shadow"]
Severity = Literal["warn", "page"]
Finite = Annotated[float, Field(allow_inf_nan=False)]


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Range(_Form):
    """Offsets of one partition: from `first` up to, not including, `end`."""

    partition: Annotated[int, Field(ge=0)]
    first: Annotated[int, Field(ge=0)]
    end: Annotated[int, Field(ge=0)]


class ColumnSaid(_Form):
    """One feature, or `score:` and an output's name: see `monitoring.columns`."""

    column: str
    rows: int
    ks_lower: Finite
    ks_upper: Finite
    psi: Finite
    psi_debiased: Finite
    log_e: Mapping[Severity, Finite]
    """Natural logarithm of the e-detector, begun anew with the first pane of the ranges."""
    effect: Finite
    missing: Finite
    out_of_range: Finite
    unseen: Finite
    severity: Severity | None
    """What the ranges alone support."""


class Evidence(_Form):
    """Figures of a package over panes, and where the panes stand in the log.

    MUST hold all that a recomputation needs besides the log, the package and the policy.
    """

    format: Literal[1] = 1
    topic: str
    """Hex id of the log's topic: a log that was made again has other offsets."""
    pane_records: int
    """Offsets of a pane."""
    service: str
    digest: Digest
    slot: Slot
    policy: Digest
    """Whose limits were applied."""
    panes: tuple[tuple[int, int], ...]
    """(partition, number) in the order in which they were judged; pane k covers [k · pane_records, (k+1) · …)."""
    reached: Mapping[str, Mapping[str, int]]
    """Partition → journal (hex) → sequence before the first of its panes: an entry up to there came twice."""
    columns: tuple[ColumnSaid, ...]
    """Most drifted first."""
    rows: int
    window_rows: int
    """Rows of the newest panes, of which the distances are."""

    @property
    def ranges(self) -> tuple[Range, ...]:
        """The panes as ranges of offsets, by partition, adjoining ones as one."""
        found: list[Range] = []
        for partition, number in sorted(self.panes):
            first = number * self.pane_records
            if found and (found[-1].partition, found[-1].end) == (partition, first):
                first = found.pop().first
            found.append(Range(partition=partition, first=first, end=(number + 1) * self.pane_records))
        return tuple(found)


class Alarm(_Form):
    """An alert as Alertmanager and the monitor itself send it: the labels that the controller reads.

    `cause` is input, prediction, performance or slo; `starts_at` seconds since 1970 UTC. Nothing here is believed: the
    controller asks for the evidence and computes it again.
    """

    name: str
    status: Literal["firing", "resolved"]
    fingerprint: str
    service: str
    digest: str
    """12 hex digits, as in the metrics."""
    slot: Slot
    severity: Severity
    cause: Literal["prediction", "input", "performance", "slo"]
    starts_at: float
    labels: Mapping[str, str]
    annotations: Mapping[str, str] = Field(default_factory=dict)


def evidence_of(data: Mapping[str, Any]) -> Evidence:
    """Of the JSON that a monitor or an event holds. Raises pydantic's ValidationError."""
    return Evidence.model_validate(data)
