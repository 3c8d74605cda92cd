"""The commands, OpenSSF's own beside them, and a governed house whose policy wants a signature."""

from __future__ import annotations

import json
import sys
import textwrap
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from model_signing._cli import main as openssf_command

from audit.log import configured_governance_log
from registry.manifest import canonical_json
from registry.signing.bundle import MAX_SIGNATURE, files_of
from registry.signing.kept import LayoutSignatures
from registry.stores import LayoutStore
from service.admitted import Admission, memory_path
from service.settings import PlanSettings
from tests.components.approvals import POLICY, House, affiant, swapped
from tests.components.packages import number_package
from tests.components.signing import Authority, Key, signed

DIGEST = number_package().digest


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A directory with two packages."""
    directory = tmp_path / "store"
    for package in (number_package(), number_package("another")):
        LayoutStore(directory).push(package)
    return directory


@pytest.fixture
def key(tmp_path: Path) -> Key:
    """Whose signatures count."""
    return Key(tmp_path)


def model(*words: object, store: Path) -> Any:
    """A command of `affiant model` on the store."""
    return affiant("model", *words, "--store", store)


def openssf(*words: object) -> Result:
    """OpenSSF's own command, in this process: it takes seconds to start."""
    return CliRunner().invoke(openssf_command, [str(each) for each in words])


def test_openssf_verifies_what_we_sign_and_we_verify_what_it_signs(
    store: Path, key: Key, tmp_path: Path
) -> None:
    """Over the folder that `pull` writes; a file that is changed there is found by both."""
    made = model("sign", DIGEST, "--key", key.path, "--out", tmp_path / "ours.sig", "--json", store=store)
    assert (made.json["key"], made.json["made"]) == (key.id, True)
    folder = tmp_path / "pulled"
    assert model("pull", DIGEST, "--output", folder, store=store).code == 0
    ours = ("verify", "key", folder, "--signature", tmp_path / "ours.sig", "--public_key", key.public_path)
    assert openssf(*ours).output == "Verification succeeded\n"
    theirs = folder / "model.sig"
    done = openssf("sign", "key", folder, "--signature", theirs, "--private_key", key.path)
    assert done.output == "Signing succeeded\n", done.output
    trusted = ("--public-key", key.public_path)
    assert model("verify-signature", DIGEST, *trusted, "--signature", theirs, store=store).code == 0
    assert model("attach-signature", DIGEST, theirs, store=store).code == 0
    found = model("verify-signature", DIGEST, *trusted, "--json", store=store).json
    assert [each["by"] for each in found["signatures"]] == [key.id, key.id]
    theirs.unlink()
    (folder / "card.md").write_text("# another\n")
    assert "Hash mismatch for \\'card.md\\'" in openssf(*ours).output


def test_what_openssf_lets_a_signer_leave_out_is_not_signed_here(
    store: Path, key: Key, tmp_path: Path
) -> None:
    """Signed with --ignore-paths and changed, its own command says that it holds; ours does not take it."""
    folder, signature = tmp_path / "pulled", tmp_path / "fewer.sig"
    model("pull", DIGEST, "--output", folder, store=store)
    words = (folder, "--signature", signature)
    lineage = folder / "lineage.json"
    openssf("sign", "key", *words, "--private_key", key.path, "--ignore-paths", lineage)
    lineage.write_text("{}")
    assert openssf("verify", "key", *words, "--public_key", key.public_path).exit_code == 0
    trusted = ("--public-key", key.public_path)
    refused = model("verify-signature", DIGEST, *trusted, "--signature", signature, "--json", store=store)
    assert refused.code == 1
    assert "not signed: lineage.json" in refused.json["signatures"][0]["problem"]
    attached = model("attach-signature", DIGEST, signature, store=store)
    assert (attached.code, "not signed: lineage.json" in attached.err) == (1, True)
    assert LayoutSignatures(store).kept(DIGEST) == ()


def test_certificates_go_both_ways(store: Path, key: Key, tmp_path: Path) -> None:
    """Signed with the key's certificate; whoever trusts its authority finds that it holds, here and there."""
    authority = Authority(tmp_path)
    certificate, ours = authority.certify(key), tmp_path / "ours.sig"
    words = ("--key", key.path, "--certificate", certificate, "--chain", authority.path, "--out", ours)
    assert model("sign", DIGEST, *words, store=store).code == 0
    folder = tmp_path / "pulled"
    model("pull", DIGEST, "--output", folder, store=store)
    done = openssf(
        "verify", "certificate", folder, "--signature", ours, "--certificate_chain", authority.path
    )
    assert done.output == "Verification succeeded\n", done.output
    theirs = tmp_path / "theirs.sig"
    openssf(
        "sign", "certificate", folder, "--signature", theirs, "--private_key", key.path, "--signing_certificate",
        certificate, "--certificate_chain", authority.path,
    )  # fmt: skip
    for more in ((), ("--signature", theirs)):
        found = model(
            "verify-signature", DIGEST, "--certificates", authority.path, *more, "--json", store=store
        )
        assert [each["by"] for each in found.json["signatures"]] == ["certificate"]
    assert model("verify-signature", DIGEST, "--public-key", key.public_path, store=store).code == 1
    assert model("sign", DIGEST, "--key", key.path, "--chain", authority.path, store=store).code == 2


def test_signing_again_changes_nothing_and_a_passphrase_comes_from_the_environment(
    store: Path, key: Key, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A script may call it twice; what is written with --out is not overwritten unasked."""
    out = tmp_path / "first.sig"
    first = model("sign", DIGEST, "--key", key.path, "--out", out, "--json", store=store).json
    key.write("sesame")
    refused = model("sign", DIGEST, "--key", key.path, store=store)
    assert (refused.code, "AFFIANT_KEY_PASSPHRASE" in refused.err) == (2, True)
    monkeypatch.setenv("AFFIANT_KEY_PASSPHRASE", "sesame")
    again = model("sign", DIGEST, "--key", key.path, "--json", store=store).json
    assert (again["signature"], again["made"]) == (first["signature"], False)
    assert model("sign", DIGEST, "--key", key.path, "--out", out, store=store).code == 2
    assert out.read_bytes() == LayoutSignatures(store).kept(DIGEST)[0].raw


def test_signatures_are_listed_and_written_for_others_tools(store: Path, key: Key, tmp_path: Path) -> None:
    """Which key, and whether they are of these files; that they hold is not said."""
    assert "no signatures are kept" in model("signatures", DIGEST, store=store).out
    raw = model("sign", DIGEST, "--key", key.path, "--json", store=store).json["signature"]
    foreign = signed(number_package("another"), key)
    LayoutSignatures(store).keep(number_package(), foreign)
    out = tmp_path / "out"
    found = model("signatures", DIGEST, "--out", out, "--json", store=store).json["signatures"]
    by = {each["signature"]: each for each in found}
    assert by.pop(raw) == {"signature": raw, "key": key.id, "problem": ""}
    (other,) = by.values()
    assert "is not of sha256:" in other["problem"]
    assert (out / f"{raw[7:]}.sig").read_bytes() in [
        each.raw for each in LayoutSignatures(store).kept(DIGEST)
    ]
    assert len(list(out.iterdir())) == 2
    assert model("verify-signature", DIGEST, "--public-key", key.public_path, store=store).code == 0


def test_pull_says_that_nobody_has_looked_or_looks(store: Path, key: Key, tmp_path: Path) -> None:
    """A signature is not passed over in silence; with a key, nothing is written that it has not signed."""
    plain = model("pull", DIGEST, "--output", tmp_path / "a", store=store)
    assert plain.err == ""
    trusted = ("--public-key", key.public_path)
    refused = model("pull", DIGEST, "--output", tmp_path / "b", *trusted, store=store)
    assert (refused.code, "it has no signature" in refused.err) == (1, True)
    model("sign", DIGEST, "--key", key.path, store=store)
    told = model("pull", DIGEST, "--output", tmp_path / "c", store=store)
    assert (told.code, "1 OpenSSF signature kept with it, not verified" in told.err) == (0, True)
    other = Key(tmp_path, "other")
    for words in (("--public-key", other.public_path), ("--public-key", key.path)):
        assert model("pull", DIGEST, "--output", tmp_path / "b", *words, store=store).code in (1, 2)
    assert not (tmp_path / "b").exists()
    found = model("pull", DIGEST, "--output", tmp_path / "d", *trusted, "--json", store=store).json
    assert found["signed_by"] == key.id


def test_a_gate_run_says_that_nobody_has_verified_a_signature(store: Path, key: Key, tmp_path: Path) -> None:
    """Where the policy names no keys; where it does, the gate judges and nothing is warned of."""

    def gates(section: str) -> Any:
        policy = tmp_path / "policy.yaml"
        service = f"gates: {{{section}}}, approvals: {{roles: {{legal: 1}}}}"
        policy.write_text(
            f"{{format: 1, change: {{roles: {{legal: 1}}}}, services: {{credit: {{{service}}}}}}}"
        )
        words = ("--service", "credit", "--policy", policy, "--store", store, "--json")
        return affiant("gate", "run", DIGEST, *words)

    size, ours = "size: {megabytes: 5}", f"model_signing: {{public_keys: [{json.dumps(key.pem)}]}}"
    assert (gates(size).code, gates(size).err) == (0, "")
    model("sign", DIGEST, "--key", key.path, store=store)
    told = gates(size)
    assert (told.code, told.json["passed"]) == (0, True)
    assert "1 OpenSSF signature kept with it, not verified: the policy has no gate model_signing" in told.err
    assert (gates(ours).code, gates(ours).err) == (0, "")


def test_verify_wants_a_signature_of_each_package_where_a_key_is_trusted(store: Path, key: Key) -> None:
    """Its bytes may be whole all the same; without a key nothing is asked of signatures."""
    model("sign", DIGEST, "--key", key.path, store=store)
    trusted = ("--public-key", key.public_path)
    assert model("verify", DIGEST, *trusted, "--json", store=store).json[0]["signed_by"] == key.id
    done = model("verify", *trusted, "--json", store=store)
    wrong = [each for each in done.json if not each["holds"]]
    assert (done.code, [each["problem"] for each in wrong]) == (1, ["it has no signature"])
    assert model("verify", store=store).code == 0


def test_the_commands_say_what_is_wrong(
    store: Path, key: Key, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit codes: 1 a finding, 2 what the caller can change; the library's absence among the latter."""
    trusted = ("--public-key", key.public_path)
    for words, code, said in (
        (("verify-signature", DIGEST), 2, "whose signatures count?"),
        (("verify-signature", DIGEST, *trusted), 1, ""),
        (("verify-signature", "sha256:" + "0" * 64, *trusted), 1, "is not in the index"),
        (("verify-signature", DIGEST, *trusted, "--signature", tmp_path / "none"), 2, "cannot read"),
        (("sign", DIGEST, "--key", tmp_path / "none"), 2, "No such file"),
        (("sign", DIGEST, "--key", key.public_path), 2, "can be read by others"),
        (("attach-signature", DIGEST, key.path), 1, "not JSON"),
    ):
        done = model(*words, store=store)
        assert (done.code, said in done.err) == (code, True), (words, done)
    long = tmp_path / "long.sig"
    long.write_bytes(b" " * (MAX_SIGNATURE + 1))
    done = model("attach-signature", DIGEST, long, store=store)
    assert (done.code, "over 262144 bytes" in done.err) == (1, True)
    LayoutSignatures(store).keep(number_package(), signed(number_package(), key))
    monkeypatch.setitem(sys.modules, "model_signing", None)
    for words in (
        ("verify-signature", DIGEST, *trusted),
        ("sign", DIGEST, "--key", key.path),
        ("pull", DIGEST, "--output", tmp_path / "p", *trusted),
    ):
        done = model(*words, store=store)
        assert (done.code, "install affiant[signing]" in done.err) == (2, True), (words, done)


# ---------------------------------------------------------------- a governed house


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> House:
    """A house whose policy wants a signature by release.pem."""
    directory = tmp_path_factory.mktemp("house")
    house = House.build(directory, [number_package(), number_package("another")])
    key = Key(directory, "release")
    gate = f"model_signing:\n  public_keys:\n    - |\n{textwrap.indent(key.pem, '      ')}"
    gates = f"    gates:\n      size: {{megabytes: 50}}\n{textwrap.indent(gate, '      ')}"
    text = swapped(
        POLICY,
        ("    gates: {documentation: {}, size: {megabytes: 50}}\n", gates),
        ("    canary: {gates: [documentation], roles: {legal: 1}, rollout: {}}\n", ""),
    )
    house.file("policy.yaml").write_text(text)
    for person, role in (("dan", "legal"), ("bob", "compliance")):
        house.ok(
            "policy", "propose", house.file("policy.yaml"), "--role", role, "--rationale", "signed models only",
            "--key", house.key(person), "--yes", *house.config,
        )  # fmt: skip
    return house


@pytest.fixture
def house(built: House, tmp_path: Path) -> House:
    """The same, of a test's own."""
    return built.copy(tmp_path / "house")


def judge(house: House, digest: str | None = None) -> Any:
    """The pipeline: `affiant gate run`, signed into the log."""
    return affiant(
        "gate", "run", digest or house.digest, "--service", "credit", "--key", house.key("pipeline"), "--json",
        *house.config,
    )  # fmt: skip


def refused(house: House, digest: str | None = None) -> str:
    """Why the gateway does not let a digest be live; empty: it does. As after a restart."""

    def lineage(name: str) -> Mapping[str, Any]:
        return LayoutStore(house.file("data") / "store").pull(name).lineage

    log = configured_governance_log(house.loaded, create=False)
    admission = Admission(
        memory_path(house.loaded.data, 0), house.file("root.json"), log, lineage, time.time, None
    )
    found = admission.admit((PlanSettings(service="credit", digest=digest or house.digest),))
    admission.served(found.entries)
    return "; ".join(found.refused)


def approved(house: House, digest: str | None = None) -> list[int]:
    """Both roles sign; with which exit codes."""
    more = {"digest": digest} if digest else {}
    return [
        house.sign("approve", person, role, **more).code
        for person, role in (("dan", "legal"), ("bob", "compliance"))
    ]


def signatures(house: House) -> LayoutSignatures:
    """Of its store."""
    return LayoutSignatures(house.file("data") / "store")


def test_a_package_that_nobody_has_signed_does_not_answer_where_the_policy_asks(house: House) -> None:
    """The gate fails, nobody can approve, and the gateway does not load it; signed, judged and approved, it does."""
    done = judge(house)
    (gate,) = [each for each in done.json["report"]["results"] if each["name"] == "model_signing"]
    assert (done.code, gate["verdict"], gate["reason"]) == (1, "failed", "it has no signature")
    assert 0 not in approved(house)
    assert "gates that did not pass, or did not run: model_signing" in refused(house)
    house.ok("model", "sign", house.digest, "--key", house.file("release.pem"), *house.config)
    assert "model_signing" in refused(house)  # a signature is nothing until the gate has said so
    assert judge(house).code == 0
    assert approved(house) == [0, 0]
    assert refused(house) == ""


def test_a_signature_by_a_stranger_or_of_another_package_does_not_let_it_answer(house: House) -> None:
    """Put into the store by whoever can write to it, and even named there as this package's."""
    stranger = Key(house.directory, "stranger")
    place = signatures(house)
    place.keep(number_package(), signed(number_package(), stranger))
    house.ok(
        "model", "sign", number_package("another").digest, "--key", house.file("release.pem"), *house.config
    )
    (copied,) = place.kept(number_package("another").digest)
    assert copied.raw is not None
    place.keep(number_package(), copied.raw)
    index = house.file("data") / "store" / "index.json"
    entries = json.loads(index.read_bytes())
    for entry in entries["manifests"]:  # the other one's own entry, too, says that it is this one's
        entry.get("annotations", {}).pop("org.affiant.signature.of", None)
    index.write_bytes(canonical_json(entries))
    done = judge(house)
    (gate,) = [each for each in done.json["report"]["results"] if each["name"] == "model_signing"]
    assert (done.code, gate["verdict"]) == (1, "failed")
    assert f"by the key {stranger.id}, which is not trusted" in gate["reason"]
    assert "signed with other bytes" in gate["reason"]
    assert 0 not in approved(house)
    assert "model_signing" in refused(house)


def test_a_signature_of_fewer_files_does_not_let_it_answer(house: House) -> None:
    """By the policy's own key: the file that it left out could be anybody's."""
    release = Key(house.directory, "release")
    files = {name: digest for name, digest in files_of(number_package()).items() if name != "reference.cbor"}
    raw = signed(number_package(), release, files=files, ignore_paths=["reference.cbor"])
    signatures(house).keep(number_package(), raw)
    done = judge(house)
    (gate,) = [each for each in done.json["report"]["results"] if each["name"] == "model_signing"]
    assert (done.code, "not signed: reference.cbor" in gate["reason"]) == (1, True)
    assert "model_signing" in refused(house)


def test_a_key_that_the_policy_no_longer_names_lets_nothing_answer(house: House) -> None:
    """Another policy is in force then: what the gate said under the one before does not count, nor do its approvals."""
    house.ok("model", "sign", house.digest, "--key", house.file("release.pem"), *house.config)
    assert judge(house).code == 0
    assert approved(house) == [0, 0]
    assert refused(house) == ""
    old, new = house.file("release.pub").read_text(), Key(house.directory, "next").pem
    indented = textwrap.indent(old, " " * 12), textwrap.indent(new, " " * 12)
    house.file("policy.yaml").write_text(swapped(house.file("policy.yaml").read_text(), indented))
    for person, role in (("dan", "legal"), ("bob", "compliance")):
        house.ok(
            "policy", "propose", house.file("policy.yaml"), "--role", role, "--rationale", "the key is lost",
            "--key", house.key(person), "--yes", *house.config,
        )  # fmt: skip
    assert "no gate results under the policy in force" in refused(house)
    assert judge(house).code == 1
    assert "model_signing" in refused(house)
