"""What statements about payloads that go (deletion.py, erasure.py) have in common: whose word counts, and the form."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from audit.invalid import first_problem
from audit.proof.errors import FormatError
from registry.approvals.root import Roots
from registry.statement import Said, once


class Dated(BaseModel):
    """A predicate that says when its signer signed, in seconds since 1970 UTC."""

    at: float


Document = TypeVar("Document", bound=Dated)


def believed(
    roots: Roots | None, said: Iterable[Said], kind: str, role: str, parse: Callable[[Said], Document]
) -> Iterator[tuple[Said, str, Document]]:
    """The statements of a kind that count, in the log's order, each with who has signed it and its predicate.

    One counts when a key that had the role at that place of the log has signed it, and when it was not kept back.
    Without a root nobody has roles: whoever can append to the governance log is believed then.

    Args:
        roots: the chain that is believed; None: the settings name none.
        said: statements in the log's order; of other types they are passed over.
        kind: the predicate's type.
        role: who may say it.
        parse: its predicate. Raises FormatError: it is none.
    """
    for each in once(one for one in said if one.type == kind):
        person = _signer(roots, each, role)
        if person is None:
            continue
        try:
            content = parse(each)
        except FormatError:
            continue  # its signer may be anybody who ever had a key
        if not each.kept_back(content.at):
            yield each, person, content


def parsed(said: Said, form: type[Document], what: str) -> Document:
    """The predicate of a statement. Nothing is verified.

    Raises:
        FormatError: it is none; says which part, of `what`.
    """
    try:
        content = form.model_validate(said.predicate)
    except ValidationError as error:
        raise wrong(what, error) from error
    if not math.isfinite(content.at):
        raise FormatError(f"{what}: at is no time")
    return content


def wrong(what: str, error: ValidationError) -> FormatError:
    """The first thing that is wrong with a predicate."""
    return FormatError(f"{what}: {first_problem(error)}")


def _signer(roots: Roots | None, said: Said, role: str) -> str | None:
    """Who has signed a statement, when that is somebody who had the role at its place of the log; else None."""
    if roots is None:
        return f"key {said.author[:16]}…"
    return roots.at(said.offset).person(said.author, role, said.offset) if said.holds else None
