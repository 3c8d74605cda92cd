"""How many rows of a hold-out the model has seen: a file that was sorted, cut or saved anew has another digest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from registry.table import Table, texts

if TYPE_CHECKING:
    import pandas as pd


def seen(holdout: Table, training: Table) -> float | None:
    """The share of the hold-out's rows, 0 to 1, that stand in the training table too, in every column that both have.

    Cells are compared as numbers where a column is numeric in both, else as text; missing is equal to missing. None
    when they have no column in common. Rows that are alike by chance count as well: a table of few columns with few
    values has many of them.
    """
    from pandas.util import hash_pandas_object

    shared = [name for name in holdout.frame.columns if name in training.frame.columns]
    if not shared:
        return None
    ours, theirs = (
        hash_pandas_object(_cells(table.frame, shared, others.frame), index=False)
        for table, others in ((holdout, training), (training, holdout))
    )
    return float(ours.isin(set(theirs.tolist())).mean())


def _cells(frame: pd.DataFrame, names: list[str], other: pd.DataFrame) -> pd.DataFrame:
    """Columns that hash alike when they hold the same, whatever file they were read from."""
    import numpy as np
    import pandas as pd

    cells = {}
    for name in names:
        if all(pd.api.types.is_numeric_dtype(each[name]) for each in (frame, other)):
            cells[name] = frame[name].to_numpy(np.float64, na_value=np.nan)
        else:
            cells[name] = np.array(
                ["" if text is None else f"={text}" for text in texts(frame[name])], object
            )
    return pd.DataFrame(cells)
