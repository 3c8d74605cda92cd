"""The runtimes that answer for a package: XGBoost and ONNX."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from registry.errors import ModelRefused, RegistryError
from registry.package import Package, verify

from .base import Batching, Model, Rows, Runner
from .check import check_golden, padded

if TYPE_CHECKING:
    from collections.abc import Callable

    from registry.golden import Golden
    from registry.manifest import ModelType
    from registry.signature import Signature

__all__ = ["Batching", "LoadedModel", "Model", "Rows", "Runner", "load", "open_runner"]


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A `Model`: verified, loaded, and compared with its golden rows."""

    digest: str
    signature: Signature
    schema_hash: bytes
    runtime: str
    device: str
    batching: Batching
    predict: Callable[[Rows], Rows]
    """The runner's own bound method where nothing needs padding: no call is paid for in between."""
    explain: Callable[[Rows], Rows]


def load(package: Package, *, device: str = "cpu", threads: int = 1) -> LoadedModel:
    """Verify, load into the runtime, ask the golden rows.

    MUST NOT give a byte to a runtime before all of them were verified.

    Args:
        package: from a store, or built.
        device: "cpu", or "cuda" with a build that has it. What has no kernel there runs on the processor, and
            `LoadedModel.device` says so.
        threads: fixed for the model's life: with another number some models give other bits.

    Raises:
        PackageError: a wrong byte, a model that the runtime refuses, or a golden row with another answer.
        DeviceUnavailable: the device is not there.
    """
    verify(package)
    runner = open_runner(package.model, package.model_type, package.signature, device=device, threads=threads)
    batching = ask_golden(runner, package.golden)
    return LoadedModel(
        digest=package.digest,
        signature=package.signature,
        schema_hash=package.schema_hash,
        runtime=runner.runtime,
        device=runner.device,
        batching=batching,
        predict=padded(runner.predict, batching.rows) if batching.kind == "padded" else runner.predict,
        explain=runner.explain,
    )


def ask_golden(runner: Runner, golden: Golden) -> Batching:
    """`check_golden`, with what the runtime raises as one of ours: GoldenMismatch, ModelRefused."""
    try:
        return check_golden(runner.predict, golden)
    except RegistryError:
        raise
    # A runtime may find only when it runs that a graph makes no sense; its errors have no common root.
    except Exception as error:
        raise ModelRefused(f"the model fails on its golden rows: {str(error)[:300]}") from error


def open_runner(
    data: bytes, model_type: ModelType, signature: Signature, *, device: str = "cpu", threads: int = 1
) -> Runner:
    """The model in its runtime, not yet compared with anything. Raises ModelRefused, DeviceUnavailable."""
    if device not in ("cpu", "cuda"):
        raise ValueError(f"device {device!r} is neither 'cpu' nor 'cuda'")
    if model_type == "onnx":
        from .onnx import OnnxRunner

        return OnnxRunner(data, signature, device=device, threads=threads)
    from .xgboost import XGBoostRunner

    return XGBoostRunner(data, model_type, signature, device=device, threads=threads)
