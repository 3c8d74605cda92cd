"""A governed house, made once a module; each test works in its own copy."""

from __future__ import annotations

from pathlib import Path

import pytest

from registry.package import Package
from tests.components.approvals import House
from tests.components.packages import credit_package


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> House:
    """Keys, root, policy, two packages."""
    return House.build(tmp_path_factory.mktemp("house"), [credit_package(), credit_package("other")])


@pytest.fixture(autouse=True)
def _cache_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The index of each test's house goes with it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def house(built: House, tmp_path: Path) -> House:
    """A copy of one's own."""
    return built.copy(tmp_path / "house")


@pytest.fixture
def judged(house: House) -> House:
    """Its gates have passed."""
    house.gates()
    return house


@pytest.fixture(scope="session")
def package() -> Package:
    """A package that this account has published."""
    return credit_package()
