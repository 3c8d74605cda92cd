"""Attacks on what stands beside the record: packages in the model store, and bundles that somebody hands over."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from audit.proof.bundle import Bundle, parse_bundle_file
from audit.proof.entry import Key, parse_entry
from audit.proof.evidence import Shown, verify_bundle
from cli.main import guarded, run
from registry.package import Package
from registry.stores import LayoutStore
from tests.components import journals
from tests.components.packages import number_package
from tests.components.sealed import SealedLog, sealed_log
from tests.fault.attacks.hands import changed_entry, named

Command = Callable[..., tuple[int, str]]
LAST = 7
"""The last offset of the bundle."""


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> SealedLog:
    """A sealed log whose answers name a package, and the store that has it."""
    package = number_package()
    exchange = journals.exchange

    def of_the_package(request: bytes, ticket: int) -> tuple[dict[int, object], bytes]:
        fields, payload = exchange(request, ticket)
        return {**fields, int(Key.DIGEST): bytes.fromhex(package.digest.removeprefix("sha256:"))}, payload

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(journals, "exchange", of_the_package)
        made = sealed_log(tmp_path_factory.mktemp("sound"), exchanges=6, sizes=(1,))
    LayoutStore(made.root / "data" / "store").push(package)
    return made


@pytest.fixture
def log(sound: SealedLog, tmp_path: Path) -> SealedLog:
    """A copy, to be attacked, with settings of its own."""
    shutil.copytree(sound.root, tmp_path / "log", ignore=shutil.ignore_patterns("*.seg", "spare"))
    made = SealedLog(tmp_path / "log", sound.topic, sound.records)
    made.settings()
    return made


@pytest.fixture
def affiant(log: SealedLog, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """Runs `affiant audit …`; exit code, and all that it said."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(log.root / "cache"))

    def command(*arguments: str) -> tuple[int, str]:
        capsys.readouterr()
        given = ["audit", *arguments, "--config", str(log.root / "affiant.toml")]
        code = guarded(lambda: run(given), given)
        out, err = capsys.readouterr()
        return code, out + err

    return command


@pytest.fixture
def bundle(log: SealedLog, affiant: Command) -> Bundle:
    """What `affiant audit bundle` makes of a range, taken apart."""
    code, said = affiant("bundle", "-o", str(log.root / "evidence.zip"), "--range", f"0:0-{LAST}")
    assert code == 0, said
    made, changed = parse_bundle_file((log.root / "evidence.zip").read_bytes())
    assert (changed, len(made.packages)) == ((), 1)
    return made


def shown(log: SealedLog, made: Bundle) -> Shown:
    """What `affiant-verify bundle` says of it, packed again by whoever has changed it."""
    return verify_bundle(made.encode(), log.vkey)


@pytest.mark.parametrize("part", ["manifest", "model", "lineage"])
def test_a_package_that_was_changed_in_the_store_is_told(log: SealedLog, affiant: Command, part: str) -> None:
    """One byte of any of its files: by the trace of an answer, and by who makes a bundle of it."""
    package: Package = number_package()
    assert affiant("trace", log.records[0])[0] == 0
    digest = package.digest if part == "manifest" else package.parsed.roles[part].digest
    file = log.root / "data" / "store" / "blobs" / "sha256" / digest.removeprefix("sha256:")
    raw = bytearray(file.read_bytes())
    raw[len(raw) // 2] ^= 1
    file.write_bytes(raw)
    code, said = affiant("trace", log.records[0])
    assert (code, "its bytes have sha256:" in said) == (1, True), said
    code, said = affiant("bundle", "-o", str(log.root / "evidence.zip"), "--range", f"0:0-{LAST}")
    assert (code, f"WRONG  {package.digest}: " in said) == (1, True), said


def test_a_changed_package_is_not_what_the_entries_name(log: SealedLog, bundle: Bundle) -> None:
    """The digest in the sealed entry is the manifest's, and the manifest names each part."""
    assert shown(log, bundle).flaws == []
    ((digest, package),) = bundle.packages.items()
    other = replace(package, manifest=package.manifest + b"\n")
    found = shown(log, replace(bundle, packages={digest: other})).flaws
    assert "not what the digest names" in named(found, "package").message
    (name, content), *rest = package.blobs.items()
    other = replace(package, blobs={name: content + b"\n", **dict(rest)})
    named(shown(log, replace(bundle, packages={digest: other})).flaws, "package")


def test_a_record_left_out_of_a_range_is_told(log: SealedLog, bundle: Bundle) -> None:
    """A range is whole, or it is none."""
    (tree,) = bundle.trees
    part = replace(tree, records=tuple(each for each in tree.records if each.offset != 4))
    found = shown(log, replace(bundle, trees=(part,)))
    named(found.flaws, "range", offset=4)
    assert not found.complete


def test_a_changed_answer_in_a_bundle_is_located(log: SealedLog, bundle: Bundle) -> None:
    """Whoever made the bundle cannot change what was answered."""
    (tree,) = bundle.trees
    answer = next(each.offset for each in tree.records if _answers(each.record))
    part = replace(
        tree,
        records=tuple(
            each._replace(record=changed_entry(each.record, answer=b"other"))
            if each.offset == answer
            else each
            for each in tree.records
        ),
    )
    named(shown(log, replace(bundle, trees=(part,))).flaws, "proof", offset=answer)


def _answers(record: bytes) -> bool:
    from audit.proof.record import split_record

    return parse_entry(split_record(record)[0]).get(Key.STATUS) == 200
