"""[retention]: for how many days payloads are kept."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from audit.config import Section


class RetentionSettings(Section):
    """[retention]: how long the archive keeps payloads; `affiant retention` holds it to that.

    Entries and proofs hold no personal data, and are kept for ever.
    """

    payload_min_days: int = Field(0, ge=0, le=36_500)
    """No payload is deleted that is younger: by law, or by contract."""
    payload_max_days: int | None = Field(None, ge=1, le=36_500)
    """A payload that is older is to be deleted; for ever when not set."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.payload_max_days is not None and self.payload_max_days < self.payload_min_days:
            raise ValueError(
                f"payload_max_days = {self.payload_max_days} is less than payload_min_days = {self.payload_min_days}"
            )
        return self
