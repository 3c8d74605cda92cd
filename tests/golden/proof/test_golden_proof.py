"""The bytes of proofs, held by committed files and by a reader that has nothing but the proof library."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from audit.proof.bundle import parse_bundle_file
from audit.proof.members import Members
from tests.components.tlog import TlogCheck
from tests.golden.proof import make, vectors

HERE = Path(__file__).parent
ROOT = HERE.parents[2]


def files(folder: Path) -> dict[str, bytes]:
    """Golden files below a folder, by relative path."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix not in (".py", ".pyc")
    }


def test_what_is_made_is_what_is_committed(tmp_path: Path) -> None:
    """Tiles, checkpoints, cosignature and receipt to the byte; of the bundle its members: zlib may pack otherwise."""
    make.make(tmp_path)
    made, committed = files(tmp_path), files(HERE)
    bundles = [dict(Members(each.pop("bundle.zip"))) for each in (made, committed)]
    assert made.keys() == committed.keys()
    assert [name for name in made if made[name] != committed[name]] == []
    assert bundles[0] == bundles[1]


def test_the_proof_library_finds_in_the_files_what_was_put_in() -> None:
    """Every vector holds."""
    assert vectors.run("audit.proof", HERE) > 500


def test_a_bundle_is_read_back_as_it_was_written() -> None:
    """Encoding and parsing are each other's inverse."""
    bundle, changed = parse_bundle_file((HERE / "bundle.zip").read_bytes())
    assert bundle == make.evidence()
    assert changed == ()


@pytest.mark.tlog
def test_go_reads_our_notes_and_proofs() -> None:
    """golang.org/x/mod/sumdb opens the checkpoints, and finds the consistency proofs right."""
    wanted = make.expected()
    for size in make.SIZES:
        opened = TlogCheck.note((HERE / f"size-{size}" / "checkpoint").read_bytes(), wanted["tree vkey"])
        assert opened.verified == (make.TREE,), opened
    assert TlogCheck.note((HERE / "cosigned").read_bytes(), wanted["tree vkey"])
    checks = TlogCheck()
    roots = {size: bytes.fromhex(root) for size, root in wanted["roots"].items()}
    for pair, proof in wanted["consistency"].items():
        old, new = pair.split("-")
        checks.tree([bytes.fromhex(each) for each in proof], int(new), roots[new], int(old), roots[old])
    assert all(checks.answers())


@pytest.mark.slow
def test_the_wheel_verifies_in_an_environment_that_has_nothing_else(tmp_path: Path) -> None:
    """Built, installed with hashes beside its two libraries, it runs every vector; nothing of ours is in reach."""
    uv = subprocess.run(
        [ROOT / "scripts" / "bootstrap", "--uv"], check=True, capture_output=True, text=True, cwd=ROOT
    ).stdout.strip()

    def run(*command: str | Path) -> str:
        environment = {
            name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")
        } | {"UV_NO_PROGRESS": "1"}
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout

    venv = tmp_path / "venv"
    python = venv / "bin" / "python"
    run(uv, "build", "--wheel", "--python", sys.executable, "--build-constraints",
        ROOT / "requirements" / "build.txt", "-o", tmp_path / "dist",
        ROOT / "verifier")  # fmt: skip
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    run(uv, "venv", "--python", sys.executable, venv)
    run(
        uv,
        "pip",
        "install",
        "--python",
        python,
        "--require-hashes",
        "-r",
        ROOT / "requirements" / "verify.txt",
    )
    run(uv, "pip", "install", "--python", python, "--no-deps", wheel)
    installed = set(
        re.findall(r"^([a-z0-9_-]+)==", run(uv, "pip", "freeze", "--python", python), re.MULTILINE)
    )
    assert installed <= {"cbor2", "cryptography", "cffi", "pycparser", "typing-extensions"}
    golden = tmp_path / "golden"
    for path, content in files(HERE).items():
        (golden / path).parent.mkdir(parents=True, exist_ok=True)
        (golden / path).write_bytes(content)
    (tmp_path / "vectors.py").write_bytes((HERE / "vectors.py").read_bytes())
    assert "vectors hold" in run(python, "-I", tmp_path / "vectors.py", "affiant_verify", golden)
    said = run(venv / "bin" / "affiant-verify", "--help")
    assert "affiant-verify bundle evidence.zip" in said
