"""Whom TLS believes, and what the doctor wants of keys and rights: each guard taken out of a copy, and a test fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fault.mutation import Mutation, assert_caught, copy_code, params, run

pytestmark = [pytest.mark.fault, pytest.mark.timeout(400)]

SECRETS = "tests/unit/audit/doctor/test_secrets.py"
RIGHTS = "tests/unit/audit/doctor/test_rights.py"
AUTH = "tests/unit/service/test_auth.py"
STORES = "tests/integration/test_tls_stores.py"
GATEWAY = "tests/integration/test_tls_gateway.py"
SETTINGS = "tests/unit/registry/test_settings.py"
ONLY = "tests/unit/cli/test_doctor_only.py"
COPIED = (
    "audit",
    "registry",
    "service",
    "monitoring",
    "cli",
    "examples/credit/german_credit.csv",
    "pyproject.toml",
    "tests/__init__.py",
    "tests/components",
    "tests/fault/__init__.py",
    "tests/fault/notary",
    "tests/integration",
    "tests/unit/audit/doctor",
    "tests/unit/service",
    "tests/unit/registry",
    ONLY,
)

MUTATIONS = (
    Mutation(
        "who reads may not write",
        "audit/doctor/topics.py",
        '(_NOBODY | {"WRITE"}) - wanted',
        "_NOBODY - wanted",
        RIGHTS,
        short=True,
    ),
    Mutation(
        "whose the record is not is not asked for its times",
        "cli/doctor_checks.py",
        "if not rights.needed(parts, rights.ENTRIES):",
        "if False:",
        "tests/integration/test_tls_kafka.py",
    ),
    Mutation(
        "a key that its component refuses is not mounted",
        "audit/doctor/secrets.py",
        "return secret.mounted and ",
        "return ",
        SECRETS,
    ),
    Mutation(
        "nobody is all of them",
        "cli/up.py",
        "        if name not in known:",
        "        if name and name not in known:",
        ONLY,
        short=True,
    ),
    Mutation("on a mount that is only read", "audit/doctor/secrets.py", " and found.read_only", "", SECRETS),
    Mutation("of root", "audit/doctor/secrets.py", " and found.owner == 0", "", SECRETS),
    Mutation("and to read alone", "audit/doctor/secrets.py", "& 0o037", "& 0o007", SECRETS),
    Mutation(
        "a certificate that is wanted",
        "service/auth.py",
        "if self.certificates and ",
        "if False and ",
        AUTH,
    ),
    Mutation(
        "that nobody says was shown",
        "service/auth.py",
        "get(CERTIFICATE) is not True",
        "get(CERTIFICATE) is False",
        AUTH,
    ),
    Mutation(
        "a certificate of the gateway that was renewed",
        "service/http.py",
        "            tls.renew(self.config.ssl)\n",
        "            pass\n",
        f"{GATEWAY} -k renewed",
    ),
    Mutation(
        "whom a worker hands to its connections",
        "service/app.py",
        '            scope["state"][TLS] = worker.tls\n',
        "            pass\n",
        f"{GATEWAY} -k exchanged",
    ),
    Mutation(
        "the registry's authority",
        "registry/stores/oci.py",
        '            kwargs["verify"] = str(self._authorities)\n',
        "            pass\n",
        f"{STORES} -k registry",
    ),
    Mutation(
        "a password that is over is read again",
        "registry/stores/oci.py",
        "known, fixed = self._client is not None,",
        "known, fixed = False,",
        "tests/integration/test_store_oci.py -k over",
    ),
    Mutation(
        "MLflow's, likewise",
        "registry/mlflow/client.py",
        "                verify=self._verify,\n",
        "",
        f"{STORES} -k mlflow",
        also=("        self._verify = access.verify\n", "        self._session.verify = access.verify\n"),
    ),
    Mutation(
        "which no switch of the environment turns off",
        "registry/settings.py",
        "    if authorities is not None:  #",
        "    if authorities is not None and not insecure:  #",
        f"{STORES} -k mlflow",
    ),
    Mutation(
        "the collector's",
        "audit/traces/export.py",
        '**{**kwargs, "verify": str(self._authorities)}',
        "**kwargs",
        f"{STORES} -k collector",
    ),
    Mutation(
        "the witness's",
        "audit/notary/witness.py",
        "believed(self._authorities)",
        "believed(None)",
        f"{STORES} -k witness",
    ),
    Mutation(
        "the bucket's",
        "audit/objects/bucket.py",
        "client_options=client,",
        "client_options=None,",
        f"{STORES} -k bucket",
    ),
    Mutation(
        "no authority where no TLS is",
        "registry/settings.py",
        "if self.ca_file is not None and (",
        "if False and (",
        SETTINGS,
    ),
    Mutation(
        "a file that holds none",
        "audit/authorities.py",
        "        believed(whole)\n",
        "        pass\n",
        f"{STORES} -k told",
    ),
)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of what these tests need."""
    copied = copy_code(tmp_path, COPIED)
    (copied / "tests" / "conftest.py").write_text((Path(__file__).parents[1] / "conftest.py").read_text())
    ini = (copied / "pytest.ini").read_text()
    (copied / "pytest.ini").write_text(f"{ini}    oci: as in the project\n    s3: as in the project\n")
    return copied


@pytest.mark.long
def test_without_a_mutation_the_tests_pass(copy: Path) -> None:
    """Else the failures below would show nothing."""
    done = run(copy, f"{SECRETS} {RIGHTS} {AUTH} {SETTINGS} {STORES}")
    assert done.returncode == 0, done.stdout[-3000:]


@pytest.mark.parametrize("mutation", params(MUTATIONS))
def test_the_tests_fail_without(copy: Path, mutation: Mutation) -> None:
    """One guard less, one failing test at least."""
    assert_caught(copy, mutation)
