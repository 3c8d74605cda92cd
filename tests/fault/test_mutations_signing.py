"""Model signatures: each rule taken out of a copy, and a test of the signatures, the keys or the gate fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fault.mutation import Mutation, assert_caught, params, run

pytestmark = pytest.mark.fault

BUNDLE = "registry/signing/bundle.py"
VERIFY = "registry/signing/verify.py"
KEYS = "registry/signing/keys.py"
GATE = "registry/gates/model_signing.py"

ON = "tests/unit/registry/signing"
GATES = "tests/unit/registry/gates/test_gates_signing.py"
COMMANDS = "tests/integration/signing/test_commands.py"

COPIED = (
    "audit", "registry", "service", "tests/__init__.py", "tests/components/__init__.py",
    "tests/components/packages.py", "tests/components/signing.py", ON, GATES,
    "cli", "monitoring", "examples/credit/german_credit.csv", "tests/components/approvals.py", COMMANDS,
)  # fmt: skip

MUTATIONS = (
    Mutation(
        "all files are signed",
        VERIFY,
        "    check_files(claim, package)\n",
        "",
        f"{ON}/test_verify.py -k left_out",
        also=("files_of(package))", "claim.files)"),
        short=True,
    ),
    Mutation(
        "what is told of the files", BUNDLE, "    if said:\n", "    if False:\n", f"{ON}/test_verify.py"
    ),
    Mutation(
        "the signature itself",
        VERIFY,
        "            configured.verify(place, signature)\n",
        "            pass\n",
        f"{ON}/test_verify.py -k not_trusted",
    ),
    Mutation(
        "whose key", VERIFY, "for each in trust.keys if each.id == claim.key", "for each in trust.keys", ON
    ),
    Mutation("no authority", VERIFY, "if not trust.certificates:", "if False:", ON),
    Mutation("the length", BUNDLE, "if len(raw) > MAX_SIGNATURE:", "if False:", ON),
    Mutation("a file twice", BUNDLE, "if len(files) != len(predicate.resources):", "if False:", ON),
    Mutation(
        "a second spelling",
        BUNDLE,
        'model_config = ConfigDict(extra="forbid", frozen=True, strict=True)',
        'model_config = ConfigDict(extra="ignore", frozen=True, strict=True)',
        ON,
    ),
    Mutation(
        "what Sigstore signs",
        BUNDLE,
        "if bundle.material.entries or bundle.material.certificate is not None:",
        "if False:",
        ON,
    ),
    Mutation("a key that others read", KEYS, "if stat.S_IMODE(mode) & 0o077:", "if False:", ON),
    Mutation("a curve", KEYS, "EllipticCurvePublicKey) or key.curve.name not in CURVES", "object)", ON),
    Mutation(
        "what nobody has verified",
        "cli/model_signatures.py",
        "    if found:\n        warn(",
        "    if False:\n        warn(",
        f"{COMMANDS} -k nobody_has",
    ),
    Mutation("none counts", GATE, "failures = () if good else", "failures = () if found else", GATES),
    Mutation("it is required", GATE, " if limits.required else ()", " if not limits.required else ()", GATES),
    Mutation("nobody looked", GATE, "if datasets.signatures is None:", "if False:", GATES),
)  # fmt: skip


@pytest.mark.long
def test_without_a_mutation_the_tests_pass(copy: Path) -> None:
    """Else the failures below would show nothing."""
    done = run(copy, f"{ON} {GATES}")
    assert done.returncode == 0, done.stdout[-3000:]


@pytest.mark.parametrize("mutation", params(MUTATIONS))
def test_the_tests_fail_without(copy: Path, mutation: Mutation) -> None:
    """One guard less, one failing test at least."""
    assert_caught(copy, mutation)
