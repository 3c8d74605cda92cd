"""Cards kept with a package: OCI artifacts whose subject is the package's manifest. None is ever replaced.

{"schemaVersion": 2, "mediaType": image manifest, "artifactType": ARTIFACT, "config": the empty one,
 "layers": [a file each, titled], "subject": the package's manifest,
 "annotations": {created: RFC 3339, FACTS: sha256:… of the facts}}
"""

from __future__ import annotations

from audit.config import Config
from registry.settings import StoreSettings, docker_config, mlflow_access, store_credentials

from .artifact import Attached, Attachment
from .base import Attachments
from .layout import LayoutAttachments

__all__ = ["Attached", "Attachment", "Attachments", "configured_attachments"]


def configured_attachments(config: Config) -> Attachments:
    """Where the store of an affiant.toml keeps attachments. Raises ConfigError."""
    settings = config.section("store", StoreSettings)
    if settings.backend == "layout":
        directory = (
            config.resolve(settings.directory) if settings.directory is not None else config.data / "store"
        )
        return LayoutAttachments(directory)
    if settings.backend == "mlflow":
        from .mlflow import MlflowAttachments

        access = mlflow_access(settings.tracking_uri)
        return MlflowAttachments(access, prefix=settings.prefix, timeout=settings.timeout_seconds)
    from .oci import OciAttachments

    assert settings.reference is not None  # the settings' own rule
    return OciAttachments(
        settings.reference, plain_http=settings.plain_http, timeout=settings.timeout_seconds,
        credentials=store_credentials(), docker_config=docker_config(),
    )  # fmt: skip
