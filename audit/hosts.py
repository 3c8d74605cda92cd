"""Where to connect to, of what a server listens on."""

from __future__ import annotations

from ipaddress import ip_address


def reachable(host: str) -> str:
    """A host to connect to: this machine where a server listens everywhere."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104


def in_url(host: str) -> str:
    """A host as a URL has it: IPv6 in brackets."""
    return f"[{host}]" if ":" in host else host


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, by its name `localhost` or its address; nothing is looked up."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
