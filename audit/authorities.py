"""Private authorities: a PEM file of the settings says whom to believe at one address, in the place of the system's.

Read when the settings are, so that a file that is none is told by its setting, not as a server that does not answer.
"""

from __future__ import annotations

import ssl
from pathlib import Path

from .config import Config
from .errors import ConfigError


def authorities(config: Config, path: Path | None, setting: str) -> Path | None:
    """The file's whole path; None where the settings name none: the system's are believed then.

    Args:
        config: whose file relative paths are relative to.
        path: as the settings have it.
        setting: `[table] name`, for the message.

    Raises:
        ConfigError: it is not there, or holds no certificate.
    """
    if path is None:
        return None
    whole = config.resolve(path)
    try:
        believed(whole)
    except ConfigError as error:
        raise ConfigError(f"{setting}: {error}") from error
    return whole


def believed(path: Path | None) -> ssl.SSLContext:
    """TLS of a client that believes the authorities of a file alone; None: the system's.

    Host names are checked. The system's are those of OpenSSL, or of SSL_CERT_FILE where the environment has it.

    Raises:
        ConfigError: it is not there, or holds no certificate.
    """
    try:
        return ssl.create_default_context(cafile=path)
    except OSError as error:  # ssl's are, too
        why = "it holds no certificate" if isinstance(error, ssl.SSLError) else error.strerror
        raise ConfigError(f"{path} is not to be used: {why}") from error
