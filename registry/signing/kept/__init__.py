"""Signatures kept with a package, in the three kinds of store. None is ever replaced."""

from __future__ import annotations

from audit.authorities import authorities
from audit.config import Config
from registry.settings import StoreSettings, docker_config, mlflow_access, store_credentials

from .base import MAX_KEPT, Kept, Signatures
from .layout import LayoutSignatures

__all__ = ["MAX_KEPT", "Kept", "LayoutSignatures", "Signatures", "configured_signatures"]


def configured_signatures(config: Config) -> Signatures:
    """Where the store of an affiant.toml keeps signatures. Raises ConfigError."""
    settings = config.section("store", StoreSettings)
    believed = authorities(config, settings.ca_file, "[store] ca_file")
    if settings.backend == "layout":
        directory = settings.directory
        return LayoutSignatures(config.data / "store" if directory is None else config.resolve(directory))
    if settings.backend == "mlflow":
        from .mlflow import MlflowSignatures

        access = mlflow_access(settings.tracking_uri, authorities=believed)
        return MlflowSignatures(access, prefix=settings.prefix, timeout=settings.timeout_seconds)
    from .oci import OciSignatures

    assert settings.reference is not None  # the settings' own rule
    return OciSignatures(
        settings.reference, plain_http=settings.plain_http, timeout=settings.timeout_seconds,
        credentials=store_credentials(), docker_config=docker_config(), authorities=believed,
    )  # fmt: skip
