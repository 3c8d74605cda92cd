"""From a model file and its training table to a package.

1 read the model's own facts      2 infer the signature       3 encode the table, predict it
4 compare with the source model   5 profile the reference     6 draw golden rows
7 write lineage and card          8 build, load, ask the golden rows
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from . import reference as reference_format
from .card import write_card
from .errors import PublishError
from .facts import inspect_model
from .formats import detect
from .golden import Golden
from .infer import Wanted, infer_signature
from .lineage import GitState, Origin, git_state, lineage_json, profile
from .manifest import canonical_json, digest_of
from .measure import BEYOND, Comparison, compare, judge, measure
from .package import Package, PackageContent, build
from .runtimes import Batching, load, open_runner
from .runtimes.base import Runner
from .signature import Signature
from .table import Table, encode, model_rows

GOLDEN_ROWS: Final = 64
_CHUNK: Final = 1024
_ROUNDING: Final = 1e-5
"""An ensemble's float32 sum may be a little above 1."""

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Published:
    """A package that loads and gives its golden answers; `warnings` are for a person to read."""

    package: Package
    batching: Batching
    comparison: Comparison | None
    metrics: dict[str, float]
    warnings: tuple[str, ...]


def publish(
    model: bytes,
    table: Table,
    wanted: Wanted,
    *,
    file: str = "model",
    source_scores: NDArray[np.float64] | None = None,
    source: str | None = None,
    progress: Progress = lambda _: None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    directory: Path | None = None,
    origin: Origin | None = None,
    mlflow: Mapping[str, Any] | None = None,
    git: GitState | None = None,
    holdout: Table | None = None,
) -> Published:
    """Make a package.

    Args:
        model: the model file's bytes: XGBoost UBJSON or JSON, or ONNX.
        table: the training table, with the target column.
        wanted: name, target and choices.
        file: the model file's name, for messages and lineage.
        source_scores: the source model's scores on the table's rows, in their order, to compare with.
        source: what the source model is, for lineage.
        progress: called with a short text before each step.
        now: the clock.
        directory: whose git commit is recorded as the model's, where the model was made.
        origin: what the publisher says of the model's making.
        mlflow: where in MLflow it was taken from (registry.mlflow.take).
        git: the model's commit, where it is known otherwise, such as by MLflow's run; in place of `directory`'s. With
            neither, nobody knows it, and that is told.
        holdout: rows that the model has not seen, with the features' columns: scores of live requests are held to
            those of them. None: to those of the training table, of which a model is surer than of anything else.

    Raises:
        PickleRefused, ModelRefused: the file cannot be served.
        PublishError: table and model do not fit; the message says what to change.
    """
    progress("reading the model")
    model_type = detect(model, file)
    facts = inspect_model(model, model_type)
    progress("inferring the signature")
    signature, warnings = infer_signature(facts, table, wanted, model_type)
    progress("predicting the training table")
    runner = open_runner(model, model_type, signature)
    encoded = encode(table.frame, signature)
    inputs = model_rows(encoded, signature)
    scores = predict_all(runner, inputs, signature)
    metrics = measure(signature, table, wanted, scores)
    warnings += judge(metrics)
    comparison = compare(scores, source_scores) if source_scores is not None else None
    if comparison is not None and comparison.rows_beyond:
        warnings.append(
            f"{comparison.rows_beyond} of {comparison.rows} rows differ from the source model by more than "
            f"{BEYOND:g}, the worst by {comparison.max_difference:.3g}"
        )
    progress("profiling the reference")
    held_out = None if holdout is None else _held_out(runner, table, holdout, signature)
    reference = reference_format.build(
        encoded, scores if held_out is None else held_out, signature, held_out=held_out is not None
    )
    progress("drawing golden rows")
    golden = draw_golden(runner, inputs, signature, table.sha256)
    lineage = lineage_json(
        created=now(),
        model={"file": file, "sha256": sha256(model).hexdigest(), "type": model_type, "source": source},
        table={
            "file": table.file,
            "sha256": table.sha256,
            "rows": len(table),
            "columns": list(table.frame.columns),
            "target": wanted.target,
            "profile": profile(table.frame),
        },
        git=git_state(directory, "said") if git is None and directory is not None else git,
        parameters=facts.parameters,
        metrics=metrics,
        comparison=asdict(comparison) if comparison is not None else None,
        origin=origin,
        mlflow=mlflow,
        score_table=None if holdout is None else _named(holdout),
    )
    card = write_card(signature, metrics, comparison, reference, golden.made_with, digest_of(model))
    progress("building and checking the package")
    package = build(
        PackageContent(
            model=model,
            model_type=model_type,
            signature_json=canonical_json(signature.model_dump(mode="json")),
            reference=reference.encode(),
            golden=golden.encode(),
            lineage_json=lineage,
            card=card.encode(),
        )
    )
    return Published(package, load(package).batching, comparison, metrics, tuple(warnings))


def _held_out(runner: Runner, table: Table, holdout: Table, signature: Signature) -> NDArray[np.float32]:
    """Scores of the hold-out. Raises PublishError: it is the training table, or does not fit the model."""
    if holdout.sha256 == table.sha256:
        raise PublishError(f"{holdout.file}: the hold-out is the training table itself")
    try:
        encoded = encode(holdout.frame, signature)
    except PublishError as error:
        raise PublishError(f"{holdout.file}: {error}") from error
    return predict_all(runner, model_rows(encoded, signature), signature)


def _named(table: Table) -> dict[str, Any]:
    return {"file": table.file, "sha256": table.sha256, "rows": len(table)}


def predict_all(runner: Runner, inputs: NDArray[np.float32], signature: Signature) -> NDArray[np.float32]:
    """Scores [rows, outputs] of the whole table. Raises PublishError when one is not a finite number."""
    parts = [
        runner.predict(np.ascontiguousarray(inputs[start : start + _CHUNK])).reshape(-1, signature.outputs)
        for start in range(0, len(inputs), _CHUNK)
    ]
    scores = np.concatenate(parts)
    if not np.isfinite(scores).all():
        raise PublishError("the model gives a score that is not a finite number for some rows of the table")
    if signature.task != "regression" and ((scores < -_ROUNDING) | (scores > 1 + _ROUNDING)).any():
        raise PublishError("the model's scores are not probabilities: some are below 0 or above 1")
    return scores


def draw_golden(runner: Runner, inputs: NDArray[np.float32], signature: Signature, seed: str) -> Golden:
    """Golden rows, each column drawn on its own: the values are the table's, no row is a person's."""
    random = np.random.default_rng(int(seed[:16], 16))
    rows = np.empty((GOLDEN_ROWS, inputs.shape[1]), np.float32)
    for place in range(inputs.shape[1]):
        rows[:, place] = random.choice(inputs[:, place], GOLDEN_ROWS)
    answers = runner.predict(rows).reshape(GOLDEN_ROWS, signature.outputs)
    return Golden(rows, answers, runner.runtime)
