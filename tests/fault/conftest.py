"""What every test of a mutation works on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fault.mutation import copy_code


@pytest.fixture
def copy(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A copy of what the module's tests need: of its `COPIED`."""
    return copy_code(tmp_path, request.module.COPIED)
