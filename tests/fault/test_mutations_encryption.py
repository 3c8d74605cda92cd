"""Each guard of encrypted payloads is taken out once, in a copy, and the tests must fail."""

# ruff: noqa: E501 — a check and what takes it out, on a line

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fault.mutation import Mutation, assert_caught, copy_code, params, run

pytestmark = [pytest.mark.fault, pytest.mark.timeout(400)]

XAES = "tests/unit/audit/proof/test_xaes.py"
FORMAT = "tests/unit/audit/proof/test_encryption.py"
KEYS = "tests/unit/audit/test_payload_keys.py"
FRAMES = "tests/unit/service/test_payload.py"
LOGS = "tests/unit/audit/test_logs.py"
ALL = "tests/integration/test_encryption.py"
COPIED = (
    "audit", "cli", "service", "registry", "monitoring", "examples/credit/german_credit.csv", "tests/__init__.py",
    "tests/conftest.py", "tests/components", "tests/golden", "tests/fault/__init__.py", XAES, FORMAT, KEYS, FRAMES, LOGS, ALL,
)  # fmt: skip


def check(name: str, file: str, old: str, new: str, tests: str, *, short: bool = False) -> Mutation:
    return Mutation(name, f"{file}.py", old, new, tests, short=short)


MUTATIONS = (
    # ---------------------------------------------------------------- the cipher and the format
    check("the carry", "audit/proof/xaes", "        if doubled >> 128:", "        if False:", XAES),
    check("two keys of one nonce", "audit/proof/xaes", r'b"\x00\x01X\x00", b"\x00\x02X\x00"', r'b"\x00\x01X\x00", b"\x00\x01X\x00"', XAES),
    check("the header is vouched for", "audit/proof/encryption", 'self.cipher.encrypt(nonce, b"".join(parts), header)',
          'self.cipher.encrypt(nonce, b"".join(parts), b"")', FORMAT),
    check("a key of another name", "audit/proof/encryption", "    key = keys.keys.get(seen.name)", "    key = next(iter(keys.keys.values()))", FORMAT, short=True),
    check("lengths", "audit/proof/encryption", "    if sum(said[Header.LENGTHS]) + TAG_SIZE != len(payload) - SALT_SIZE - 4 - len(head):", "    if False:", FORMAT),
    check("the entry's key id", "audit/proof/encryption", "    if seen.name != name:", "    if False:", FORMAT),
    check("a digest that outlives the key", "service/recording", "        oversize = key.digest(oversize[0]), oversize[1]", "        pass", ALL),
    check("how long a label is", "audit/labels", "_padded(body_of(said, source))", "body_of(said, source)", ALL),
    check("locals in the log", "audit/logs", "exception_formatter=structlog.dev.plain_traceback", "", LOGS),
    check("a server's own handlers", "audit/logs", "logger.handlers, logger.propagate = [], True", "pass", LOGS),
    check("Python's warnings as text", "audit/logs", "    logging.captureWarnings(True)", "    pass", LOGS),
    check("a key service that is away", "audit/payload_keys", "                raise LogUnavailable(f", "                return self.keys\n                raise LogUnavailable(f", KEYS),
    check("what an addition left", "audit/payload_keys", "            left.unlink()", "            pass", KEYS),
    check("a key that a command has not", "audit/payload_keys", " and now >= self._missed.get(name, now):", ":", KEYS),
    check("a link", "audit/payload_keys", "    if path.is_symlink():", "    if False:", KEYS),
    check("a suite that is not known", "audit/proof/encryption", "        if suite != ENCRYPTED:", "        if False:", FORMAT),
    # ---------------------------------------------------------------- the keys
    check("a file for others", "audit/private", "    if mode & 0o077:", "    if False:", KEYS),
    check("two that add a key", "audit/private", "        fcntl.flock(descriptor, fcntl.LOCK_EX)", "        pass", KEYS),
    check("what a command printed", "audit/commands", "said = err.decode", "said = out.decode", KEYS),
    check("one id twice", "audit/payload_keys", "        if len({line.id for line in self.keys}) != len(self.keys):", "        if False:", KEYS),
    # ---------------------------------------------------------------- the gateway
    check("an answer", "service/recording", "        key=key,\n        nonces=gate.nonces,\n", "", ALL),
    check("a refusal", "service/recording", "        key=key,\n        nonces=call.gate.nonces,\n", "", ALL),
    check("a label", "service/labels", "                key=key,\n", "", ALL),
    check("a request without an answer", "service/recording", "call.inference_length, gate.payload_key, gate.nonces",
          "call.inference_length, None, gate.nonces", ALL),
    check("an aborted request's suite", "audit/journal/own", "    return {Key.SUITE: ENCRYPTED, Key.KEY_ID: name}", "    return {Key.SUITE: PLAIN}", ALL),
    check("no keys, no gateway", "service/encryption", "        found = configured_keyring(self._config)",
          "        try:\n            found = configured_keyring(self._config)\n        except ConfigError:\n            found = None", ALL),
    check("a key that is lost", "service/encryption", "            failed()\n",
          "            take(None)\n            failed()\n", ALL),
    check("a newer key", "service/encryption", "            await follow(self.path, refresh, seen, sleep=sleep)", "            return", ALL),
    # ---------------------------------------------------------------- the readers
    check("a monitor looks again", "monitoring/read/external", "            self._keys, self._looked = self._newer(missing.name), True\n", "            pass\n", ALL),
    check("a replay's keys", "audit/replay/run", "Intake(opening, only, keys, erased)", "Intake(opening, only, erased=erased)", ALL),
)  # fmt: skip


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of what the tests need."""
    copied = copy_code(tmp_path, COPIED)
    ini = (copied / "pytest.ini").read_text()
    (copied / "pytest.ini").write_text(f"{ini}    oci: as in the project\n    cuda: as in the project\n")
    return copied


@pytest.mark.long
@pytest.mark.parametrize("tests", sorted({mutation.tests for mutation in MUTATIONS}))
def test_without_a_mutation_the_tests_pass(copy: Path, tests: str) -> None:
    """Else the failures below would show nothing."""
    done = run(copy, tests)
    assert done.returncode == 0, done.stdout[-3000:]


@pytest.mark.parametrize("mutation", params(MUTATIONS))
def test_the_tests_fail_without(copy: Path, mutation: Mutation) -> None:
    """One guard less, one failing test at least."""
    assert_caught(copy, mutation)
