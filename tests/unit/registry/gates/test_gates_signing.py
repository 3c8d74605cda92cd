"""The gate model_signing: one signature by a key of the policy, of exactly the package's files."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from audit.errors import ConfigError
from registry.gates import Datasets, GateResult, run_gates
from registry.gates.report.summary import summary
from registry.manifest import digest_of
from registry.policy import parse_policy
from registry.signing.bundle import files_of
from registry.signing.kept import Kept, LayoutSignatures
from registry.stores import LayoutStore
from tests.components.packages import number_package
from tests.components.signing import Key, signed

NOW = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Key:
    """The policy's."""
    return Key(tmp_path_factory.mktemp("key"))


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Key:
    """Not the policy's."""
    return Key(tmp_path_factory.mktemp("other"))


def kept(*signatures: bytes) -> list[Kept]:
    """As a store has them."""
    return [Kept(digest_of(each), each) for each in signatures]


def policy(**rules: Any) -> Any:
    """With this gate alone."""
    service = {"gates": {"model_signing": rules}, "approvals": {"roles": {"legal": 1}}}
    return parse_policy(
        json.dumps({"format": 1, "change": {"roles": {"legal": 1}}, "services": {"credit": service}}).encode()
    )


def judged(signatures: Sequence[Kept] | None, **rules: Any) -> GateResult:
    """What the gate says of the package."""
    datasets = Datasets(signatures=signatures)
    (result,) = run_gates(number_package(), datasets, policy(**rules), "credit", now=NOW).results
    return result


def test_one_signature_by_a_key_of_the_policy_is_enough(key: Key, other: Key) -> None:
    """Those that do not count are told, and stop nobody: whoever can write to the store can leave some there."""
    raw, foreign = signed(number_package(), key), signed(number_package(), other)
    damaged = Kept("sha256:" + "ee" * 32, None, "the signature: over 262144 bytes")
    result = judged([*kept(foreign, b"garbage", raw), damaged], public_keys=[key.pem])
    assert (result.verdict, result.figures["signed_by"]) == ("passed", [key.id])
    told: Any = result.figures["signatures"]
    assert told[digest_of(raw)] == "holds"
    assert f"by the key {other.id}, which is not trusted" in told[digest_of(foreign)]
    assert (told[damaged.digest], len(told)) == (damaged.problem, 4)
    assert "model-signing" in result.versions
    assert summary(result) == f"by {key.id[:12]}; 1 of 4 signatures counts"
    both = judged(kept(raw, foreign), public_keys=[key.pem, other.pem])
    assert both.figures["signed_by"] == sorted([key.id, other.id])


def test_a_package_that_nobody_has_signed_fails_where_that_is_required(key: Key) -> None:
    """By default it is; else a signature that is there must count all the same."""
    assert judged([], public_keys=[key.pem]).reason == "it has no signature"
    assert judged([], public_keys=[key.pem], required=False).verdict == "passed"
    assert judged([], public_keys=[key.pem], required=True).verdict == "failed"
    result = judged(kept(b"garbage"), public_keys=[key.pem], required=False)
    assert result.verdict == "failed"
    assert "none of its 1 signatures counts" in result.reason


def test_a_signature_that_does_not_count_passes_no_gate(key: Key, other: Key) -> None:
    """By another key, of another package, without a file: each in words."""
    package = number_package()
    fewer = {name: digest for name, digest in files_of(package).items() if name != "lineage.json"}
    for raw, said in (
        (signed(package, other), "which is not trusted"),
        (signed(number_package("another"), key), "signed with other bytes"),
        (signed(package, key, files=fewer, ignore_paths=["lineage.json"]), "not signed: lineage.json"),
        (b" " * 300_000, "over 262144 bytes"),
    ):
        result = judged(kept(raw), public_keys=[key.pem])
        assert (result.verdict, said in result.reason) == ("failed", True), result.reason


def test_what_a_stranger_signs_does_not_fill_the_log(key: Key) -> None:
    """A problem names the files; somebody else's statement may have thousands of letters of them."""
    raw = signed(number_package(), key, files={f"{each:02}" + "x" * 254: "00" * 32 for each in range(64)})
    (problem,) = judged(kept(raw), public_keys=[key.pem]).figures["signatures"].values()
    assert 100 < len(str(problem)) <= 300


def test_the_gate_that_cannot_judge_has_failed(key: Key, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody looked for signatures, or the library is not there: then what to install is said."""
    rules = {"public_keys": [key.pem], "required": False}
    assert judged(None, **rules).reason == "could not run: CannotJudge: nobody looked for signatures"
    raw = signed(number_package(), key)
    monkeypatch.setitem(sys.modules, "model_signing", None)
    result = judged(kept(raw), **rules)
    assert result.verdict == "failed"
    assert "could not run" in result.reason
    assert "install affiant[signing]" in result.reason


def test_a_policy_with_a_key_that_cannot_be_used_is_none(key: Key, tmp_path: Path) -> None:
    """It is said when the policy is read, not when a package waits."""
    with pytest.raises(ConfigError, match=r"public_keys.*no public key in PEM"):
        policy(public_keys=["-----BEGIN PUBLIC KEY-----"])
    with pytest.raises(ConfigError, match="public_keys"):
        policy(public_keys=[])
    with pytest.raises(ConfigError, match=r"public_keys.*no public key in PEM"):
        policy(public_keys=[key.path.read_text()])
    found = policy(public_keys=[key.pem])
    assert parse_policy(found.canonical()).digest == found.digest


def test_the_pytest_plugin_looks_for_signatures_beside_the_package(key: Key, tmp_path: Path) -> None:
    """In the store that its file names."""
    from registry.pytest_gates import _ready

    package = number_package()
    LayoutStore(tmp_path / "store").push(package)
    LayoutSignatures(tmp_path / "store").keep(package, signed(package, key))
    (tmp_path / "policy.yaml").write_bytes(policy(public_keys=[key.pem]).canonical())
    words = {"policy": "policy.yaml", "service": "credit", "store": "store", "digest": package.digest}
    (tmp_path / "gates.yaml").write_text(json.dumps(words))
    ready = _ready(tmp_path / "gates.yaml", None)
    report = run_gates(ready.package, ready.datasets, ready.policy, ready.service, now=NOW)
    assert report.passed, report.results
