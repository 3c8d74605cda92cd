"""`affiant doctor --only`: who is looked at, and that a slip of the hand looks at nobody else."""

from __future__ import annotations

from pathlib import Path

import pytest

from audit.config import load
from audit.errors import ConfigError
from cli.doctor import _parts


@pytest.mark.parametrize(
    ("only", "parts"),
    [
        ("operator", ["operator"]),
        (" auditor,notary , gateway", ["gateway", "notary", "auditor"]),
        ("operator,operator", ["operator"]),
        (None, ["gateway", "sidecar", "notary", "monitor"]),
    ],
)
def test_who_is_named_is_looked_at_and_nobody_else(
    only: str | None, parts: list[str], tmp_path: Path
) -> None:
    """Without it: what `affiant up` would run here; callers of commands are no such."""
    (tmp_path / "affiant.toml").write_text("")
    assert _parts(only, load(tmp_path / "affiant.toml")) == parts


@pytest.mark.parametrize("only", ["", " ", "operator,", ",gateway", "gateway,,notary"])
def test_a_name_of_no_letters_is_refused(only: str, tmp_path: Path) -> None:
    """A variable of a script that is empty names not all; all that can be named are told."""
    (tmp_path / "affiant.toml").write_text("")
    with pytest.raises(ConfigError, match="no component ''; known: auditor, controller, follow, gateway"):
        _parts(only, load(tmp_path / "affiant.toml"))


@pytest.mark.parametrize("only", ["operatr", "gateway,auditr", "folow"])
def test_the_nearest_name_is_told_of_callers_too(only: str, tmp_path: Path) -> None:
    """As it is of components."""
    (tmp_path / "affiant.toml").write_text("")
    with pytest.raises(ConfigError, match=r"did you mean '(operator|auditor|follow)'\?"):
        _parts(only, load(tmp_path / "affiant.toml"))
