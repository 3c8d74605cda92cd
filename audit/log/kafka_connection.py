"""How brokers are spoken to: [log] as kafka-python's arguments. What is wrong with a file is told by its setting."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from audit.authorities import authorities
from audit.config import Config
from audit.errors import ConfigError, LogUnavailable
from audit.settings import LogSettings

if TYPE_CHECKING:
    from kafka.net.compat import KafkaNetClient

Client = TypeVar("Client")


def opened(client: Callable[..., Client], **arguments: object) -> Client:
    """One of kafka-python's clients, once a broker has answered it. Its errors pass through.

    It starts its thread before it looks for a broker, and leaves it running, with four descriptors, where none
    answers. What was begun MUST be ended here: who asks again all through a long outage would run out of descriptors.
    """
    from kafka.net.compat import KafkaNetClient

    begun: list[KafkaNetClient] = []

    def begin(**settings: object) -> KafkaNetClient:
        begun.append(KafkaNetClient(**settings))
        return begun[-1]

    try:
        return client(**arguments, kafka_client=begin)
    except BaseException:
        for network in begun:
            network.close()
        raise


def connection(settings: LogSettings, config: Config) -> dict[str, Any]:
    """The arguments that every client takes. The password is read now, from its file; the files of TLS are looked at.

    Raises:
        ConfigError: one of them cannot be read, or is not what it should be.
    """
    arguments: dict[str, Any] = {
        "bootstrap_servers": [host.strip() for host in (settings.bootstrap or "").split(",")],
        "security_protocol": settings.security_protocol,
        "client_id": "affiant",
    }
    if settings.security_protocol.endswith("SSL"):
        arguments |= _tls(settings, config)
    if settings.sasl_password_file is not None and settings.sasl_username is not None:
        path = config.resolve(settings.sasl_password_file)
        try:
            password = path.read_text().strip()
        except OSError as error:
            raise ConfigError(f"[log] sasl_password_file: cannot read {path}: {error.strerror}") from error
        except ValueError as error:
            raise ConfigError(f"[log] sasl_password_file: {path} is no text") from error
        arguments |= {
            "sasl_mechanism": settings.sasl_mechanism,
            "sasl_plain_username": settings.sasl_username,
            "sasl_plain_password": password,
        }
    return arguments


def connection_now(settings: LogSettings, config: Config) -> dict[str, Any]:
    """`connection` of a process that runs: with the password, and the files of TLS, as they are now, which
    may be others than at its start.

    Raises:
        LogUnavailable: one of them is not what it should be. No reason to end: who changes them may put it right.
    """
    try:
        return connection(settings, config)
    except ConfigError as error:
        raise LogUnavailable(f"kafka: {error}") from error


def _tls(settings: LogSettings, config: Config) -> dict[str, str]:
    """Whom we believe, and what we show. kafka-python would say of a file that is none that no broker answers."""
    certificate, key = (
        None if path is None else config.resolve(path)
        for path in (settings.certificate_file, settings.key_file)
    )
    believed = authorities(config, settings.ca_file, "[log] ca_file")
    if certificate is not None:
        try:
            # Without a password OpenSSL would ask the terminal for that of a key that wants one.
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(certificate, key, password="")
        except OSError as error:  # ssl's are, too
            why = str(error) if isinstance(error, ssl.SSLError) else error.strerror
            raise ConfigError(f"[log] certificate_file {certificate}, key_file {key}: {why}") from error
    given = {"ssl_cafile": believed, "ssl_certfile": certificate, "ssl_keyfile": key}
    return {name: str(path) for name, path in given.items() if path is not None}
