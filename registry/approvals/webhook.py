"""A message to a webhook, in Slack's shape: {"text": …, "blocks": […]}.

The URL is a secret: who has it can write into the channel. So it is in no message, no error and no log; that is why
the standard library sends it, which logs nothing (urllib3 writes paths into its log when it tries again).
"""

from __future__ import annotations

import http.client
import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from audit.direct import NoRedirects
from audit.errors import ConfigError
from registry.errors import RegistryError

PAUSES: Final = (0.5, 2.0)
"""Seconds before the second and the third try; there is no fourth."""
TIMEOUT: Final = 5.0
"""Seconds that one try waits for the server."""
_MAX_URL: Final = 4096
_AGAIN: Final = frozenset({408, 425, 429, 500, 502, 503, 504})


class NotSent(RegistryError):  # noqa: N818 - the name says what happened
    """The webhook did not take it; the message does not have the URL."""


def webhook_url(
    file: Path | None, variable: str | None, environment: Mapping[str, str] = os.environ
) -> str | None:
    """The URL, of a file or of an environment variable; None: there is no webhook.

    Raises:
        ConfigError: it is not to be read, or is no URL; the message does not have it.
    """
    if file is not None:
        where = str(file)
        try:
            with file.open(encoding="ascii") as stream:
                text = stream.read(_MAX_URL + 1)
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"[governance] webhook_url_file: {file} is not to be read") from error
    elif variable is not None:
        where, text = f"the environment's {variable}", environment.get(variable, "")
        if not text:
            raise ConfigError(f"[governance] webhook_url_variable: {variable} is not set")
    else:
        return None
    url = text.strip()
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        good = False
    # The library would put a control character's line, with the URL, into its error.
    if not good or len(url) > _MAX_URL or any(ord(each) <= 32 or ord(each) > 126 for each in url):
        raise ConfigError(f"{where} holds no http:// or https:// address")
    return url


def send(
    url: str,
    message: Mapping[str, Any],
    *,
    timeout: float = TIMEOUT,
    pauses: Sequence[float] | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Post the message; tried once more after each pause (PAUSES when not given), when the server may take it
    later.

    Raises:
        NotSent: it did not take it.
    """
    opener = urllib.request.build_opener(NoRedirects)
    body = json.dumps(message).encode()
    problem = ""
    for pause in (*(PAUSES if pauses is None else pauses), None):
        request = urllib.request.Request(  # noqa: S310 - http or https, see `webhook_url`
            url, data=body, headers={"Content-Type": "application/json"}, method="POST"
        )
        try:
            with opener.open(request, timeout=timeout):
                return
        except urllib.error.HTTPError as error:
            error.close()
            problem, again = f"it answers {error.code}", error.code in _AGAIN
        # Their messages may hold the URL, or what it is made of.
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = getattr(error, "reason", error)
            problem, again = f"it does not answer ({type(reason).__name__})", True
        if not again or pause is None:
            break
        sleep(pause)
    raise NotSent(f"the webhook did not take the message: {problem}")


def awaited(
    service: str,
    digest: str,
    name: str,
    missing: Mapping[str, int],
    approved_by: Sequence[tuple[str, str]],
    gates: str,
) -> dict[str, Any]:
    """The message that signatures are awaited.

    Args:
        service: its name.
        digest: `sha256:…`.
        name: of the package.
        missing: role → people who must still sign.
        approved_by: (role, person) who have.
        gates: what they said, in a few words.
    """
    role = next(iter(missing), "ROLE")
    return _message(
        f"{name or 'A package'} waits for signatures for {service}: {_roles(missing)}",
        {"Service": service, "Missing": _roles(missing), "Signed": _people(approved_by), "Gates": gates},
        digest,
        f"affiant approve {digest} --service {service} --role {role} --rationale FILE --key FILE",
    )


def awaited_policy(
    digest: str, version: int, missing: Mapping[str, int], signed: Sequence[tuple[str, str]]
) -> dict[str, Any]:
    """The message that a proposed policy awaits signatures; see `awaited`."""
    role = next(iter(missing), "ROLE")
    return _message(
        f"Policy version {version} waits for signatures: {_roles(missing)}",
        {"Missing": _roles(missing), "Signed": _people(signed)},
        digest,
        f"affiant policy propose FILE --role {role} --rationale FILE --key FILE",
    )


def gates_failed(service: str, digest: str, name: str, reasons: Mapping[str, str]) -> dict[str, Any]:
    """The message that gates have failed; `reasons`: gate → why. See `awaited`."""
    why = "; ".join(f"{gate}: {reason[:400]}" for gate, reason in reasons.items())
    return _message(
        f"{name or 'A package'} did not pass its gates for {service}: {', '.join(reasons)}",
        {"Service": service, "Why": why},
        digest,
        f"affiant gate show {digest} --service {service}",
    )


def _message(head: str, fields: Mapping[str, str], digest: str, command: str) -> dict[str, Any]:
    # Slack refuses a message of which one text is over 3,000 characters, or one field over 2,000.
    head = _escaped(head)[:2900]
    return {
        "text": head,
        "blocks": [
            {"type": "section", "text": {"type": "mrkdwn", "text": f"*{head}*"}},
            {
                "type": "section",
                "fields": [
                    {"type": "mrkdwn", "text": f"*{title}*\n{_escaped(text)[:1900]}"}
                    for title, text in fields.items()
                ],
            },
            {"type": "section", "text": {"type": "mrkdwn", "text": f"`{_escaped(digest)}`"}},
            {"type": "context", "elements": [{"type": "mrkdwn", "text": f"`{_escaped(command)[:2900]}`"}]},
        ],
    }


def _roles(missing: Mapping[str, int]) -> str:
    return ", ".join(f"{count} × {role}" for role, count in missing.items())


def _people(signed: Sequence[tuple[str, str]]) -> str:
    return ", ".join(f"{person} ({role})" for role, person in signed) or "nobody yet"


def _escaped(text: str) -> str:
    """As Slack wants it; what would format, or call people (`<!channel>`), is text."""
    for letter, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        text = text.replace(letter, entity)
    return "".join(each if each.isprintable() else " " for each in text).replace("`", "'").replace("*", "∗")
