"""`affiant revoke`: what was approved counts no more."""

from __future__ import annotations

import typer

from .approvals_open import JsonOption, KeyOption, RationaleOption, ServiceOption, YesOption
from .approvals_sign import Asked, sign
from .model import DigestArgument
from .options import ConfigOption

app = typer.Typer()


@app.command()
def revoke(
    digest: DigestArgument,
    service: ServiceOption,
    rationale: RationaleOption,
    key: KeyOption,
    yes: YesOption = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Revoke a digest: every approval and gate result before this counts no more; gateways take it off.

    Whoever may sign for the service, or for the root, may revoke. New gate results and approvals admit it again. A
    rejection stands all the same, until its author approves.

    Exit codes: 0 signed; 1 the key may not, nothing was signed; 2 wrong usage, settings or key; 3 the log or the
    store does not answer.

    Example: affiant revoke sha256:5e66a605fa8c --service credit --rationale "biased by age" --key ann.key
    """
    from registry.statement import REVOCATION

    sign(config, Asked(REVOCATION, service, digest, key, rationale, yes=yes, as_json=as_json))
