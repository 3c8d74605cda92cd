"""What every section of a policy shares."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
"""0 to 1."""
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
Name = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
"""Of a service, a role or a gate."""


class Part(BaseModel):
    """A section. A key that it does not have is refused; no text is taken for a number."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)


def later() -> Any:
    """An optional key that came after format 1: absent, it is not in the canonical form.

    So a policy that was signed before keeps its digest, and with it every result and approval that names it.
    """
    return Field(default=None, exclude_if=lambda value: value is None)
