"""The environment variables that Affiant goes by: docs/settings.md has them, and a name that is nearly one is told.

No setting is given by the environment; these few are what does not belong into a file, or says which file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

_OURS: Final = "AFFIANT_"
_SUPERVISED: Final = "AFFIANT_SUPERVISED"
"""Of `affiant up`, for its components: it has told already."""
_NEAR: Final = 0.7
"""How alike two names are without what all of ours begin with. Others' are farther: of pipelines (AFFIANT_WHEEL), of
Kubernetes (AFFIANT_NOTARY_PORT)."""


@dataclass(frozen=True, slots=True)
class Variable:
    """Names that go together, who reads them, and what they say."""

    names: tuple[str, ...]
    reader: str
    about: str


VARIABLES: Final = (
    Variable(("AFFIANT_CONFIG",), "everybody", "The settings file, where `--config` names none."),
    Variable(
        ("AFFIANT_KEY_PASSPHRASE",),
        "commands that sign",
        "The passphrase of a private key, or the PIN of a token; without it a terminal is asked.",
    ),
    Variable(
        ("AFFIANT_STORE_USERNAME", "AFFIANT_STORE_PASSWORD"),
        "[store], oci",
        "Who we are at the OCI registry; both, or Docker's configuration is looked at.",
    ),
    Variable(
        ("DOCKER_CONFIG",), "[store], oci", "The directory of Docker's `config.json`; else `~/.docker`."
    ),
    Variable(
        ("MLFLOW_TRACKING_URI",),
        "[store], mlflow; `affiant model`",
        "The server, where `tracking_uri` names none.",
    ),
    Variable(
        ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN"),
        "the same",
        "Who we are there: user name and password go before a token.",
    ),
    Variable(
        (
            "MLFLOW_TRACKING_SERVER_CERT_PATH",
            "MLFLOW_TRACKING_INSECURE_TLS",
            "MLFLOW_TRACKING_CLIENT_CERT_PATH",
        ),
        "the same",
        "Whom we believe, where `ca_file` names nobody; whether anybody is believed; our certificate and its key.",
    ),
    Variable(
        ("MLFLOW_TRACKING_AUTH", "MLFLOW_TRACKING_AWS_SIGV4"),
        "the same",
        "Refused when set: nobody here knows them.",
    ),
    Variable(
        ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"),
        "stores in a bucket",
        "Who we are at S3; without them the machine's role. They are refused in a URL.",
    ),
    Variable(
        ("AWS_REGION", "AWS_ENDPOINT_URL", "AWS_ALLOW_HTTP", "AWS_VIRTUAL_HOSTED_STYLE_REQUEST"),
        "stores in a bucket",
        "Where the bucket is, as far as its URL does not say it.",
    ),
    Variable(
        ("SSL_CERT_FILE",),
        "everybody",
        "Certificates that are believed in the place of the system's, on each way without a `ca_file` (tls.md).",
    ),
    Variable(
        ("XDG_CACHE_HOME",), "auditor, lineage", "Where indexes are kept, below `affiant/`; else `~/.cache`."
    ),
    Variable(("NO_COLOR",), "`affiant up`", "Set: no colours."),
    Variable(
        ("AFFIANT_BENCH_UNAUDITED",),
        "gateway",
        "1: it keeps no journal. For benches, never in production; it says so loudly.",
    ),
)


def markdown() -> Iterator[str]:
    """The section of docs/settings.md."""
    yield "## Environment variables"
    yield ""
    yield "No setting is given by a variable. These are read beside the file; a variable that `webhook_url_variable`"
    yield "names, too. A name that is nearly one of ours is told on the error output."
    yield ""
    yield "| variable | read by | |"
    yield "|---|---|---|"
    for each in VARIABLES:
        yield f"| {', '.join(f'`{name}`' for name in each.names)} | {each.reader} | {each.about} |"


def mistaken(environment: Mapping[str, str]) -> list[str]:
    """A sentence for each name that is nearly one of ours, and none. Of a component of `affiant up`: nothing."""
    known = {
        name.removeprefix(_OURS): name for each in VARIABLES for name in each.names if name.startswith(_OURS)
    }
    others = [name for name in environment if name.startswith(_OURS) and name not in known.values()]
    if not others or _SUPERVISED in environment:
        return []
    from difflib import get_close_matches

    found = []
    for name in sorted(others):
        near = get_close_matches(name.removeprefix(_OURS), known, n=1, cutoff=_NEAR)
        found += [f"the environment's {name} is not read; did you mean {known[each]}?" for each in near]
    return found
