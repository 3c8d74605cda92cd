"""`affiant audit bundle` when the model store is not whole any more."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from audit.proof.entry import Key
from cli.main import run
from registry.package import Package
from registry.stores import LayoutStore
from tests.components import journals
from tests.components.packages import number_package
from tests.components.sealed import SealedLog, sealed_log


@pytest.fixture(scope="module")
def package() -> Package:
    return number_package()


@pytest.fixture(scope="module")
def sealed(package: Package, tmp_path_factory: pytest.TempPathFactory) -> SealedLog:
    """Exchanges that a package answered."""
    exchange = journals.exchange

    def of_the_package(request: bytes, ticket: int) -> tuple[dict[int, object], bytes]:
        fields, payload = exchange(request, ticket)
        return {**fields, int(Key.DIGEST): bytes.fromhex(package.digest.removeprefix("sha256:"))}, payload

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(journals, "exchange", of_the_package)
        made = sealed_log(tmp_path_factory.mktemp("sealed"), exchanges=2, sizes=(1,))
    made.settings()
    return made


@pytest.fixture
def store(sealed: SealedLog, package: Package, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The blobs' directory of a store with the package."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    LayoutStore(sealed.root / "data" / "store").push(package)  # what a test has damaged is put right
    return sealed.root / "data" / "store" / "blobs" / "sha256"


Bundle = Callable[[], tuple[int, dict, str, set[str], str]]


@pytest.fixture
def bundle(sealed: SealedLog, store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Bundle:
    """Makes a bundle: the exit code, the JSON, the error output, the package's members, the report."""

    def make() -> tuple[int, dict, str, set[str], str]:
        given = ["-c", str(sealed.root / "affiant.toml"), "-o", str(tmp_path / "e.zip"), "--range", "0:0-3"]
        with pytest.raises(SystemExit) as end:
            run(["audit", "bundle", *given, "--json"])
        out, err = capsys.readouterr()
        with zipfile.ZipFile(tmp_path / "e.zip") as archive:
            names = {Path(each).name for each in archive.namelist() if each.startswith("packages/")}
            return int(end.value.code or 0), json.loads(out), err, names, archive.read("report.html").decode()

    return make


def blob(package: Package, role: str) -> str:
    """The name of a part's file."""
    return package.parsed.roles[role].digest.removeprefix("sha256:")


def shown(package: Package) -> set[str]:
    """The files of a whole package that go into a bundle."""
    return {"manifest.json", *(blob(package, role) for role in ("signature", "lineage", "card"))}


def test_a_whole_package_lacks_nothing(bundle: Bundle, package: Package) -> None:
    """Exit code 0, and nothing on the error output."""
    code, told, err, names, _ = bundle()
    assert (code, told["package_lacks"], err) == (0, [], "")
    assert names == shown(package)


def test_a_changed_model_is_wrong_and_the_rest_goes_in(bundle: Bundle, store: Path, package: Package) -> None:
    """One byte of the model: exit code 1, what is whole is there, and the finding stands wherever one looks."""
    file = store / blob(package, "model")
    raw = bytearray(file.read_bytes())
    raw[100] ^= 1
    file.write_bytes(raw)
    code, told, err, names, report = bundle()
    assert code == 1
    assert names == shown(package)
    (lack,) = told["package_lacks"]
    assert (lack["package"], lack["wrong"], told["missing_packages"]) == (package.digest, True, [])
    title = package.parsed.roles["model"].annotations.title
    assert lack["said"].startswith(f"{title}: its bytes have sha256:")
    assert err.startswith(f"WRONG  {package.digest}: {title}: its bytes have")
    assert lack["said"] in report


def test_parts_that_are_missing_are_named_one_by_one(bundle: Bundle, store: Path, package: Package) -> None:
    """The manifest and the third part are there all the same."""
    for role in ("signature", "card"):
        (store / blob(package, role)).unlink()
    code, told, _, names, _ = bundle()
    assert code == 1
    assert names == shown(package) - {blob(package, "signature"), blob(package, "card")}
    assert ["is missing in" in lack["said"] for lack in told["package_lacks"]] == [True, True]


@pytest.mark.parametrize(("damage", "words"), [(b"{}", "its bytes have"), (None, "is missing in")])
def test_a_manifest_that_is_not_its_own_is_wrong(
    bundle: Bundle, store: Path, package: Package, damage: bytes | None, words: str
) -> None:
    """Nothing can go in; that is said, and the exit code is 1."""
    file = store / package.digest.removeprefix("sha256:")
    file.unlink()
    if damage is not None:
        file.write_bytes(damage)
    code, told, err, names, report = bundle()
    assert (code, names, told["missing_packages"]) == (1, set(), [package.digest])
    assert words in err
    assert words in report


def test_a_package_that_the_store_does_not_have_is_a_warning(
    bundle: Bundle, sealed: SealedLog, package: Package, store: Path
) -> None:
    """Nothing is damaged: exit code 0, but not in silence."""
    index = sealed.root / "data" / "store" / "index.json"
    index.unlink()
    code, told, err, names, _ = bundle()
    assert (code, names, told["package_lacks"][0]["wrong"]) == (0, set(), False)
    assert err.startswith(f"WARNING  {package.digest}: the model store does not have it")
