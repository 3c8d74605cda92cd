"""On a machine with a GPU and the gateway-gpu extra: the same packages, loaded and asked on the device.

`tests/conftest.py` leaves these out where there is no device, and nowhere else.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from audit.proof.entry import Key
from registry.package import Package
from registry.runtimes import load
from tests.components.gateway import Site, ask, open_gateway
from tests.components.packages import credit_onnx_published, credit_package, number_package

pytestmark = pytest.mark.cuda
SIZES = (1, 2, 3, 16, 64)


def onnx_package() -> Package:
    """A converted scikit-learn pipeline."""
    from sklearn.linear_model import LogisticRegression

    return credit_onnx_published(LogisticRegression(max_iter=1000)).package


@pytest.mark.parametrize("make", [number_package, credit_package, onnx_package])
def test_a_model_gives_its_golden_answers_on_the_device(make: Callable[[], Package]) -> None:
    """`load` runs the golden rows at every batch size and refuses the model otherwise."""
    model = load(make(), device="cuda")
    assert model.device == "cuda"


def test_device_and_processor_agree() -> None:
    """Within what single precision leaves, at every batch size that the golden rows are asked in."""
    package = number_package()
    on_device, on_processor = load(package, device="cuda"), load(package)
    rows = np.random.default_rng(7).normal(size=(max(SIZES), package.signature.width)).astype(np.float32)
    for size in SIZES:
        part = np.ascontiguousarray(rows[:size])
        np.testing.assert_allclose(on_device.predict(part), on_processor.predict(part), rtol=1e-5, atol=1e-6)


async def test_an_exchange_says_that_the_device_answered(tmp_path: Path) -> None:
    """The opening entry of the journal names it."""
    site = Site(tmp_path)
    site.serve("numbers", number_package())
    site.gateway["device"] = "cuda"
    width = number_package().signature.width
    async with open_gateway(site) as front:
        answer = await ask(
            front, "/v1/models/numbers:predict", json.dumps({"instances": [[0.5] * width]}).encode()
        )
    assert answer.status == 200
    assert site.records()[0].entry.fields[Key.DEVICE] == "cuda"
