"""What signed statements say of erased payloads, for commands that read payloads: asked where one is missing."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

import typer

from audit.config import Config
from audit.errors import AuditError, NoSuchTopic
from audit.proof.errors import FormatError, NotProved

from .text import printable

if TYPE_CHECKING:
    from audit.auditor.missing import Missing
    from audit.erasure.told import Erasures


def erasures(config: Config | None) -> Callable[[], Erasures]:
    """Reads the governance log of the settings once, when it is first called.

    An auditor need not have it: what cannot be read, or is not whole, tells of no erasure. A line on the error output
    says so, and a missing payload is told as before.
    """

    @cache
    def read() -> Erasures:
        return missing(config).erased

    return read


def missing(config: Config | None) -> Missing:
    """The same at once, and what was deleted because its time was over. Nobody is to look into the object store."""
    from audit.auditor.missing import NOTHING, Missing
    from registry.errors import RegistryError

    from .retention_open import said_of

    if config is None:
        return NOTHING
    try:
        said = said_of(config)
    except NoSuchTopic:
        return NOTHING  # nobody has ever said anything
    except (AuditError, RegistryError, FormatError, NotProved, OSError) as error:
        typer.echo(printable(f"without what the governance log says of erasures: {error}"), err=True)
        return NOTHING
    return Missing(said.erased, said.deleted)
