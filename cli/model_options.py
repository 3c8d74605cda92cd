"""Options of the commands about packages."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

StoreOption = Annotated[
    Path | None,
    typer.Option("--store", help="A layout directory, in place of the settings' store.", show_default=False),
]
JsonOption = Annotated[bool, typer.Option("--json", help="As JSON.")]
DigestArgument = Annotated[str, typer.Argument(help="sha256:…, or as much of it as is unique.")]
