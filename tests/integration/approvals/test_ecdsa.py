"""People whose keys are ECDSA, beside some whose keys are not: from the root to what an auditor verifies alone."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from audit.proof.dsse import Envelope
from audit.proof.errors import NotProved
from audit.proof.keys import P256, P384
from registry.approvals.draft import read_root_file
from registry.approvals.root import Root, add_signature, sign_root
from registry.statement import APPROVAL
from tests.components.approvals import House
from tests.components.packages import credit_package

KINDS = {"ann": P256, "bob": P384, "dan": P256, "pipeline": P256}
"""Of cyd, who signs the first policy, and eve it is Ed25519."""
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> House:
    """Both kinds in one root."""
    return House.build(tmp_path_factory.mktemp("mixed"), [credit_package()], kinds=KINDS)


@pytest.fixture
def house(mixed: House, tmp_path: Path) -> House:
    """A copy of one's own."""
    return mixed.copy(tmp_path / "house")


def root_of(house: House) -> Root:
    """The first root."""
    found = read_root_file(house.file("root.json"))
    assert isinstance(found, Root)
    return found


def test_all_that_is_signed_is_verified_from_the_root_to_the_certificate(house: House) -> None:
    """Root, policy, gate results, publication, approvals, deployment: admitted here, and by `affiant-verify` alone."""
    house.ok(
        "model", "sign-publication", house.digest, "--rationale", "release 7", "--key", house.key("pipeline"), "--yes",
        *house.config,
    )  # fmt: skip
    house.gates()
    assert not house.sign("approve", "dan", "legal").json["admitted"]
    assert house.sign("approve", "bob", "compliance").json["admitted"]
    house.ok(
        "deploy", "credit", house.digest, "-m", "live", "--key", house.key("dan"), "--yes", *house.config
    )
    path = house.file("certificate.zip")
    house.ok("certificate", house.digest, "-s", "credit", "-o", path, *house.config)
    words = ["certificate", str(path), "--root-digest", root_of(house).digest, "--json"]
    code = (
        "import sys\nfrom audit.proof.command import main\n"
        f"code = main({words!r})\n"
        "assert not {'pydantic', 'securesystemslib', 'registry'} & set(sys.modules), 'more was imported'\n"
        "sys.exit(code)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done
    assert json.loads(done.stdout)["approved_by"] == ["bob (compliance)", "dan (legal)"]


def test_a_person_goes_over_to_another_kind_of_key(house: House) -> None:
    """By rotation, as for any key: what the old one signed stands."""
    house.gates()
    assert house.sign("approve", "dan", "legal").code == 0
    house.ok("roles", "keygen", house.file("dan2.key"), "--person", "dan")
    house.ok(
        "roles", "rotate", house.file("root.json"), house.file("root2.json"), "--new", house.file("dan2.key.pub"),
        *house.config,
    )  # fmt: skip
    for person in ("ann", "bob"):
        house.ok("roles", "sign", house.file("root2.json"), "--key", house.key(person), "--yes")
    house.ok("roles", "publish", house.file("root2.json"), "--key", house.key("eve"), "--yes", *house.config)
    assert house.sign("approve", "bob", "compliance").json["admitted"]
    house.file("dan2.key").replace(house.key("dan"))
    assert house.sign("revoke", "dan").code == 0
    assert house.status().code == 1


def test_one_key_signs_a_root_once(house: House) -> None:
    """However often, and with however different signatures: two people must sign."""
    content, ann = root_of(house).content, house.signer("ann")
    twice = sign_root(content, [ann, ann])
    (_, first), (_, second) = twice.envelope.signatures
    assert first != second
    assert twice.signers(twice) == {"ann"}
    with pytest.raises(NotProved, match="by 1 of the 2 people"):
        twice.check(None)
    assert len(add_signature(add_signature(sign_root(content, []), ann), ann).envelope.signatures) == 1
    # Under the name of somebody else's key it is nobody's.
    names = [each.id for each in (house.signer("ann"), house.signer("bob"))]
    lent = Envelope(twice.envelope.type, twice.envelope.payload, ((names[0], first), (names[1], second)))
    with pytest.raises(NotProved, match="by 1 of the 2 people"):
        replace(twice, envelope=lent).check(None)


def test_a_statement_that_is_signed_again_is_as_old_as_it_was(house: House) -> None:
    """The bytes of an approval that was revoked, under a new signature: it brings nothing back."""
    house.gates()
    assert house.sign("approve", "bob", "compliance").code == 0
    assert house.sign("approve", "dan", "legal").json["admitted"]
    (said,) = [
        each for each in house.board().said if each.type == APPROVAL and each.author == house.signer("dan").id
    ]
    assert house.sign("revoke", "dan").code == 0
    house.say("dan", APPROVAL, dict(said.predicate))
    again = [each for each in house.board().said if each.raw == said.raw]
    assert [each.holds for each in again] == [True, True]
    assert house.status().code == 1
