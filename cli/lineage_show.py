"""A package's lineage, told whole. What it says is other people's text: none of it steers the terminal."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import typer

from audit.config import Config

from .approvals_show import cell, day, screen, table
from .lineage_open import not_admitted, open_lineage
from .text import json_text, printable

if TYPE_CHECKING:
    from registry.graph import Data, PackageLineage, Place, Spoken
    from registry.package import Package


def show_package(config: Config, digest: str, head: Mapping[str, Any], *, as_json: bool) -> None:
    """Tell everything about a package, every byte of it verified.

    Args:
        config: the settings.
        digest: `sha256:…`, or as much of it as is unique.
        head: what is told before it: how one came to this package.
        as_json: one object, in place of text.

    Raises:
        NotFound: the store does not have it.
        PackageError: a byte of it is wrong.
    """
    from registry.stores import configured_store

    from .approvals_open import digest_of

    store = configured_store(config)
    package = store.pull(digest_of(store, digest))
    with open_lineage(config, packages=False) as lineage:
        found = lineage.about(package)
        refused = not_admitted(config, lineage, found.serves, [package])
    told = {**head, "package": _described(package)}
    if as_json:
        typer.echo(json_text({**told, "lineage": dict(package.lineage), **told_of(found, refused)}))
        return
    # Each on a line of its own, whatever the screen's width: digests are there to be copied.
    for name, value in flat(told):
        typer.echo(printable(f"{name:<32}  {value}"))
    print_lineage(found, refused)
    typer.echo("")
    for name, value in flat(package.lineage):
        typer.echo(printable(f"lineage {name:<24}  {value}"))


def _described(package: Package) -> dict[str, Any]:
    return {
        "digest": package.digest,
        "name": package.name,
        "model_type": package.model_type,
        "published": package.created,
        "bytes": package.size,
        "parts": {role: layer.digest for role, layer in package.parsed.roles.items()},
    }


def places_told(places: Iterable[Place], refused: Collection[Place] | None) -> list[dict[str, Any]]:
    """As JSON, each with whether it may answer there now; null: nobody knows."""
    from registry.graph import plain

    return [{**plain(each), "admitted": None if refused is None else each not in refused} for each in places]


def told_of(found: PackageLineage, refused: Collection[Place] | None = None) -> dict[str, Any]:
    """As JSON, beside what the package itself says."""
    from registry.graph import plain

    return {
        "people": list(found.people),
        "data": plain(found.data),
        "said": plain(found.said),
        "serves": places_told(found.serves, refused),
    }


def print_lineage(found: PackageLineage, refused: Collection[Place] | None = None) -> None:
    """People, data, where it serves, and what was said of it."""
    typer.echo(printable(f"{'people':<32}  {', '.join(found.people) or 'nobody is known'}"))
    for each in found.data:
        typer.echo(printable(f"{f'data {each.use.name}':<32}  {_data(each)}"))
    typer.echo(printable(f"{'serves':<32}  {places_text(found.serves, refused)}"))
    if not found.said:
        return
    typer.echo("")
    grid = table("logged", "offset", "said", "service", "by", "says")
    for spoken in found.said:
        style = "" if spoken.holds and spoken.void is None else "dim"
        grid.add_row(*(cell(text, style) for text in _spoken(spoken)))
    screen().print(grid)


def _data(each: Data) -> str:
    use, why = each.use, each.deprecated
    told = use.version if use.sha256 in (None, use.version) else f"{use.version} = {use.sha256}"
    told += f" ({use.source})" if use.checked else f" ({use.source}, not checked)"
    return told if why is None else f"{told} DEPRECATED by {why.person}: {why.reason}"


def places_text(places: Iterable[Place], refused: Collection[Place] | None = None) -> str:
    """Credit live 90%, cards canary 10%. `refused`: those of them where it may not answer; None: nobody knows."""
    told = (
        f"{each.service} {each.slot} {each.weight * 100:.4g}%{' (paused)' if each.paused else ''}"
        f"{' NOT ADMITTED' if each in (refused or ()) else ''}"
        for each in places
    )
    return ", ".join(told) or "nowhere"


def _spoken(each: Spoken) -> Iterator[str]:
    yield day(each.logged / 1000)
    yield str(each.offset)
    yield each.type
    yield each.service or ""
    by = each.person or f"key {each.author[:16]}…"
    yield {True: by, False: f"{by}: FORGED", None: f"{by}, unknown"}[each.holds]
    yield f"changes nothing: {each.void}" if each.void else says(each.type, each.says)


def says(type_: str, said: Mapping[str, Any]) -> str:
    """A predicate on one line."""
    match type_:
        case "gates":
            results = said.get("results")
            named = [
                each for each in (results if isinstance(results, list) else []) if isinstance(each, dict)
            ]
            failed = [str(each.get("name")) for each in named if each.get("verdict") != "passed"]
            return f"failed: {', '.join(failed)}" if failed else f"{len(named)} passed"
        case "deployment":
            return f"{said.get('action')}: {said.get('reason')}"
        case _:
            role, why = said.get("role"), said.get("rationale") or said.get("reason") or ""
            return f"{role}: {why}" if role else str(why)


def flat(content: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Names joined by spaces, and values; what nobody said is left out."""
    for name, value in content.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{name} ")
        elif value is not None:
            yield f"{prefix}{name}", value if isinstance(value, str) else json.dumps(value)
