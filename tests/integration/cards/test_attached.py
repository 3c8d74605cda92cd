"""Cards with their package, in a layout directory and in a real registry; and the command over a governed house."""

from __future__ import annotations

import html
import json
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from registry.cards.attached import Attachment, Attachments, LayoutAttachments
from registry.cards.attached.mlflow import MlflowAttachments
from registry.cards.attached.oci import OciAttachments
from registry.errors import DigestMismatch, NotFound, PackageError
from registry.manifest import digest_of
from registry.package import Package
from registry.settings import mlflow_access
from registry.stores import LayoutStore, Store, configured_store
from registry.stores.mlflow import MlflowStore
from registry.stores.oci import OciStore
from tests.components.approvals import House, affiant
from tests.components.mlflow import MlflowServer
from tests.components.oci import OciRegistry
from tests.components.packages import credit_package, number_package

FACTS = "sha256:" + "11" * 32


def cards(package: Package, made: float, text: str = "a") -> Attachment:
    """Two files, one of which says `text`."""
    files = {"model-card.md": f"# {text}\n".encode(), "model-card.html": b"<p>x</p>"}
    return Attachment(package, FACTS, made, files)


@pytest.fixture(
    scope="module",
    params=[
        "layout", pytest.param("oci", marks=pytest.mark.oci), pytest.param("mlflow", marks=pytest.mark.mlflow),
    ],
)  # fmt: skip
def kept(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Store, Attachments, Callable[[str], Path]]:
    """A store, its attachments, and where the file of a blob is."""
    if request.param == "layout":
        directory = tmp_path_factory.mktemp("store")
        layout = LayoutAttachments(directory)
        return LayoutStore(directory), layout, lambda digest: directory / "blobs" / "sha256" / digest[7:]
    if request.param == "mlflow":
        server: MlflowServer = request.getfixturevalue("mlflow_server")
        access, prefix = mlflow_access(server.address), f"cards{uuid.uuid4().hex[:8]}."

        def file(digest: str) -> Path:
            """By its bytes: there it has a name that people can read."""
            paths = server.artifacts.rglob("affiant/*/cards/*/*")
            return next(path for path in paths if digest_of(path.read_bytes()) == digest)

        return MlflowStore(access, prefix=prefix), MlflowAttachments(access, prefix=prefix), file
    registry: OciRegistry = request.getfixturevalue("oci_registry")
    reference = f"{registry.address}/cards/attached"
    return OciStore(reference), OciAttachments(reference), registry.blob


def test_cards_are_kept_newest_first_and_older_ones_stay(
    kept: tuple[Store, Attachments, Callable[[str], Path]],
) -> None:
    """Of each package its own; the same ones twice are kept once; packages are listed as before."""
    store, attachments, _ = kept
    package, other = credit_package(), number_package()
    for each in (package, other):
        store.push(each)
    before = store.list()
    old = attachments.attach(cards(package, 1_700_000_000.0))
    new = attachments.attach(cards(package, 1_700_000_060.0, "b"))
    assert attachments.attach(cards(package, 1_700_000_000.0)) == old
    attachments.attach(cards(other, 1_700_000_030.0))
    found = attachments.attached(package.digest)
    assert [(each.digest, each.made, each.facts) for each in found] == [
        (new, 1_700_000_060.0, FACTS), (old, 1_700_000_000.0, FACTS),
    ]  # fmt: skip
    assert [attachments.fetch(each, "model-card.md") for each in found] == [b"# b\n", b"# a\n"]
    with pytest.raises(NotFound, match="no file other"):
        attachments.fetch(found[0], "other")
    assert (store.list(), store.pull(package.digest).digest) == (before, package.digest)
    assert attachments.attached("sha256:" + "00" * 32) == []


def test_cards_of_a_package_that_is_not_there_are_refused(
    kept: tuple[Store, Attachments, Callable[[str], Path]],
) -> None:
    """Nothing is kept of it."""
    _, attachments, _ = kept
    absent = credit_package("absent")
    with pytest.raises(NotFound, match="cards are kept with their package"):
        attachments.attach(cards(absent, 1.0))
    assert attachments.attached(absent.digest) == []


def test_changed_bytes_of_cards_are_refused(
    kept: tuple[Store, Attachments, Callable[[str], Path]],
) -> None:
    """A file's, and a manifest's, changed in the storage itself."""
    store, attachments, blob = kept
    package = credit_package("damaged")
    store.push(package)
    digest = attachments.attach(cards(package, 5.0, "will be changed"))
    (found,) = attachments.attached(package.digest)
    path = blob(found.files["model-card.md"][0])
    path.write_bytes(path.read_bytes().replace(b"changed", b"chanqed"))
    with pytest.raises(DigestMismatch, match=r"model-card\.md"):
        attachments.fetch(found, "model-card.md")
    path = blob(digest)
    path.write_bytes(path.read_bytes().replace(b"1970", b"1971"))
    with pytest.raises((DigestMismatch, PackageError)):
        attachments.attached(package.digest)


@pytest.mark.mlflow
def test_cards_that_were_not_finished_are_not_there(mlflow_server: MlflowServer) -> None:
    """In MLflow the manifest comes last; files without one, and folders of others, are passed over."""
    access, prefix = mlflow_access(mlflow_server.address), f"unfinished{uuid.uuid4().hex[:8]}."
    package = number_package("unfinished")
    store, attachments = (kind(access, prefix=prefix) for kind in (MlflowStore, MlflowAttachments))
    store.push(package)
    assert isinstance(attachments, MlflowAttachments)
    digest = attachments.attach(cards(package, 7.0))
    assert [each.digest for each in attachments.attached(package.digest)] == [digest]
    (folder,) = mlflow_server.artifacts.rglob(f"affiant/{package.digest[7:]}/cards/{digest[7:]}")
    assert (folder / "model-card.html").read_bytes() == b"<p>x</p>"
    (folder / "manifest.json").rename(folder.parent / "note.json")
    assert attachments.attached(package.digest) == []
    assert attachments.attach(cards(package, 7.0)) == digest
    (found,) = attachments.attached(package.digest)
    (folder / "model-card.html").unlink()
    with pytest.raises(PackageError, match=r"no version has model-card\.html any more"):
        attachments.fetch(found, "model-card.html")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> House:
    """A governed house, in which nobody has said anything of the package yet."""
    return House.build(tmp_path_factory.mktemp("house"), [credit_package()])


def test_the_command_keeps_cards_when_a_fact_has_changed(house: House, tmp_path: Path) -> None:
    """Rendered, kept, not kept again; then gates, an approval, a deployment and a text are facts that change."""
    documents = tmp_path / "documents.yaml"
    documents.write_text("purpose: To decide on loans.\n")
    words = ("card", "attach", house.digest, *house.config, "--json")
    assert "no cards are kept" in house.ok("card", "list", house.digest, *house.config).out
    first = house.ok(*words, "--documents", documents).json
    again = house.ok(*words).json  # the documents that were attached last count on
    assert (first["changed"], again["changed"], again["attached"]) == (True, False, first["attached"])
    seen = {first["attached"]}
    house.gates()
    seen.add(house.ok(*words).json["attached"])
    for person, role in (("dan", "legal"), ("bob", "compliance")):
        assert house.sign("approve", person, role).code == 0
    seen.add(house.ok(*words).json["attached"])
    house.ok(
        "deploy", "credit", house.digest, "-m", "goes live", "--key", house.key("dan"), "--yes", *house.config
    )
    seen.add(house.ok(*words).json["attached"])
    documents.write_text("purpose: To decide on small loans.\n")
    last = house.ok(*words, "--documents", documents).json
    seen.add(last["attached"])
    assert len(seen) == 5
    listed = house.ok("card", "list", house.digest, *house.config, "--json").json["cards"]
    assert {each["attached"] for each in listed} == seen
    assert any(each["attached"] == last["attached"] and each["facts"] == last["facts"] for each in listed)


def test_cards_follow_what_was_signed_since(house: House) -> None:
    """Those that there are, when a fact is another; a package without cards gets none, and damage stops no other."""
    sync = ("card", "sync", *house.config, "--json")
    store = configured_store(house.loaded)
    bare, bad = (store.push(number_package(name)) for name in ("bare", "bad"))
    documents = house.file("said.yaml")
    documents.write_text("purpose: To decide on loans.\n")
    house.ok("card", "attach", house.digest, "--documents", documents, *house.config)
    house.gates()
    manifest = house.file("data") / "store" / "blobs" / "sha256" / bad[7:]
    whole = manifest.read_bytes()
    manifest.write_bytes(b"damaged")
    done = affiant(*sync)
    assert (done.code, done.json["changed"]) == (1, 1)
    assert {each["digest"]: bool(each["problem"]) for each in done.json["cards"]} == {
        house.digest: False, bad: True,
    }  # fmt: skip
    assert f"WRONG  package {bad}" in done.err
    manifest.write_bytes(whole)
    newest = house.ok("card", "list", house.digest, *house.config, "--json").json["cards"][0]
    assert newest["attached"] == next(
        each["attached"] for each in done.json["cards"] if each["digest"] == house.digest
    )
    assert "documents.yaml" in newest["files"]  # what people wrote counts on
    again = house.ok(*sync).json
    assert (again["changed"], [each["digest"] for each in again["cards"]]) == (0, [house.digest])
    assert "no cards are kept" in house.ok("card", "list", bare, *house.config).out


def test_the_command_renders_what_is_so_now(house: House, tmp_path: Path) -> None:
    """All cards into a folder; nothing is overwritten unasked; without a folder the model card is printed."""
    out = tmp_path / "cards"
    documents = tmp_path / "documents.yaml"
    documents.write_text("purpose: To decide on loans.\nrisk_assessment: {assessor: Ann}\n")
    words = ("card", "render", house.digest, "--documents", documents, *house.config)
    told = house.ok(*words, "--out", out, "--json").json
    assert sorted(Path(each).name for each in told["files"]) == sorted(path.name for path in out.iterdir())
    assert len(told["files"]) == 6
    assert "- Ann" in (out / "risk-assessment.md").read_text()
    assert "To decide on loans." in house.ok(*words).out
    assert affiant(*words, "--out", out).code == 2
    assert affiant(*words, "--out", out, "--force").code == 0
    documents.write_text("risk_assessment: {asessor: Ann}\n")
    refused = affiant(*words)
    assert (refused.code, "did you mean 'assessor'" in refused.err) == (2, True)
    assert json.loads(house.ok("card", "schema").out)["title"] == "DocumentsModel"
    assert "risk_assessment:" in house.ok("card", "template").out


def test_the_model_card_tells_verdicts_approvals_history_and_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was signed, in both forms: a gate that failed and why, who approved, where it is live, data that is gone."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    house = House.build(tmp_path, [credit_package()])
    failed = {"name": "size", "verdict": "failed", "reason": "60 MB; at most 50"}
    house.gates(results=[{"name": "documentation", "verdict": "passed", "reason": ""}, failed])
    rows = shown(house)
    assert ["documentation", "passed", "–"] in rows
    assert ["size", "failed", "60 MB; at most 50"] in rows
    assert ["live", "not admitted"] in [each[:2] for each in rows]
    house.gates()
    for person, role in (("dan", "legal"), ("bob", "compliance")):
        assert house.sign("approve", person, role).code == 0
    words = ("-m", "goes live", "--key", house.key("dan"), "--yes", *house.config)
    house.ok("deploy", "credit", house.digest, *words)
    rows = shown(house)
    assert ["size", "passed", "–"] in rows
    (live,) = (each for each in rows if each[:2] == ["live", "admitted"])
    assert live[2:4] == ["1 × compliance, 1 × legal", "bob (compliance), dan (legal)"]
    said = [each[1:4] + each[5:] for each in rows if each[1:2] == ["approval"]]
    assert said == [
        ["approval", "dan", "legal", "looked at it"], ["approval", "bob", "compliance", "looked at it"]
    ]  # fmt: skip
    (served,) = (each for each in rows if each[:2] == ["credit", "live"])
    assert (served[2], *served[4:]) == ("100%", "now", "dan", "goes live")
    (table,) = (each for each in rows if each[0] == "german_credit.csv")
    assert table[1:] == [f"sha256:{told_table(house)}", f"sha256:{told_table(house)}", "yes", "no"]
    house.data("deprecate")
    assert [*table[:-1], "YES: consent withdrawn"] in shown(house)
    assert house.sign("revoke", "ann").code == 0
    rows = shown(house)
    assert ["live", "not admitted"] in [each[:2] for each in rows]
    assert ["revocation", "ann"] in [each[1:3] for each in rows]


def shown(house: House) -> list[list[str]]:
    """The rows of every table of the model card; those of its Markdown and of its page are the same."""
    out = house.file("cards")
    house.ok("card", "render", house.digest, "--out", out, "--force", *house.config)
    lines = (out / "model-card.md").read_text().replace("\\", "").splitlines()
    rows = [line.strip("| ").split(" | ") for line in lines if line.startswith("| ")]
    page = html.unescape((out / "model-card.html").read_text())
    for row in rows:
        assert all(cell.strip() in page for cell in row), row
    return rows


def told_table(house: House) -> str:
    """The SHA-256 of the table that its package was trained on."""
    return str(configured_store(house.loaded).pull(house.digest).lineage["training_table"]["sha256"])


def test_a_house_that_nobody_governs_says_so(tmp_path: Path) -> None:
    """Without a root nobody's word counts, and the card says that."""
    package = credit_package()
    LayoutStore(tmp_path / "data" / "store").push(package)
    (tmp_path / "affiant.toml").write_text('[data]\ndirectory = "data"\n')
    done = affiant("card", "render", package.digest, "--config", tmp_path / "affiant.toml")
    assert done.code == 0, done.err
    assert "the settings name no root" in done.out
