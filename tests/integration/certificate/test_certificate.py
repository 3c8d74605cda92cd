"""`affiant certificate` and `affiant-verify certificate`: made of a real governed house, checked with nothing else."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from contextlib import closing, redirect_stderr, redirect_stdout
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest

from audit.governance import PARTITION
from audit.log import configured_governance_log
from audit.notary.holes import entry_of
from audit.notary.seal import Seal
from audit.objects.directory import DirectoryObjects
from audit.proof.certificate import Certificate, Row, parse_certificate
from audit.proof.certificate_check import verify_certificate
from audit.proof.certificate_found import Certified
from audit.proof.certificate_rows import REQUIREMENTS
from audit.proof.command import main as verify_main
from audit.proof.errors import FormatError
from audit.proof.note import VerifierKey
from audit.sealed import TreeId
from audit.show import walk
from tests.components.approvals import House, affiant
from tests.components.packages import credit_package
from tests.components.sealed import KeySigner

NAME = "example.test/log"
KEY = VerifierKey(NAME, KeySigner().public_key)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> House:
    """A package that may be live for credit, and was deployed; a notary has sealed all but the last entry."""
    made = House.build(tmp_path_factory.mktemp("house"), [credit_package(), credit_package("other")])
    made.file("affiant.toml").write_text(
        f'{made.file("affiant.toml").read_text()}\n[notary]\nname = "{NAME}"\nstore = "sealed"\n'
    )
    made.gates()
    for person, role in (("dan", "legal"), ("bob", "compliance")):
        assert made.sign("approve", person, role).code == 0
    made.ok(
        "deploy", "credit", made.digest, "-m", "goes live", "--key", made.key("dan"), "--yes", *made.config
    )
    return made


def seal(house: House, more: tuple[bytes, ...] = (), *, skip: int = 0) -> None:
    """As the notary does: the log's entries but the first `skip`, and `more`."""
    log = configured_governance_log(house.loaded, create=False)
    topic = log.topic()
    writer = Seal(DirectoryObjects(house.file("sealed")), TreeId(NAME, topic.id, PARTITION), KeySigner())
    with closing(writer), closing(log.reader()) as reader:
        _, end = reader.bounds(PARTITION)
        entries = [
            entry_of(each.value, topic, PARTITION, each.offset).entry
            for each in walk(reader, PARTITION, skip, end)
        ]
        writer.append([*entries, *more])
        writer.seal()
    # The settings' default place of the notary's public key.
    path = house.loaded.resolve(Path("notary.pub"))
    path.write_text(f"{KEY}\n")


@pytest.fixture(scope="module")
def bare(house: House) -> bytes:
    """A certificate where no notary runs."""
    path = house.file("bare.zip")
    done = house.ok("certificate", house.digest, "-s", "credit", "-o", path, "--json", *house.config)
    assert done.json["sealed"] is None
    return path.read_bytes()


@pytest.fixture(scope="module")
def sealed(house: House, bare: bytes) -> bytes:
    """A certificate of the sealed house."""
    seal(house)
    path = house.file("sealed.zip")
    done = house.ok("certificate", house.digest, "-s", "credit", "-o", path, "--json", *house.config)
    assert done.json["sealed"] == done.json["statements"] == 5
    return path.read_bytes()


@pytest.fixture(scope="module")
def root(house: House) -> str:
    """The first root's digest."""
    return house.board().roots.chain[0][1].digest


def verify(*words: object) -> tuple[int, str]:
    """Run affiant-verify."""
    out = StringIO()
    with redirect_stdout(out), redirect_stderr(out):
        code = verify_main(["certificate", *map(str, words)])
    return code, out.getvalue()


def test_what_holds_is_told_with_who_signed_and_what_is_open(house: House, sealed: bytes, root: str) -> None:
    """Alone, with the root's digest and the notary's key: people, roles, seal, table and what it does not show."""
    code, told = verify(house.file("sealed.zip"), "--root-digest", root, "--key", KEY, "--json")
    assert code == 0, told
    found = json.loads(told)
    assert found["approved_by"] == ["bob (compliance)", "dan (legal)"]
    assert [each.split(",")[1] for each in found["statements"]] == [" sealed"] * 5
    assert found["sealed_by"].startswith(NAME)
    table = found["requirements"]
    assert len(table) == 8
    assert table["GDPR, Art. 22 (automated decisions)"] == "not covered"  # no gate `explanation` ran
    assert table["SEC Rule 17a-4(f) (electronic records)"] == ["checkpoint"]
    assert any("revocation" in line for line in found["not_shown"])
    assert any("what was live then" in line for line in found["not_shown"])
    code, told = verify(house.file("sealed.zip"), "--root-digest", root, "--key", KEY)
    assert (code, told.splitlines()[-1]) == (0, "it holds")


def test_without_a_notary_it_says_not_sealed(house: House, bare: bytes, root: str) -> None:
    """It holds by its signatures; whoever gives a notary's key asked for more, and is told that it is not there."""
    found = verify_certificate(bare, root)
    assert (found.flaws, found.has_checkpoint) == ([], False)
    assert "it is not sealed" in found.not_shown()[0]
    assert {row.requirement for row in found.rows if "checkpoint" in row.evidence} == set()
    page = parse_certificate(bare)[0].page.decode()
    assert "not sealed" in page
    assert "not covered" in page
    flaws = verify_certificate(bare, root, KEY).flaws
    assert [flaw.what for flaw in flaws] == ["checkpoint"]


def test_without_a_key_the_proofs_are_said_not_to_be_looked_at(sealed: bytes, root: str) -> None:
    """Then nothing counts as sealed."""
    found = verify_certificate(sealed, root)
    assert (found.flaws, found.sealed, found.origin) == ([], 0, None)
    assert "no key of a notary was given" in found.not_shown()[0]


def test_what_may_not_answer_gets_none(house: House, bare: bytes, tmp_path: Path) -> None:
    """Exit code 1 with the reasons, and no file."""
    other = credit_package("other").digest
    out = tmp_path / "other.zip"
    refused = affiant("certificate", other, "-s", "credit", "-o", out, *house.config)
    assert refused.code == 1
    assert "may not be live of credit" in refused.err
    assert not out.exists()


@pytest.mark.parametrize(
    ("what", "change"),
    [
        ("root", lambda c: replace(c, root=c.root[:-2] + b" }")),
        ("policy", lambda c: replace(c, policy=c.policy.replace(b'"valid_days":10', b'"valid_days":99'))),
        ("package", lambda c: replace(c, package={**c.package, "card.md": b"# Better"})),
        ("package", lambda c: replace(c, digest="sha256:" + "0" * 64)),
        ("statement", lambda c: replace(c, service="cards")),
        ("admission", lambda c: replace(c, statements=c.statements[:2] + c.statements[3:])),
        ("admission", lambda c: replace(c, made_at=c.made_at + 11 * 86_400)),
        ("policy", lambda c: replace(c, statements=c.statements[1:])),
        ("table", lambda c: replace(c, rows=(Row("gdpr-22", ("statements/1",)), *c.rows[1:]))),
        ("table", lambda c: replace(c, rows=c.rows[1:])),
        ("proof", lambda c: replace(c, statements=(c.statements[0]._replace(proof=()), *c.statements[1:]))),
        ("proof", lambda c: replace(c, statements=(c.statements[0]._replace(proof=None), *c.statements[1:]))),
        ("checkpoint", lambda c: replace(c, checkpoint=c.checkpoint.replace(b"\n5\n", b"\n6\n"))),
    ],
)  # fmt: skip
def test_what_was_changed_is_found(
    sealed: bytes, root: str, what: str, change: Callable[[Certificate], Certificate]
) -> None:
    """Whoever writes the container anew, digests and all, is found by what is signed."""
    certificate, _ = parse_certificate(sealed)
    found = verify_certificate(change(certificate).encode(), root, KEY)
    assert what in {flaw.what for flaw in found.flaws}, found.flaws


def test_another_root_or_key_is_not_believed(sealed: bytes, root: str) -> None:
    """The root by its digest, and the notary by its key, come from the reader."""
    assert [each.what for each in verify_certificate(sealed, "sha256:" + "0" * 64, KEY).flaws] == ["root"]
    stranger = VerifierKey(NAME, KeySigner(bytes(32)).public_key)
    assert [each.what for each in verify_certificate(sealed, root, stranger).flaws] == ["checkpoint"]


def test_no_byte_can_be_changed_unseen(sealed: bytes, root: str) -> None:
    """Every 97th byte flipped: refused, or a flaw; the container's own checksums find what nobody signs."""

    def holds(raw: bytes) -> bool:
        try:
            if verify_certificate(raw, root, KEY).flaws:
                return False
            # Bits that deflating leaves free change nothing that is read.
            return raw == sealed or parse_certificate(raw) != parse_certificate(sealed)
        except FormatError:
            return False

    assert holds(sealed)
    unseen = [
        at for at in range(0, len(sealed), 97)
        if holds(sealed[:at] + bytes((sealed[at] ^ 1,)) + sealed[at + 1 :])
    ]  # fmt: skip
    assert unseen == []
    assert not holds(sealed[:-1])
    assert not holds(sealed + b"\0")


def test_a_revocation_ends_it(house: House, sealed: bytes, root: str, tmp_path: Path) -> None:
    """Whoever asks for a new one is refused; that an older one does not know of it, each of them says."""
    own = house.copy(tmp_path / "house")
    assert own.sign("revoke", "dan", None).code == 0
    out = tmp_path / "late.zip"
    done = affiant("certificate", own.digest, "-s", "credit", "-o", out, *own.config)
    assert (done.code, out.exists()) == (1, False)
    assert "revoked" in done.err


def test_every_requirement_of_the_issue_has_a_row(sealed: bytes, root: str) -> None:
    """And each that is not covered says so."""
    found: Certified = verify_certificate(sealed, root, KEY)
    assert [row.requirement for row in found.rows] == list(REQUIREMENTS)
    assert {row.requirement for row in found.rows if not row.evidence} == {"gdpr-22"}


@pytest.mark.parametrize(
    ("words", "code", "why"),
    [
        (["--root-digest", "sha256:x"], 2, "want sha256: and 64"),
        (["--root-digest", "sha256:" + "0" * 64, "--key", "x"], 2, "vkey"),
        (["--root-digest", "sha256:" + "0" * 64, "--witness", str(KEY)], 2, "--witness goes with --key"),
        (["--root-digest", "sha256:" + "0" * 64], 1, "not the one that is believed"),
    ],
)
def test_the_command_says_what_is_wrong(
    house: House, bare: bytes, words: list[str], code: int, why: str
) -> None:
    """Wrong usage is 2, what does not hold is 1."""
    found, told = verify(house.file("bare.zip"), *words)
    assert found == code
    assert why in told


def test_the_root_must_be_given(house: House, bare: bytes) -> None:
    """Without it nobody would be believed."""
    with pytest.raises(SystemExit) as end:
        verify(house.file("bare.zip"))
    assert end.value.code == 2


def test_a_file_that_is_none_is_wrong_and_one_that_is_absent_is_usage(tmp_path: Path) -> None:
    """With the file's name."""
    words = ("--root-digest", "sha256:" + "0" * 64)
    (tmp_path / "x.zip").write_bytes(b"PK")
    assert verify(tmp_path / "x.zip", *words)[0] == 1
    code, told = verify(tmp_path / "y.zip", *words)
    assert (code, "y.zip" in told) == (2, True)


@pytest.mark.parametrize(
    ("skip", "more", "why"),
    [
        (1, (), "is not the one that the notary has sealed"),
        (0, (b"another",), "has sealed 6 entries of the governance log"),
    ],
)
def test_a_log_that_is_not_what_was_sealed_makes_none(
    house: House, tmp_path: Path, skip: int, more: tuple[bytes, ...], why: str
) -> None:
    """Another log, or one that was cut: exit code 1, and no file."""
    own = house.copy(tmp_path / "house")
    shutil.rmtree(own.file("sealed"), ignore_errors=True)
    seal(own, more, skip=skip)
    out = tmp_path / "x.zip"
    done = affiant("certificate", own.digest, "-s", "credit", "-o", out, *own.config)
    assert (done.code, out.exists()) == (1, False)
    assert why in done.err


def test_an_entry_that_is_newer_than_the_checkpoint_is_said_to_be(
    house: House, sealed: bytes, root: str, tmp_path: Path
) -> None:
    """It counts, and does not stand under the checkpoint yet; the table names no seal."""
    own = house.copy(tmp_path / "house")
    own.gates()
    out = own.file("newer.zip")
    told = own.ok("certificate", own.digest, "-s", "credit", "-o", out, "--json", *own.config).json
    assert (told["sealed"], told["statements"]) == (5, 6)
    found = verify_certificate(out.read_bytes(), root, KEY)
    assert found.flaws == []
    assert "that 1 of the statements stands under the checkpoint" in found.not_shown()[0]
    assert not any("checkpoint" in row.evidence for row in found.rows)
