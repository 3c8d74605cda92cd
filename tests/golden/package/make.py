"""Writes the golden files beside it (`python tests/golden/package/make.py`); they change with the format.

The model is a few bytes of XGBoost's UBJSON, written by hand here: a package is checked without loading it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from registry import reference
from registry.golden import Golden
from registry.manifest import canonical_json
from registry.package import Package, PackageContent, build
from registry.signature import Feature, Signature

HERE = Path(__file__).parent
MODEL = b"{L\x00\x00\x00\x00\x00\x00\x00\x07learner{}}"
SIGNATURE = Signature(
    name="golden",
    task="binary",
    features=(
        Feature(name="income", type="number", minimum=-1.5, maximum=200.25, missing=True),
        Feature(name="Stufe", type="category", categories=("klein", "groß"), unknown="missing"),
    ),
    classes=("good", "bad"),
    positive_class="bad",
    threshold=0.5,
)


def inputs() -> np.ndarray:
    """200 rows: an atom at 7, a run of equal steps, missing, both infinities, an unseen category."""
    income = np.concatenate(
        [np.full(40, 7.0), np.arange(152) * 0.25 - 1.5, [np.nan] * 4, [np.inf] * 3, [-np.inf]]
    )
    grade = np.concatenate([np.zeros(150), np.ones(40), [np.nan] * 7, [-1.0] * 3])
    return np.stack([income, grade], axis=1).astype(np.float32)


def scores() -> np.ndarray:
    """200 scores in [0, 1)."""
    return (np.arange(200) / 256).astype(np.float32).reshape(-1, 1)


def package() -> Package:
    """The package that the files are of."""
    rows = inputs()[:5]
    golden = Golden(rows, scores()[:5], "by hand")
    lineage = {"format": 1, "created": "2026-01-02T03:04:05Z", "actor": "golden"}
    return build(
        PackageContent(
            model=MODEL,
            model_type="xgboost-ubj",
            signature_json=canonical_json(SIGNATURE.model_dump(mode="json")),
            reference=reference.build(inputs(), scores(), SIGNATURE).encode(),
            golden=golden.encode(),
            lineage_json=canonical_json(lineage),
            card=b"# golden\n",
        )
    )


if __name__ == "__main__":
    made = package()
    (HERE / "manifest.json").write_bytes(made.manifest)
    for layer in made.parsed.layers:
        (HERE / layer.annotations.title).write_bytes(made.blobs[layer.digest])
