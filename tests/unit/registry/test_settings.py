"""The [store] table: what it opens and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from audit.config import load
from audit.errors import ConfigError
from registry.settings import docker_config, store_credentials
from registry.stores import LayoutStore, configured_store
from registry.stores.oci import OciStore


def config(tmp_path: Path, text: str) -> Path:
    """A settings file."""
    path = tmp_path / "affiant.toml"
    path.write_text(text)
    return path


def test_without_settings_it_is_a_layout_in_the_data_directory(tmp_path: Path) -> None:
    """The embedded default."""
    store = configured_store(load(config(tmp_path, '[data]\ndirectory = "here"\n')))
    assert isinstance(store, LayoutStore)
    assert store._directory == tmp_path / "here" / "store"


def test_a_directory_is_relative_to_the_settings_file(tmp_path: Path) -> None:
    """Wherever the command is run."""
    store = configured_store(load(config(tmp_path, '[store]\ndirectory = "packages"\n')))
    assert isinstance(store, LayoutStore)
    assert store._directory == tmp_path / "packages"


@pytest.mark.parametrize("rest", ["", 'backend = "oci"\nreference = "h.example/a/b"\nplain_http = true\n'])
def test_whom_to_believe_is_said_where_tls_is_spoken(tmp_path: Path, rest: str) -> None:
    """Not of a directory, and not of plain HTTP."""
    with pytest.raises(ConfigError, match="ca_file goes with"):
        configured_store(load(config(tmp_path, f'[store]\nca_file = "ca.crt"\n{rest}')))


def test_a_registry_is_named_by_its_reference(tmp_path: Path) -> None:
    """Registry and repository."""
    text = '[store]\nbackend = "oci"\nreference = "registry.example.com/models/credit"\n'
    store = configured_store(load(config(tmp_path, text)))
    assert isinstance(store, OciStore)
    assert store._base == "https://registry.example.com/v2/models/credit"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('backend = "oci"', "needs reference"),
        ('reference = "h/a"', 'goes with backend = "oci"'),
        ('backend = "s3"', "backend"),
        ('directry = "x"', "did you mean 'directory'"),
        ("timeout_seconds = 0", "timeout_seconds"),
    ],
)
def test_wrong_settings_are_refused(tmp_path: Path, text: str, says: str) -> None:
    """With the key and what would be right."""
    with pytest.raises(ConfigError, match=says):
        configured_store(load(config(tmp_path, f"[store]\n{text}\n")))


def test_credentials_come_in_pairs_from_the_environment() -> None:
    """A name without a password is none."""
    assert store_credentials({"AFFIANT_STORE_USERNAME": "u"}) is None
    both = store_credentials({"AFFIANT_STORE_USERNAME": "u", "AFFIANT_STORE_PASSWORD": "secret"})
    assert both is not None
    assert "secret" not in repr(both)
    assert docker_config({"DOCKER_CONFIG": "/somewhere"}) == Path("/somewhere/config.json")
