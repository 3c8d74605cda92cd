"""Grafana's own types, asked by TypeScript's compiler whether a dashboard is one.

There is no Grafana to be had here: what its schema (`@grafana/schema`, npm) says of a dashboard is what is checked.
`scripts/tools grafana-schema` fetches it and the compiler, both held by package-lock.json's hashes. To renew them:
change package.json and run `npm install --package-lock-only --omit-lockfile-registry-resolved`.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tests.components.cache import cached
from tests.components.process import find_program

_TOOL: Final = "grafana-schema"
_OPTIONS: Final = {
    "strict": True,
    "noEmit": True,
    "skipLibCheck": True,  # what is ours is checked; the schema's own files are its makers'
    "types": [],
    "target": "es2022",
    "module": "esnext",
    "moduleResolution": "bundler",
}
_SHAPE: Final = Path(__file__).parent / "shape.ts"


def complaints(directory: Path, dashboards: Mapping[str, str]) -> list[str]:
    """What the compiler says of these; none: each is a dashboard.

    Args:
        directory: an empty one, where it is compiled.
        dashboards: name → JSON.
    """
    modules = cached(_TOOL, "node_modules", tool=_TOOL)
    (directory / "node_modules").symlink_to(modules)
    (directory / "shape.ts").write_text(_SHAPE.read_text())
    for name, text in dashboards.items():
        code = f'import type {{ Checked }} from "./shape";\nexport const found: Checked =\n{text};\n'
        (directory / f"{name}.ts").write_text(code)
    (directory / "tsconfig.json").write_text(json.dumps({"compilerOptions": _OPTIONS, "include": ["*.ts"]}))
    done = subprocess.run(
        [find_program("node", _TOOL), str(modules / "typescript" / "bin" / "tsc"), "--project", "."],
        cwd=directory,
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if done.returncode == 0:
        return []
    return [line for line in done.stdout.splitlines() + done.stderr.splitlines() if line.strip()]
