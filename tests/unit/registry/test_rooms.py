"""What a gateway imports to answer, and what it does not need to have installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from registry.stores import LayoutStore
from tests.components.packages import credit_onnx_published, credit_package

CODE = """
import sys
from pathlib import Path

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"pandas", "pyarrow", "sklearn", "skl2onnx", "oras", "typer"}:
            raise ModuleNotFoundError(f"{name} is not of the gateway", name=name)

sys.meta_path.insert(0, Refuse())
from registry.runtimes import load
from registry.stores import LayoutStore

model = load(LayoutStore(Path(sys.argv[1])).pull(sys.argv[2]))
print(model.batching.kind)
"""


@pytest.mark.parametrize("kind", ["xgboost", "onnx"])
def test_a_gateway_loads_and_checks_a_package_without_the_publishers_libraries(
    tmp_path: Path, kind: str
) -> None:
    """No pandas, pyarrow, scikit-learn, skl2onnx; no oras for a layout."""
    from sklearn.linear_model import LogisticRegression

    package = (
        credit_package()
        if kind == "xgboost"
        else credit_onnx_published(LogisticRegression(max_iter=500)).package
    )
    LayoutStore(tmp_path).push(package)
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(tmp_path), package.digest],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[0] == ("exact" if kind == "xgboost" else "padded")
