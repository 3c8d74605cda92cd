"""`affiant drift report --evidently`: Evidently's page beside ours, of the same rows."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from audit.errors import ConfigError

from .output import check_output, write_output

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from registry.package import Package
    from registry.table import Table


class Beside(NamedTuple):
    """What is asked for beside our page: a file, and the training table."""

    page: Path
    table: Table


def beside(page: Path | None, reference: Path | None, *, force: bool) -> Beside | None:
    """What the options ask for; None: nothing.

    Raises:
        ConfigError: one option without the other, the extra is missing, or the file may not be written.
        PublishError: the table cannot be read.
    """
    if page is None and reference is None:
        return None
    if page is None or reference is None:
        raise ConfigError("--evidently FILE and --reference TABLE belong together")
    # Looked for, not imported: that takes seconds, and there is counting to be done before.
    if find_spec("evidently") is None or find_spec("pandas") is None:
        raise ConfigError(
            "--evidently needs the extra 'reports'; "
            "install affiant[reports] from a wheel of your own: no index has its name"
        )
    check_output(page, force=force)
    from registry.table import read_table

    return Beside(page, read_table(reference))


def held(package: Package, table: Table) -> None:
    """Whether it is the table that the package was made from, where its lineage says which.

    Raises:
        ConfigError: it is another one.
    """
    said: Any = package.lineage.get("training_table")
    wanted = said.get("sha256") if isinstance(said, dict) else None
    if isinstance(wanted, str) and wanted != table.sha256:
        raise ConfigError(
            f"--reference: the package was made from a table with the SHA-256 {wanted}, and {table.file} has "
            f"{table.sha256}"
        )


def write(beside: Beside, package: Package, rows: NDArray[np.float32], *, force: bool) -> None:
    """Write the page.

    Raises:
        PublishError: the table lacks a column of the package's.
        ConfigError: the page cannot be written.
    """
    from monitoring.report.evidently import evidently_page
    from registry.table import encode

    text = evidently_page(encode(beside.table.frame, package.signature), rows, package.signature)
    write_output(beside.page, text.encode(), force=force)
