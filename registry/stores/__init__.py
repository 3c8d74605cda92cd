"""Where packages are kept: an OCI layout directory, an OCI registry, or MLflow's model registry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from audit.authorities import authorities
from registry.settings import StoreSettings, docker_config, mlflow_access, store_credentials

from .base import Flaw, Listing, Store, StoredPackage
from .layout import LayoutStore

if TYPE_CHECKING:
    from pathlib import Path

    from audit.config import Config

__all__ = [
    "Flaw",
    "LayoutStore",
    "Listing",
    "Store",
    "StoredPackage",
    "configured_store",
    "open_store",
]


def open_store(settings: StoreSettings, data: Path) -> Store:
    """The store that the settings name. Nothing is read, and no registry is asked, before the first call.

    Args:
        settings: [store], with paths made absolute.
        data: the data directory; the layout is `store` in it unless the settings say otherwise.
    """
    if settings.backend == "layout":
        return LayoutStore(settings.directory or data / "store")
    if settings.backend == "mlflow":
        from .mlflow import MlflowStore

        access = mlflow_access(settings.tracking_uri, authorities=settings.ca_file)
        return MlflowStore(access, prefix=settings.prefix, timeout=settings.timeout_seconds)
    from .oci import OciStore

    assert settings.reference is not None  # the settings' own rule
    return OciStore(
        settings.reference,
        plain_http=settings.plain_http,
        timeout=settings.timeout_seconds,
        credentials=store_credentials(),
        docker_config=docker_config(),
        authorities=settings.ca_file,
        pull_seconds=settings.pull_seconds,
    )


def configured_store(config: Config) -> Store:
    """The store of an affiant.toml. Raises ConfigError."""
    settings = config.section("store", StoreSettings)
    settings = settings.model_copy(
        update={"ca_file": authorities(config, settings.ca_file, "[store] ca_file")}
    )
    if settings.directory is not None:
        settings = settings.model_copy(update={"directory": config.resolve(settings.directory)})
    return open_store(settings, config.data)
