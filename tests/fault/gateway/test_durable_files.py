"""Keys and packages are durable before anybody is told of them, with every directory that was made for them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.components.process import find_program
from tests.components.trace import calls_of

pytestmark = pytest.mark.fault

ROOT = Path(__file__).parents[3]
KEY = "import sys; from pathlib import Path; from service.auth import add_key; print(add_key(Path(sys.argv[1]), 'a'))"
PACKAGE = (
    "import sys; from pathlib import Path; from registry.stores import LayoutStore; "
    "from tests.components.packages import number_package; "
    "print(LayoutStore(Path(sys.argv[1]).parent).push(number_package()))"
)


@pytest.mark.parametrize(("code", "name"), [(KEY, "keys.json"), (PACKAGE, "index.json")])
def test_a_file_its_name_and_its_directories_are_synced_before_it_is_told(
    tmp_path: Path, code: str, name: str
) -> None:
    """As the kernel saw it."""
    path, trace = tmp_path / "new" / "place" / name, tmp_path / "trace"
    calls = "trace=write,rename,renameat,renameat2,mkdir,mkdirat,fsync"
    done = subprocess.run(
        [find_program("strace", "strace"), "-f", "-y", "-s", "300", "-o", trace, "-e", calls,
         sys.executable, "-c", code, path],
        cwd=ROOT, check=True, timeout=100, capture_output=True, text=True,
    )  # fmt: skip
    assert path.is_file()
    lines = calls_of(trace)

    def find(pattern: str, after: int = -1) -> int:
        found = [at for at, line in enumerate(lines) if at > after and re.search(pattern, line)]
        assert found, pattern
        return found[0]

    told = find(rf'write\(1<.*"{done.stdout[:20]}')
    renamed = find(rf'rename.*"{path}"')
    draft = re.search(r'"([^"]+)"', lines[renamed])
    assert draft is not None
    assert find(rf"fsync\(\d+<{draft[1]}>\) += 0") < renamed
    assert find(rf"fsync\(\d+<{path.parent}>\) += 0", renamed) < told
    made = [
        at
        for at, line in enumerate(lines)
        if "mkdir" in line and str(tmp_path) in line and line.endswith("= 0")
    ]
    assert len(made) >= 2
    for at in made:
        directory = re.search(r'"([^"]+)"', lines[at])
        assert directory is not None
        assert find(rf"fsync\(\d+<{Path(directory[1]).parent}>\) += 0", at) < renamed
