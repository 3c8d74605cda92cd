"""Which URI schemes sign with which keys: as the code has it, the page says it, and the installed library does it."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest
from securesystemslib.signer import SIGNER_FOR_URI_SCHEME

from audit.proof.keys import ED25519, KINDS, P256, P384
from registry.approvals.schemes import KINDS_OF

PAGE = Path(__file__).resolve().parents[2] / "docs" / "approvals.md"
NAMED = {
    ED25519: r"\b(?:ED25519|Ed25519PublicKey)\b",
    P256: r"\bECDSA_SHA2_NISTP256\b",
    P384: r"\bECDSA_SHA2_NISTP384\b",
}
"""How the source of a signer says that it knows a kind. What a scheme signs with cannot be asked of it: most do nothing
without a library of their own, and then an account."""


@pytest.mark.parametrize("scheme", sorted(KINDS_OF))
def test_a_scheme_signs_with_the_kinds_that_its_source_names(scheme: str) -> None:
    """When securesystemslib learns another one, this fails, and the table is to be read again."""
    source = inspect.getsource(inspect.getmodule(SIGNER_FOR_URI_SCHEME[scheme]))
    assert tuple(kind for kind in KINDS if re.search(NAMED[kind], source)) == KINDS_OF[scheme]


def test_each_scheme_of_the_library_is_told() -> None:
    """None comes or goes unseen."""
    assert set(SIGNER_FOR_URI_SCHEME) == set(KINDS_OF)


def test_the_page_has_the_same_table() -> None:
    """One row a scheme that signs, in the same order; the others are named below it."""
    rows = re.findall(r"^\| `(\w+):[^|]*\|((?: *(?:yes|–) *\|){3})", PAGE.read_text(), re.MULTILINE)
    told = {
        scheme: tuple(
            kind for kind, cell in zip(KINDS, cells.split("|"), strict=False) if cell.strip() == "yes"
        )
        for scheme, cells in rows
    }
    assert told == {scheme: kinds for scheme, kinds in KINDS_OF.items() if kinds}
    none = [scheme for scheme, kinds in KINDS_OF.items() if not kinds]
    assert all(f"`{scheme}:`" in PAGE.read_text() for scheme in none)
