"""The rules that tests/conftest.py adds to pytest, by running pytest with it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def _pytest(folder: Path, text: str) -> subprocess.CompletedProcess[str]:
    (folder / "test_inner.py").write_text(text)
    return subprocess.run(
        [
            sys.executable, "-m", "pytest", "-p", "tests.conftest", "-p", "no:cacheprovider",
            "-c", str(ROOT / "pyproject.toml"), "--rootdir", str(folder), str(folder),
        ],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )  # fmt: skip


def test_a_skip_is_a_failure(tmp_path: Path) -> None:
    """A test that skips itself, or is marked to be, fails the run and says so."""
    result = _pytest(
        tmp_path,
        "import pytest\n"
        "def test_itself(): pytest.skip('no broker here')\n"
        "@pytest.mark.skip(reason='later')\n"
        "def test_marked(): pass\n",
    )
    assert result.returncode == 1
    assert "no broker here" in result.stdout
    assert "a skip counts as a failure" in result.stdout
    assert "skipped" not in result.stdout.splitlines()[-1]
    assert "passed" not in result.stdout.splitlines()[-1]


def test_an_expected_failure_stays_one(tmp_path: Path) -> None:
    """Xfail is not a skip; an unexpected pass fails (xfail_strict)."""
    text = "import pytest\n@pytest.mark.xfail(reason='known')\ndef test_known(): assert {}\n"
    assert _pytest(tmp_path, text.format("False")).returncode == 0
    assert _pytest(tmp_path, text.format("True")).returncode == 1


def test_a_warning_is_an_error(tmp_path: Path) -> None:
    """A test that warns fails."""
    result = _pytest(
        tmp_path, "import warnings\ndef test_warns(): warnings.warn('soon', DeprecationWarning)\n"
    )
    assert result.returncode == 1


def test_an_unknown_marker_is_an_error(tmp_path: Path) -> None:
    """A mistyped marker would choose nothing in silence."""
    result = _pytest(tmp_path, "import pytest\n@pytest.mark.kakfa\ndef test_it(): pass\n")
    assert result.returncode != 0
    assert "kakfa" in result.stdout
