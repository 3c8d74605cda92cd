"""Which deprecations of data count: whoever can write to the broker can append anything."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from audit.proof.errors import FormatError
from registry.approvals.root import fold_roots
from registry.lineage import DataSet
from registry.lineage.deprecation import deprecated, deprecated_in, encode_deprecation
from registry.lineage.versions import parse_version
from registry.statement import DATA_DEPRECATION, encode, read
from tests.components.lineage import NOW, Forger, LineageSite, package_of

MD5, SHA = "md5:" + "1" * 32, "sha256:" + "b" * 64


@pytest.fixture
def site(tmp_path: Path) -> LineageSite:
    return LineageSite(tmp_path)


def now(site: LineageSite) -> Mapping[str, str]:
    reader = site.log.reader()
    try:
        roots = fold_roots(site.first, read(reader))
        return deprecated(roots, read(reader, roots.public_keys()))
    finally:
        reader.close()


@pytest.mark.parametrize("version", [MD5, MD5 + ".dir", SHA])
def test_a_version_is_deprecated_with_its_reason_and_the_newest_word_counts(
    site: LineageSite, version: str
) -> None:
    """By either of its names; what is taken back is not deprecated any more."""
    site.deprecate(version)
    assert now(site) == {version: "consent withdrawn"}
    site.deprecate(version, deprecated=False)
    assert now(site) == {}
    site.deprecate(version)
    assert now(site) == {version: "consent withdrawn"}


@pytest.mark.parametrize("who", ["eve", "dan", "ann", "new"])
def test_only_the_role_data_counts(site: LineageSite, who: str) -> None:
    """Neither a stranger nor somebody with other roles may deprecate, or take it back."""
    site.deprecate(MD5, who)
    assert now(site) == {}
    site.deprecate(MD5)
    site.deprecate(MD5, who, deprecated=False)
    assert now(site) == {MD5: "consent withdrawn"}


def test_a_forged_signature_counts_for_nothing(site: LineageSite) -> None:
    """The author's name is right, the signature another's."""
    site.keys["forger"] = Forger(site.keys["cyd"])
    site.deprecate(MD5, "forger")
    assert now(site) == {}
    site.deprecate(MD5)
    site.deprecate(MD5, "forger", deprecated=False)
    assert now(site) == {MD5: "consent withdrawn"}


def test_a_statement_sent_again_changes_nothing(site: LineageSite) -> None:
    """One that takes a deprecation back, kept by somebody, does not take back the next one."""
    site.deprecate(MD5)
    site.deprecate(MD5, deprecated=False)
    site.deprecate(MD5)
    site.again(1, 2)
    assert now(site) == {MD5: "consent withdrawn"}


@pytest.mark.parametrize("late", [3601.0, -3601.0])
def test_a_statement_that_was_kept_back_does_not_count(site: LineageSite, late: float) -> None:
    """An hour between the signer's clock and the log's, either way."""
    site.deprecate(MD5)
    site.deprecate(MD5, deprecated=False, late=late)
    assert now(site) == {MD5: "consent withdrawn"}


def test_what_was_said_stays_when_its_signer_leaves(site: LineageSite) -> None:
    """As of the root of that time."""
    site.deprecate(MD5)
    site.new_root("cyd")
    site.deprecate(SHA)
    assert now(site) == {MD5: "consent withdrawn"}


GOOD = json.loads(encode_deprecation(SHA, "why", "cyd", NOW))["predicate"]


@pytest.mark.parametrize(
    ("changed", "subject"),
    [
        ({}, "sha256:" + "c" * 64),
        ({"version": MD5}, SHA),
        ({"version": "b" * 64}, SHA),
        ({"deprecated": 1}, SHA),
        ({"at": "now"}, SHA),
        ({"reason": ""}, SHA),
        ({"more": 1}, SHA),
        ({"format": 2}, SHA),
    ],
)
def test_what_is_not_of_the_form_is_passed_over(
    site: LineageSite, changed: dict[str, object], subject: str
) -> None:
    """Whoever signed it; and what comes after it is read."""
    site.say("cyd", encode(subject, DATA_DEPRECATION, GOOD | changed))
    assert now(site) == {}
    site.deprecate(SHA)
    assert now(site) == {SHA: "consent withdrawn"}


@pytest.mark.parametrize("text", ["", "x", "md5:1", "sha256:" + "B" * 64, "b" * 63, MD5 + ".DIR", MD5 + "\n"])
def test_what_is_no_version_is_refused(text: str) -> None:
    """Before anything is signed."""
    with pytest.raises(FormatError, match="no version of data"):
        encode_deprecation(text, "why", "cyd", NOW)
    assert parse_version("b" * 64) == SHA


def test_a_deprecation_needs_a_reason() -> None:
    """Those whose deployment is refused shall read it."""
    with pytest.raises(FormatError, match="reason"):
        encode_deprecation(SHA, "", "cyd", NOW)


def test_a_package_is_known_by_any_name_of_its_data() -> None:
    """And each sentence says which, and why."""
    rows = DataSet("rows.csv", MD5, "dvc", True, "b" * 64)
    lineage = package_of("credit", (rows,)).lineage
    assert deprecated_in(lineage, {}) == ()
    for version in (MD5, SHA):
        (sentence,) = deprecated_in(lineage, {version: "consent withdrawn"})
        assert sentence == f"it was made of 'rows.csv' ({version}), which is deprecated: consent withdrawn"
    table = f"sha256:{lineage['training_table']['sha256']}"
    assert len(deprecated_in(lineage, {table: "wrong"})) == 1
