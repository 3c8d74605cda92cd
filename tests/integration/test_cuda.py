"""On a machine with a GPU and the gateway-gpu extra: the same packages, loaded and asked on the device.

`tests/conftest.py` leaves these out where there is no device, and nowhere else.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audit.proof.entry import Key
from audit.replay import Judged, Verdict, replay
from registry.errors import DeviceUnavailable
from registry.package import Package
from registry.runtimes import load
from service.replaying import GatewayPredictor
from tests.components.devices import network_package, tree_package
from tests.components.gateway import Site, ask, open_gateway, start_gateway
from tests.components.packages import credit_onnx_published, credit_package, number_package
from tests.components.replays import batch_bound_package, logged, verdicts

pytestmark = pytest.mark.cuda
SIZES = (1, 2, 3, 16, 64, 1024)
NUMBERS = "/v1/models/numbers:predict"


def pipeline_package() -> Package:
    """A converted scikit-learn pipeline: encoders, a scaler, a linear classifier, all of `ai.onnx.ml`."""
    from sklearn.linear_model import LogisticRegression

    return credit_onnx_published(LogisticRegression(max_iter=1000)).package


def classes_package() -> Package:
    """XGBoost, three classes."""
    return number_package("classes", 3)


def rows_of(package: Package, count: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Drawn from a normal distribution, some missing."""
    random = np.random.default_rng(7)
    return random.normal(size=(count, package.signature.width)).astype(np.float32)


def asked(rows: Any) -> bytes:
    """A V1 request."""
    return json.dumps({"instances": np.asarray(rows, np.float64).tolist()}).encode()


@pytest.mark.parametrize(
    ("make", "device"),
    [
        (number_package, "cuda"),
        (classes_package, "cuda"),
        (credit_package, "cuda"),
        (tree_package, "cuda"),
        (network_package, "cuda"),
        (batch_bound_package, "cuda"),
        (pipeline_package, "cpu+cuda"),
    ],
)
def test_a_model_gives_its_golden_answers_and_says_where(make: Callable[[], Package], device: str) -> None:
    """`load` runs the golden rows at every batch size and refuses the model otherwise.

    ONNX Runtime has no CUDA kernel for the operators of scikit-learn's pipelines: such a model runs on the
    processor, all but what puts columns together, and says so.
    """
    assert load(make(), device="cuda").device == device


@pytest.mark.parametrize("make", [number_package, classes_package, tree_package, network_package])
def test_device_and_processor_agree(make: Callable[[], Package]) -> None:
    """Within what single precision leaves, at every batch size that the golden rows are asked in."""
    package = make()
    on_device, on_processor = load(package, device="cuda"), load(package)
    rows = rows_of(package, max(SIZES))
    for size in SIZES:
        part = np.ascontiguousarray(rows[:size])
        np.testing.assert_allclose(on_device.predict(part), on_processor.predict(part), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("make", [number_package, classes_package, tree_package, network_package])
def test_an_answer_does_not_depend_on_its_batch(make: Callable[[], Package]) -> None:
    """A model that is `exact` on the device gives a row's bits in any batch, again and again.

    One that is `padded` does up to 64 rows: for more, cuBLAS takes other kernels (seen: 1,024 rows of a network).
    """
    package = make()
    model = load(package, device="cuda")
    rows = rows_of(package, max(SIZES))
    alone = np.stack([model.predict(np.ascontiguousarray(rows[at : at + 1]))[0] for at in range(64)])
    if model.batching.kind == "tolerance":
        np.testing.assert_allclose(model.predict(rows)[:64], alone, atol=model.batching.bound)
        return
    for size in SIZES if model.batching.kind == "exact" else SIZES[:-1]:
        for _ in range(3):
            answers = model.predict(np.ascontiguousarray(rows[:size]))[:64]
            assert answers.tobytes() == alone[: len(answers)].tobytes(), f"a batch of {size}"


@pytest.mark.parametrize("make", [number_package, credit_package, tree_package])
def test_contributions_sum_to_the_margin(make: Callable[[], Package]) -> None:
    """TreeSHAP on the device: each row's contributions and bias are its log-odds."""
    package = make()
    model = load(package, device="cuda")
    rows = rows_of(package, 64)
    if make is credit_package:  # codes of categories, and small amounts
        rows = np.zeros_like(rows) + np.arange(64, dtype=np.float32)[:, None] % 2
    score, summed = model.predict(rows).astype(np.float64), model.explain(rows).sum(axis=1)
    told = np.abs(summed) < 5  # a probability near 0 or 1 has too few digits left in single precision
    assert told.sum() > 5
    np.testing.assert_allclose(summed[told], np.log(score / (1 - score))[told], atol=1e-4)


async def recorded(directory: Path, *packages: Package) -> Site:
    """A gateway on the device has answered twenty requests of one row and of many, for each package."""
    site = Site(directory)
    for package in packages:
        site.serve(package.name, package)
    site.gateway["device"] = "cuda"
    async with open_gateway(site) as front:
        for package in packages:
            rows = rows_of(package, 64)
            for at in range(20):
                path = f"/v1/models/{package.name}:predict"
                answer = await ask(front, path, asked(rows[at : at + 1 + at % 5]))
                assert answer.status == 200
    return site


async def test_an_exchange_says_that_the_device_answered(tmp_path: Path) -> None:
    """The opening entry of the journal names it."""
    site = await recorded(tmp_path, number_package())
    assert site.records()[0].entry.fields[Key.DEVICE] == "cuda"


async def test_what_the_device_answered_comes_out_again_on_it(tmp_path: Path) -> None:
    """Replay loads the model for the recorded device: bit for bit, trees and a network."""
    site = await recorded(tmp_path, number_package(), classes_package(), network_package())
    judged = verdicts(site)
    assert [(one.verdict, one.reason) for one in judged if one.verdict is not Verdict.IDENTICAL] == []
    assert len(judged) == 60


async def test_without_the_device_the_processor_answers_and_the_device_is_the_reason(tmp_path: Path) -> None:
    """Where bits differ, by single precision's worth; where they do not, nothing is said of the device."""
    site = await recorded(tmp_path, number_package(), tree_package(), network_package())
    packages = {each.digest: each for each in (number_package(), tree_package(), network_package())}

    def no_device(digest: str, device: str, threads: int) -> Any:
        if device != "cpu":
            raise DeviceUnavailable("as on a machine without one")
        return load(packages[digest], device=device, threads=threads)

    opening = site.records()[0].entry.fields[Key.VERSIONS]
    judged: list[Judged] = list(replay(logged(site.records()), GatewayPredictor(no_device, opening)))
    assert len(judged) == 60
    for one in judged:
        if one.verdict is not Verdict.IDENTICAL:
            assert "device: cuda then, cpu now" in str(one.reason)
            assert all(each.difference < 1e-5 for each in one.differences)


def test_two_workers_of_the_real_command_answer_on_the_device(tmp_path: Path) -> None:
    """Each worker is a process with a context of its own on the device."""
    site = Site(tmp_path)
    site.serve("numbers", number_package())
    site.serve("network", network_package())
    site.gateway |= {"device": "cuda", "workers": 2}
    served = start_gateway(site)
    try:
        for service, package in (("numbers", number_package()), ("network", network_package())):
            rows, expected = rows_of(package, 8), load(package, device="cuda")
            for at in range(8):
                connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=60)
                connection.request(
                    "POST",
                    f"/v1/models/{service}:predict",
                    asked(rows[at : at + 1]),
                    {"Content-Type": "application/json"},
                )
                answer = connection.getresponse()
                content = json.loads(answer.read())
                connection.close()
                assert answer.status == 200, content
                (said,) = content["predictions"]
                assert said == pytest.approx(float(expected.predict(rows[at : at + 1])[0]), abs=1e-6)
    finally:
        served.process.stop()
    for journal in (0, 1):
        assert site.records(journal)[0].entry.fields[Key.DEVICE] == "cuda"
