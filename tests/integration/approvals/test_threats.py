"""What somebody with write access to store, log or settings could try, on real files (docs/approvals-threats.md).

Each test lets the gateway's own admission look at what was done; it starts anew each time, as after a restart.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from audit.errors import ConfigError
from audit.governance import Governance
from audit.log import configured_governance_log
from audit.log.base import Log
from audit.proof.dsse import MEDIA_TYPE, Envelope, parse_envelope
from audit.proof.entry import Key, Kind, encode_entry
from audit.proof.hashing import sha256
from audit.proof.record import Header, encode_payload, frame_record, parse_payload, parse_record
from audit.show import walk
from registry.approvals.root import parse_root, root_predicate
from registry.errors import NotAdmitted
from registry.lineage.publisher import publisher_of
from registry.package import Package
from registry.policy import load_policy, parse_policy
from registry.statement import APPROVAL, GATES, POLICY, REVOCATION, ROOT
from registry.stores import LayoutStore
from service.admitted import Admission, configured_admission, memory_path
from service.settings import PlanSettings
from tests.components.approvals import House, affiant
from tests.components.sealer import Sealer

DAY = 86_400.0


class Gateway:
    """What the gateway asks before a digest answers, on a house's files."""

    def __init__(self, house: House, sealer: Sealer | None = None) -> None:
        self.house = house
        self.sealer = sealer
        self.ahead = 0.0

    def lineage(self, digest: str) -> Mapping[str, Any]:
        return LayoutStore(self.house.file("data") / "store").pull(digest).lineage

    def admission(self, timer: Callable[[], float] = time.monotonic) -> Admission:
        """As after a restart."""
        return Admission(
            memory_path(self.house.loaded.data, 0),
            self.house.file("root.json"),
            log_of(self.house),
            self.lineage,
            lambda: time.time() + self.ahead,
            self.sealer.trees if self.sealer is not None else None,
            timer,
        )

    def refused(self, digest: str | None = None) -> str:
        """Why a digest may not be live; empty: it may. As after a restart."""
        admission = self.admission()
        found = admission.admit((PlanSettings(service="credit", digest=digest or self.house.digest),))
        admission.served(found.entries)
        return "; ".join(found.refused)


def log_of(house: House) -> Log:
    """Its governance log."""
    return configured_governance_log(house.loaded, create=False)


def values(house: House) -> list[bytes]:
    """Every record of the log."""
    reader = log_of(house).reader()
    try:
        return [each.value or b"" for each in walk(reader, 0, 0, reader.bounds(0)[1])]
    finally:
        reader.close()


def send(house: House, *records: bytes) -> None:
    """Append records as they are: whoever can write to the broker can."""
    writer = log_of(house).writer(0)
    for each in records:
        writer.send(each, b"")
    while writer.delivered().sends < len(records):
        writer.wait(1)
    writer.close()


def forged(author: bytes, envelope: Envelope) -> bytes:
    """A record of a statement with an author and an envelope of one's choice."""
    payload = encode_payload(bytes(32), {Header.CONTENT_TYPE: MEDIA_TYPE}, envelope.encode())
    entry: dict[int, object] = {
        Key.KIND: Kind.GOVERNANCE, Key.PAYLOAD_DIGEST: sha256(payload).digest(), Key.PAYLOAD_LENGTH: len(payload),
        Key.SUITE: 0, Key.BODY_TYPE: envelope.type, Key.AUTHOR: author, Key.TIME: time.time_ns(),
    }  # fmt: skip
    return frame_record(encode_entry(entry), payload)


def approval(house: House, **changed: Any) -> dict[str, Any]:
    """The predicate of an approval."""
    policy = load_policy(house.file("policy.yaml"))
    return {
        "service": "credit", "role": "legal", "policy": policy.digest, "at": time.time(), "rationale": "x",
        "break_glass": False, "number": time.time_ns(),
    } | changed  # fmt: skip


@pytest.fixture
def other(house: House) -> str:
    """The second package of the store: nobody has approved it."""
    store = LayoutStore(house.file("data") / "store")
    return next(each.digest for each in store.list() if each.digest != house.digest)


@pytest.fixture
def approved(judged: House) -> House:
    """Gates have passed; legal and compliance have signed."""
    for person, role in (("dan", "legal"), ("bob", "compliance")):
        assert judged.sign("approve", person, role).code == 0
    return judged


@pytest.fixture
def gateway(approved: House) -> Gateway:
    """The approved package answers."""
    found = Gateway(approved)
    assert found.refused() == ""
    return found


@pytest.fixture
def sealed(approved: House, tmp_path: Path) -> Sealer:
    """A notary that has sealed what there is."""
    sealer = Sealer(log_of(approved), tmp_path / "notary")
    sealer.seal()
    return sealer


def test_an_unapproved_package_does_not_answer(gateway: Gateway, other: str) -> None:
    """It lies in the store and stands in the plan; nobody has signed."""
    assert "2 more" not in gateway.refused()
    assert f"{other} may not be live: there are no gate results" in gateway.refused(other)


def test_changed_bytes_do_not_answer(gateway: Gateway, package: Package) -> None:
    """One byte of the model in the store: it is not what its digest names."""
    layer = package.parsed.roles["model"].digest.removeprefix("sha256:")
    (blob,) = (gateway.house.file("data") / "store").rglob(layer)
    content = bytearray(blob.read_bytes())
    content[len(content) // 2] ^= 1
    blob.chmod(0o644)
    blob.write_bytes(content)
    assert "the store does not give it" in gateway.refused()
    assert gateway.house.sign("approve", "ann", "legal", "--renew").code == 1


def test_an_approval_sent_again_is_about_its_own_digest(gateway: Gateway, other: str) -> None:
    """Every record once more: the other package has no more signatures than before."""
    gateway.house.gates(digest=other)
    send(gateway.house, *values(gateway.house))
    refused = gateway.refused(other)
    assert "1 more of compliance must approve" in refused
    assert "1 more of legal must approve" in refused


def test_an_approval_rewritten_for_another_digest_does_not_hold(gateway: Gateway, other: str) -> None:
    """Its subject changed, its author and signature kept."""
    house = gateway.house
    house.gates(digest=other)
    for raw in values(house):
        record = parse_record(raw)
        envelope = parse_envelope(parse_payload(record.payload).request)
        if APPROVAL.encode() in envelope.payload:
            old, new = (each.removeprefix("sha256:").encode() for each in (house.digest, other))
            changed = Envelope(envelope.type, envelope.payload.replace(old, new), envelope.signatures)
            send(house, forged(record.entry.fields[Key.AUTHOR], changed))
    assert "1 more of legal must approve" in gateway.refused(other)


def test_an_approval_in_somebody_elses_name_does_not_hold(judged: House) -> None:
    """The entry names dan as its author, the envelope his key id; eve has signed."""
    author, gateway = judged.signer("dan"), Gateway(judged)
    judged.sign("approve", "bob", "compliance")
    judged.say("eve", APPROVAL, approval(judged))
    record = parse_record(values(judged)[-1])
    envelope = parse_envelope(parse_payload(record.payload).request)
    posing = Envelope(envelope.type, envelope.payload, ((author.id, envelope.signatures[0][1]),))
    send(judged, forged(bytes.fromhex(author.id), posing), forged(bytes.fromhex(author.id), envelope))
    assert "1 more of legal must approve" in gateway.refused()


def test_an_approval_for_another_service_does_not_count(judged: House) -> None:
    """Signed by the right person, for cards."""
    judged.sign("approve", "bob", "compliance")
    judged.say("dan", APPROVAL, approval(judged, service="cards"))
    assert "it is for cards" in Gateway(judged).refused()


def test_a_key_without_the_role_does_not_approve(judged: House) -> None:
    """Whatever role it writes."""
    judged.sign("approve", "bob", "compliance")
    for person in ("cyd", "eve", "pipeline", "bob"):
        judged.say(person, APPROVAL, approval(judged))
    assert "1 more of legal must approve" in Gateway(judged).refused()


def test_nobody_is_two_people(judged: House) -> None:
    """Two roles, or two keys, and one name."""
    judged.ok("roles", "keygen", judged.file("ann2.key"), "--person", "ann")
    publish_root(judged, "--add-key", judged.file("ann2.key.pub"))
    judged.key("eve").unlink()
    judged.file("ann2.key").rename(judged.key("eve"))
    judged.say("ann", APPROVAL, approval(judged))
    judged.say("eve", APPROVAL, approval(judged, role="compliance"))
    judged.say("ann", APPROVAL, approval(judged, role="compliance"))
    refused = Gateway(judged).refused()
    assert "1 more of compliance must approve" in refused
    assert "ann has signed already" in refused


def test_the_publisher_does_not_approve_by_the_log_either(tmp_path: Path, package: Package) -> None:
    """What the command refuses, appended past it."""
    publisher = publisher_of(package)
    assert publisher is not None
    house = House.build(tmp_path, [package], people={"dan": publisher})
    house.gates()
    house.sign("approve", "bob", "compliance")
    house.say("dan", APPROVAL, approval(house))
    assert f"{publisher} published the package" in Gateway(house).refused()


def test_an_approval_from_the_future_does_not_count(judged: House) -> None:
    """It would not expire for years; nor one without a time."""
    judged.sign("approve", "bob", "compliance")
    for at in (time.time() + 365 * DAY, None, True, "tomorrow"):
        judged.say("dan", APPROVAL, approval(judged, at=at))
    assert "it is dated in the future" in Gateway(judged).refused()


def test_gate_results_of_another_key_do_not_count(house: House) -> None:
    """A data scientist says that the gates have passed; or the pipeline's word is about something else."""
    for person in ("dan", "eve", "ann"):
        house.gates(person)
    house.gates(service="cards")
    house.gates(policy="sha256:" + "00" * 32)
    for person, role in (("dan", "legal"), ("bob", "compliance")):
        house.say(person, APPROVAL, approval(house, role=role))
    assert "there are no gate results" in Gateway(house).refused()


def test_newer_gate_results_that_failed_are_not_hidden_by_older_ones(approved: House) -> None:
    """The ones that passed, sent again byte for byte, are as old as they were."""
    passed = [each for each in values(approved) if GATES.encode() in each]
    approved.gates(results=[{"name": "documentation", "verdict": "failed"}])
    send(approved, *passed)
    assert "gates that did not pass, or did not run: documentation, size" in Gateway(approved).refused()


def test_a_revocation_is_not_undone_by_what_was_said_before(gateway: Gateway) -> None:
    """All of it sent again."""
    house = gateway.house
    before = values(house)
    house.sign("revoke", "dan", rationale="biased")
    send(house, *before)
    assert "revoked: biased" in gateway.refused()


def test_a_revocation_that_was_cut_off_is_missed(gateway: Gateway, tmp_path: Path) -> None:
    """The log put back as it was before: the gateway remembers how long it was. Nothing changes, nothing is loaded."""
    house = gateway.house
    log = house.file("data") / "log-governance"
    shutil.copytree(log, tmp_path / "kept")
    house.sign("revoke", "dan")
    assert "revoked" in gateway.refused()
    shutil.rmtree(log)
    shutil.copytree(tmp_path / "kept", log)
    with pytest.raises(NotAdmitted, match="entries of it were read before"):
        gateway.refused()
    house.gates()  # as long as before, with something else in the revocation's place
    with pytest.raises(NotAdmitted, match="not those read before"):
        gateway.refused()


def test_a_log_that_was_made_again_is_another_one(gateway: Gateway) -> None:
    """With the same first entries, even longer."""
    house = gateway.house
    records = values(house)
    shutil.rmtree(house.file("data") / "log-governance")
    configured_governance_log(house.loaded)
    send(house, *records, *records)
    with pytest.raises(NotAdmitted, match="another topic"):
        gateway.refused()


def test_a_revocation_withheld_from_a_new_gateway_shows_by_the_checkpoint(
    approved: House, sealed: Sealer, tmp_path: Path
) -> None:
    """It remembers nothing; the notary has sealed what it is not shown."""
    log = approved.file("data") / "log-governance"
    shutil.copytree(log, tmp_path / "kept")
    approved.sign("revoke", "dan")
    sealed.seal()
    assert "revoked" in Gateway(approved, sealed).refused()
    shutil.rmtree(log)
    shutil.copytree(tmp_path / "kept", log)
    shutil.rmtree(approved.file("data") / "admission")
    with pytest.raises(
        NotAdmitted, match="the notary has sealed 5 entries of the governance log, and it has 4"
    ):
        Gateway(approved, sealed).refused()
    assert Gateway(approved).refused() == ""  # without the checkpoint nobody could tell: docs say so


def test_the_settings_do_not_end_the_checkpoint(approved: House, sealed: Sealer) -> None:
    """`checkpoint = false` after it was true: refused, by a worker that is new as well, with how to mean it."""
    assert Gateway(approved, sealed).refused() == ""
    with pytest.raises(NotAdmitted, match=r"checkpoint is off.*whoever means that removes .*admission$"):
        Gateway(approved).refused()
    memory = memory_path(approved.loaded.data, 0)
    memory.rename(memory.with_name("1.json"))
    with pytest.raises(NotAdmitted, match="checkpoint is off"):
        Gateway(approved).refused()
    assert Gateway(approved, sealed).refused() == ""
    shutil.rmtree(memory.parent)
    assert Gateway(approved).refused() == ""  # meant


def test_a_clock_set_back_revives_nothing(approved: House) -> None:
    """Approvals ended while it ran; the time that was reached is remembered."""
    gateway = Gateway(approved)
    running = gateway.admission(lambda: gateway.ahead)
    for days in range(12):
        gateway.ahead = days * DAY
        running.admit((PlanSettings(service="credit", digest=approved.digest),))
    assert "it has expired" in gateway.refused()
    gateway.ahead = 0.0
    assert "it has expired" in gateway.refused()
    shutil.rmtree(approved.file("data") / "admission")
    assert gateway.refused() == ""  # a gateway that has seen nothing yet knows no better


def test_an_older_policy_does_not_come_back(approved: House) -> None:
    """Sent again, or signed again by one who could once: the newer one stays."""
    old = load_policy(approved.file("policy.yaml"))
    text = approved.file("policy.yaml").read_text().replace("valid_days: 10", "valid_days: 5")
    approved.file("policy2.yaml").write_text(text)
    for person, role in (("dan", "legal"), ("bob", "compliance")):
        approved.ok(
            "policy", "propose", approved.file("policy2.yaml"), "--role", role, "--rationale", "x", "--key",
            approved.key(person), "--yes", *approved.config,
        )  # fmt: skip
    before = values(approved)
    send(approved, *before)
    for version in (1, 2, 3):
        content = {"version": version, "role": "policy", "text": old.canonical().decode(), "at": time.time()}
        approved.say("cyd", POLICY, content, old.digest)
    policy = approved.board().policy
    assert policy is not None
    assert (policy.version, policy.digest) == (2, load_policy(approved.file("policy2.yaml")).digest)
    assert "it was given under another policy" in Gateway(approved).refused()


def test_one_person_alone_does_not_change_the_policy(gateway: Gateway) -> None:
    """Neither with the weight of another role, nor by signing twice, nor with a text that is not its digest's."""
    house = gateway.house
    text = (
        house.file("policy.yaml").read_text().replace("{legal: 1, compliance: 1}, valid", "{legal: 1}, valid")
    )
    mild = parse_policy(text.encode())
    for person, role in (("ann", "legal"), ("ann", "compliance"), ("cyd", "policy"), ("eve", "compliance")):
        content = {"version": 2, "role": role, "text": mild.canonical().decode(), "at": time.time()}
        house.say(person, POLICY, content, mild.digest)
    content = {"version": 2, "role": "compliance", "text": mild.canonical().decode(), "at": time.time()}
    house.say("bob", POLICY, content, load_policy(house.file("policy.yaml")).digest)
    policy = house.board().policy
    assert policy is not None
    assert policy.version == 1


def publish_root(house: House, *options: object) -> None:
    """The next root, signed by those who may and published."""
    house.ok("roles", "edit", house.file("root.json"), house.file("root2.json"), *options)
    for person in ("ann", "bob"):
        house.ok("roles", "sign", house.file("root2.json"), "--key", house.key(person), "--yes")
    house.ok("roles", "publish", house.file("root2.json"), "--key", house.key("ann"), "--yes", *house.config)


def test_a_key_that_lost_its_role_counts_for_nothing(gateway: Gateway) -> None:
    """Neither what it signed nor what it signs."""
    house = gateway.house
    publish_root(house, "--role", "legal=ann")
    assert "its key has not the role legal" in gateway.refused()
    house.say("dan", APPROVAL, approval(house))
    assert "1 more of legal must approve" in gateway.refused()
    assert house.sign("approve", "ann", "legal").code == 0
    assert gateway.refused() == ""


def test_a_stolen_key_that_was_rotated_signs_nothing_new(gateway: Gateway, other: str) -> None:
    """What it signed before stands; the thief's approval of another package does not."""
    house = gateway.house
    house.ok("roles", "keygen", house.file("dan2.key"), "--person", "dan")
    draft = house.file("root2.json")
    house.ok(
        "roles", "rotate", house.file("root.json"), draft, "--new", house.file("dan2.key.pub"), *house.config
    )
    for person in ("ann", "bob"):
        house.ok("roles", "sign", draft, "--key", house.key(person), "--yes")
    house.ok("roles", "publish", draft, "--key", house.key("ann"), "--yes", *house.config)
    assert gateway.refused() == ""
    house.gates(digest=other)
    house.sign("approve", "bob", "compliance", digest=other)
    house.say("dan", APPROVAL, approval(house), other)
    assert "1 more of legal must approve" in gateway.refused(other)


def test_a_root_of_strangers_changes_nothing(gateway: Gateway) -> None:
    """Its own people have signed it; the people of the one before have not, or only one of them."""
    house = gateway.house
    first = parse_root(house.file("root.json").read_bytes())
    house.ok(
        "roles", "edit", house.file("root.json"), house.file("root2.json"), "--add-key", f"{house.key('eve')}.pub",
        "--role", "root=eve", "--role", "legal=eve", "--role", "compliance=eve",
    )  # fmt: skip
    for person in ("eve", "ann"):
        house.ok("roles", "sign", house.file("root2.json"), "--key", house.key(person), "--yes")
    root = parse_root(house.file("root2.json").read_bytes())
    house.say("eve", ROOT, root_predicate(root), root.digest)
    assert house.board().roots.now.digest == first.digest
    assert gateway.refused() == ""


def test_a_root_does_not_go_back(gateway: Gateway) -> None:
    """An older root, sent again, does not follow the newer one; nor does another root of the same version."""
    house = gateway.house
    publish_root(house, "--role", "legal=ann")
    before = values(house)
    first = parse_root(house.file("root.json").read_bytes())
    house.say("eve", ROOT, root_predicate(first), first.digest)
    house.file("root2.json").rename(house.file("kept.json"))
    house.ok("roles", "edit", house.file("root.json"), house.file("root2.json"), "--role", "legal=dan")
    for person in ("ann", "bob"):
        house.ok("roles", "sign", house.file("root2.json"), "--key", house.key(person), "--yes")
    second = parse_root(house.file("root2.json").read_bytes())
    house.say("eve", ROOT, root_predicate(second), second.digest)
    send(house, *before)
    assert house.board().roots.now.digest == parse_root(house.file("kept.json").read_bytes()).digest
    assert "its key has not the role legal" in gateway.refused()


def test_the_settings_do_not_bring_another_root(gateway: Gateway, tmp_path: Path, package: Package) -> None:
    """A root of one's own, and a log of one's own, in place of those that the gateway began with."""
    theirs = House.build(tmp_path / "theirs", [package]) if (tmp_path / "theirs").mkdir() is None else None
    assert theirs is not None
    shutil.copy(theirs.file("root.json"), gateway.house.file("root.json"))
    with pytest.raises(NotAdmitted, match="another first root"):
        gateway.refused()


def test_the_settings_do_not_end_governance(gateway: Gateway) -> None:
    """[governance] root taken out: the gateway does not start."""
    settings = gateway.house.file("affiant.toml")
    settings.write_text(settings.read_text().replace('root = "root.json"', ""))
    with pytest.raises(ConfigError, match="was governed"):
        configured_admission(gateway.house.loaded, 0, gateway.lineage)


def test_one_person_is_no_emergency(judged: House) -> None:
    """Twice the same, or without the mark, or without the role; and not for longer than it may."""
    judged.say("ann", APPROVAL, approval(judged, role="officer", break_glass=True))
    judged.say("ann", APPROVAL, approval(judged, role="officer", break_glass=True))
    judged.say("bob", APPROVAL, approval(judged, role="officer"))
    judged.say("eve", APPROVAL, approval(judged, role="officer", break_glass=True))
    judged.say("dan", APPROVAL, approval(judged, role="officer", break_glass="yes"))
    gateway = Gateway(judged)
    assert "must approve" in gateway.refused()
    judged.say("bob", APPROVAL, approval(judged, role="officer", break_glass=True))
    assert gateway.refused() == ""
    judged.sign("revoke", "dan")
    assert "revoked" in gateway.refused()


def test_a_stranger_revokes_nothing(gateway: Gateway) -> None:
    """Nor does the pipeline; taking a model off is for people who may sign."""
    for person in ("eve", "pipeline", "cyd"):
        gateway.house.say(person, REVOCATION, {"service": "credit", "rationale": "x", "at": time.time()})
    gateway.house.say("dan", REVOCATION, {"service": "cards", "rationale": "x", "at": time.time()})
    assert gateway.refused() == ""


def test_a_reason_steers_no_terminal(judged: House) -> None:
    """Whoever reads what others signed sees what it says."""
    text = "fine\x1b]0;owned\x07\x1b[2J\u202egnihtyna"
    judged.say("dan", APPROVAL, approval(judged, rationale=text))
    done = affiant("status", judged.digest, *judged.config)
    assert "fine" in done.out
    assert not set(done.out) & {"\x1b", "\x07", "\u202e"}
    assert json.loads(judged.status().out)["services"][0]["history"][-1]["rationale"] == text


def test_what_strangers_write_stops_nobody(gateway: Gateway) -> None:
    """Garbage, statements of garbage, a policy of garbage: passed over, by the gateway and by the commands."""
    house = gateway.house
    deep = "[" * 5000
    for predicate in (
        {},
        {"service": [1]},
        {"role": {"a": 1}},
        {"text": deep[:400], "version": 9, "role": "legal"},
    ):
        for type_ in (APPROVAL, GATES, POLICY, ROOT, REVOCATION):
            house.say("eve", type_, predicate)
            house.say("dan", type_, predicate)
    governance = Governance(log_of(house), house.signer("eve"))
    governance.append([("application/vnd.in-toto+json", deep.encode())])
    send(house, b"", b"garbage", bytes(70_000))
    assert gateway.refused() == ""
    assert house.status().code == 0
    assert affiant("status", *house.config).code == 0
    assert affiant("policy", "show", *house.config).code == 0
    assert affiant("roles", "show", *house.config).code == 0
