"""Cards kept with a package: OCI artifacts whose subject is the package's manifest. None is ever replaced.

{"schemaVersion": 2, "mediaType": image manifest, "artifactType": ARTIFACT, "config": the empty one,
 "layers": [a file each, titled], "subject": the package's manifest,
 "annotations": {created: RFC 3339, FACTS: sha256:… of the facts}}
"""

from __future__ import annotations

from audit.config import Config
from registry.settings import StoreSettings, docker_config, store_credentials

from .artifact import Attached, Attachment
from .base import Attachments, NoAttachments
from .layout import LayoutAttachments

__all__ = ["Attached", "Attachment", "Attachments", "NoAttachments", "configured_attachments"]


def configured_attachments(config: Config) -> Attachments:
    """Where the store of an affiant.toml keeps attachments.

    Raises:
        NoAttachments: it keeps none.
    """
    settings = config.section("store", StoreSettings)
    if settings.backend == "layout":
        directory = (
            config.resolve(settings.directory) if settings.directory is not None else config.data / "store"
        )
        return LayoutAttachments(directory)
    if settings.backend == "oci":
        from .oci import OciAttachments

        assert settings.reference is not None  # the settings' own rule
        return OciAttachments(
            settings.reference, plain_http=settings.plain_http, timeout=settings.timeout_seconds,
            credentials=store_credentials(), docker_config=docker_config(),
        )  # fmt: skip
    raise NoAttachments(
        f"a store of {settings.backend} keeps no cards; `affiant card render --out` writes them"
    )
