"""The record id on a command line: one argument, and one answer to what is none."""

from __future__ import annotations

from typing import Annotated

import typer

from audit.errors import ConfigError
from audit.proof.entry import parse_record_id
from audit.proof.errors import FormatError


def record_id_given(text: str) -> str:
    """The same text, when it is a record id.

    Looked at before anything is opened: what cannot be an id is a slip of the pen (exit code 2), and not a record
    that is not there (exit code 1).

    Raises:
        ConfigError: it is none.
    """
    try:
        parse_record_id(text)
    except FormatError:
        raise ConfigError(
            f"RECORD is {text[:80]!r}, wanted a record id as the answer's Affiant-Record header has it: 32 hex "
            "digits, a hyphen and a number"
        ) from None
    return text


RecordArgument = Annotated[
    str,
    typer.Argument(
        metavar="RECORD",
        help="The record id, as the answer's Affiant-Record header has it.",
        callback=record_id_given,
        show_default=False,
    ),
]
