"""URIs of keys that are in no file of ours: which of securesystemslib's schemes sign with which kinds of key.

A key whose scheme cannot sign with it is refused when its public file is written, and not first on the day when its
owner must approve something. tests/project/test_key_schemes.py holds KINDS_OF to the installed securesystemslib, and
the table in docs/approvals.md to KINDS_OF.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from securesystemslib.signer import SIGNER_FOR_URI_SCHEME  # type: ignore[attr-defined]  # as in keys.py

from audit.errors import KeyRefused
from audit.proof.keys import ED25519, KINDS, P256, P384

KINDS_OF: Final[Mapping[str, tuple[str, ...]]] = {
    "file2": KINDS,
    "hsm": (P256, P384),
    "awskms": (P256, P384),
    "gcpkms": (P256, P384),
    "azurekms": (P256, P384),
    "hv": (ED25519,),
    "gnupg": (),
    "tkey": (),
}
"""Of the schemes that securesystemslib has; empty: of no kind that a root takes. What somebody registers with it beside
them is theirs to know."""


def check_scheme(uri: str, kind: str) -> None:
    """Whether the scheme of a URI signs with keys of that kind.

    Raises:
        KeyRefused: securesystemslib does not have it, or it does not. The rest of the URI MUST NOT be in the message:
            it may be somebody's account.
    """
    scheme = uri.partition(":")[0]
    if scheme not in SIGNER_FOR_URI_SCHEME:
        known = ", ".join(name for name, kinds in KINDS_OF.items() if kinds)
        raise KeyRefused(f"nothing signs with a key at {scheme}: here; a URI begins with one of {known}")
    kinds = KINDS_OF.get(scheme, KINDS)
    if kind not in kinds:
        told = f"only {' and '.join(kinds)} keys" if kinds else "no key that a root takes"
        raise KeyRefused(f"{scheme}: signs with {told}, and this one is {kind}")
