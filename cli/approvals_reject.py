"""`affiant reject`: a signed word against a digest in a service."""

from __future__ import annotations

import typer

from .approvals_open import JsonOption, KeyOption, RationaleOption, RoleOption, ServiceOption, YesOption
from .approvals_sign import Asked, sign
from .model import DigestArgument
from .options import ConfigOption

app = typer.Typer()


@app.command()
def reject(
    digest: DigestArgument,
    service: ServiceOption,
    role: RoleOption,
    rationale: RationaleOption,
    key: KeyOption,
    yes: YesOption = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Reject a digest: it is not admitted until you approve it, whatever others sign or revoke.

    If it answers, gateways take it off at once: the newest before it that still may answers, or the service gives 503.
    Only break-glass goes without you, for its hours; your rejection stands after them.

    Exit codes: 0 signed; 1 it would not count, nothing was signed; 2 wrong usage, settings or key; 3 the log or the
    store does not answer.

    Example: affiant reject sha256:5e66a605fa8c --service credit --role legal --rationale "no data sheet" --key ann.key
    """
    from registry.statement import REJECTION

    sign(config, Asked(REJECTION, service, digest, key, rationale, role, yes=yes, as_json=as_json))
