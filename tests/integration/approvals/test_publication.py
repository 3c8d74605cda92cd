"""Who published says so by signature: told where people look, asked for where the policy asks, in the certificate."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from audit.proof.certificate import parse_certificate
from audit.proof.certificate_check import verify_certificate
from registry.policy import load_policy
from registry.statement import PUBLISH
from tests.components.approvals import POLICY, Done, House, affiant
from tests.components.packages import CREDIT_CSV, TARGET, credit_booster

SIGNED = POLICY.replace("valid_days: 10", "valid_days: 10, signed_publication: true, bound: true")


def publish(house: House, person: str, *more: object) -> Done:
    return affiant(
        "model", "sign-publication", house.digest, "--rationale", "release 7", "--key", house.key(person), "--yes",
        *more, *house.config,
    )  # fmt: skip


@pytest.fixture
def asking(house: House) -> House:
    """Its policy wants the signature, and binds approvals; the gates have passed."""
    house.file("policy.yaml").write_text(SIGNED)
    for person, role in (("ann", "compliance"), ("dan", "legal")):
        house.ok(
            "policy", "propose", house.file("policy.yaml"), "--role", role, "--rationale", "signed", "--key",
            house.key(person), "--yes", *house.config,
        )  # fmt: skip
    assert house.board().policy.digest == load_policy(house.file("policy.yaml")).digest  # type: ignore[union-attr]
    house.gates(data={"documents": "sha256:" + "1d" * 32})
    return house


def test_who_published_is_told_by_signature_and_asked_for(asking: House, tmp_path: Path) -> None:
    """Status, lineage, certificate; without it nothing is admitted."""
    house = asking
    assert house.sign("approve", "dan", "legal").code == 0
    assert house.sign("approve", "bob", "compliance").json["reasons"] == [
        "nobody with the role publish has signed that they published it"
    ]
    done = publish(house, "pipeline", "--json")
    assert (done.code, done.json["signed"], done.json["offset"]) == (0, True, house.board().end - 1)
    assert house.status().code == 0
    assert house.status().json["services"][0]["published_by"] == ["pipeline"]
    assert "by the signature of pipeline" in affiant("status", house.digest, *house.config).out
    said = affiant("lineage", "show", house.digest, "--json", *house.config).json["said"]
    assert [(each["person"], each["says"]["rationale"]) for each in said if each["type"] == "publish"] == [
        ("pipeline", "release 7")
    ]
    path = tmp_path / "c.zip"
    house.ok("certificate", house.digest, "-s", "credit", "-o", path, *house.config)
    found = verify_certificate(path.read_bytes(), house.board().roots.chain[0][1].digest)
    assert ("publish", "pipeline") in [(each.kind, each.person) for each in found.statements]


def test_a_certificate_without_the_publication_does_not_hold(asking: House, tmp_path: Path) -> None:
    """Its verifier asks for what the policy asks, by itself."""
    house = asking
    for person, role in (("dan", "legal"), ("bob", "compliance")):
        assert house.sign("approve", person, role).code == 0
    assert publish(house, "pipeline").code == 0
    path = tmp_path / "c.zip"
    house.ok("certificate", house.digest, "-s", "credit", "-o", path, *house.config)
    root = house.board().roots.chain[0][1].digest
    whole, _ = parse_certificate(path.read_bytes())
    assert verify_certificate(path.read_bytes(), root).flaws == []
    (offset,) = (each.offset for each in house.board().about(house.digest, (PUBLISH,)))
    less = replace(whole, statements=tuple(each for each in whole.statements if each.offset != offset))
    flaws = [str(each) for each in verify_certificate(less.encode(), root).flaws]
    assert any("nobody with the role publish has signed" in each for each in flaws)


def test_a_key_without_the_role_publishes_nothing(house: House) -> None:
    """Said before anything is signed."""
    end = house.board().end
    done = publish(house, "dan")
    assert (done.code, "has not the role publish" in done.err) == (1, True)
    assert house.board().end == end


def test_an_approval_ends_when_gates_run_on_other_data(asking: House) -> None:
    """The command's own approvals say what was seen; newer results of another table are another question."""
    house = asking
    assert publish(house, "pipeline").code == 0
    for person, role in (("dan", "legal"), ("bob", "compliance")):
        assert house.sign("approve", person, role).code == 0
    assert house.status().code == 0
    house.gates(data={"documents": "sha256:" + "1d" * 32})
    assert house.status().code == 0
    house.gates(data={"documents": "sha256:" + "2d" * 32})
    assert house.status().code == 1
    reasons = house.status().json["services"][0]["slots"][0]["reasons"]
    assert "newer gate results are of other data than its signer saw" in reasons[-1]
    for person, role in (("dan", "legal"), ("bob", "compliance")):
        assert house.sign("approve", person, role).code == 0
    assert house.status().code == 0


def test_publishing_signs_at_once(house: House, tmp_path: Path) -> None:
    """One command for a pipeline; a key without the role publishes nothing."""
    model = tmp_path / "credit.ubj"
    model.write_bytes(bytes(credit_booster().save_raw("ubj")))
    words = (
        "model",
        "publish",
        model,
        "--table",
        CREDIT_CSV,
        "--target",
        TARGET,
        "--name",
        "fresh",
        "--positive",
        "bad",
    )
    before = len(affiant("model", "list", "--json", *house.config).json)
    refused = affiant(*words, "--key", house.key("bob"), *house.config)
    assert (refused.code, "has not the role publish" in refused.err) == (1, True)
    assert len(affiant("model", "list", "--json", *house.config).json) == before
    done = affiant(*words, "--key", house.key("pipeline"), "--json", *house.config)
    assert done.code == 0, done
    (said,) = house.board().about(done.json["digest"], (PUBLISH,))
    assert house.board().speaker(said) == "pipeline"
    assert said.predicate["seen"] == said.offset
