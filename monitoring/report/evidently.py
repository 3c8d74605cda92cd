"""Evidently's own page of the same rows, for who knows it. Needs the extra `reports`.

Nothing of Evidently's that tells somebody of its use is imported: its report asks nobody, and its page has all in it.
Its rule alarms by other tests than ours, with a threshold each: that the two disagree is no fault
(docs/drift-statistics.md).
"""

from __future__ import annotations

import os
import warnings
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from registry.signature import Signature

if TYPE_CHECKING:
    import pandas as pd

UNSEEN: Final = "unseen category"
_TEXTS: Final = str.maketrans({"<": "(", ">": ")"})
"""Evidently writes names into its page as they are: none of a table's may be markup there."""


def evidently_page(reference: NDArray[np.float32], window: NDArray[np.float32], signature: Signature) -> str:
    """The page.

    Args:
        reference: [rows, width] of the training table, as `registry.table.encode` has it.
        window: [rows, width], at least one row, as `rows_of` has it.
        signature: of the package.

    Raises:
        ModuleNotFoundError: Evidently is not installed.
    """
    os.environ["DO_NOT_TRACK"] = "1"  # its service's switch, should anything of it ever be reached
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its own use of numpy
        from evidently import DataDefinition, Dataset, Report
        from evidently.presets import DataDriftPreset

        definition = DataDefinition(
            numerical_columns=[plain(each.name) for each in signature.features if each.type != "category"],
            categorical_columns=[plain(each.name) for each in signature.features if each.type == "category"],
        )
        current, known = (
            Dataset.from_pandas(frame_of(rows, signature), definition) for rows in (window, reference)
        )
        text: str = Report([DataDriftPreset()]).run(current, known).get_html_str(as_iframe=False)
    return text


def frame_of(rows: NDArray[np.float32], signature: Signature) -> pd.DataFrame:
    """Rows with the columns' names and the categories' texts; infinities are missing, as for Evidently they must be."""
    import pandas as pd

    columns: dict[str, object] = {}
    for place, feature in enumerate(signature.features):
        column = rows[:, place]
        if feature.type == "category":
            columns[plain(feature.name)] = [_text(code, feature.categories) for code in column.tolist()]
        else:
            columns[plain(feature.name)] = np.where(np.isfinite(column), column, np.nan).astype(np.float64)
    return pd.DataFrame(columns)


def plain(text: str) -> str:
    """Without what could be markup."""
    return text.translate(_TEXTS)


def _text(code: float, categories: tuple[str, ...]) -> str | None:
    if np.isnan(code):
        return None
    known = code.is_integer() and 0 <= code < len(categories)
    return plain(categories[int(code)]) if known else UNSEEN
