"""Commands that the documents name: each is there, has the options that it is given, and takes as many words."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer

from cli.main import GROUPS, app

ROOT = Path(__file__).parents[2]
DOCS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "deploy").rglob("*.md"))]
RUNBOOKS = sorted((ROOT / "docs" / "runbooks").glob("*.md"))
LEFT_OUT = "…"
_Usage: Any = typer.BadParameter.__base__
"""click's error of a wrong usage, be it click's own or that within typer."""


@cache
def root() -> Any:
    """The command itself."""
    return typer.main.get_command(app)


def commands_of(text: str) -> Iterator[str]:
    """What follows `affiant` in a document: within a line, or as a line of its own."""
    yield from re.findall(r"`affiant\s([^`]+)`", text)
    blocks = [*re.findall(r"^```\w*\n(.*?)^```", text, re.MULTILINE | re.DOTALL), *_indented(text)]
    for block in blocks:
        for line in re.sub(r"\\\n\s*", " ", block).splitlines():
            if (found := re.match(r"\s*(?:\$ )?affiant (.+)", line)) is not None:
                yield found[1]


def _indented(text: str) -> list[str]:
    return re.findall(r"(?:^ {4}.*\n)+", text, re.MULTILINE)


def words_of(text: str) -> list[str]:
    """Up to a pipe, a redirection, a comment, or what stands beside it in a table."""
    read = shlex.shlex(re.split(r" {3,}", text)[0], posix=True, punctuation_chars="|&;<>()")
    read.whitespace_split = True
    found = []
    for word in read:
        if word[0] in "|&;<>()":
            break
        found.append(word)
    return found


def wrong(text: str, *, whole: bool = False) -> str | None:
    """What is wrong with a command; None: nothing. `whole`: with a word after its name it has all that it must."""
    words, command = words_of(text), root()
    context, named = typer.Context(command), False
    while hasattr(command, "get_command") and command.list_commands(context):
        if not words or words[0] == LEFT_OUT:
            return None if named or words else "no command"
        if words[0].startswith("-"):
            break  # a command that has others below it, and does something itself
        if (found := command.get_command(context, words[0])) is None:
            return f"no command {words[0]}"
        context, command, named = typer.Context(found, parent=context), found, True
        words = words[1:]
    return _given_wrongly(command, context, words, whole=whole and LEFT_OUT not in words)


def _given_wrongly(command: Any, context: Any, words: list[str], *, whole: bool) -> str | None:
    try:
        options, left, _ = command.make_parser(context).parse_args(list(words))
    except _Usage as error:
        # An option that is only named, without its value, is fine.
        return None if type(error).__name__ == "BadOptionUsage" else str(error.message)
    if left := [each for each in left if each != LEFT_OUT]:
        return f"{' '.join(left)}: too many"
    if not whole or not words or "--help" in words:
        return None
    missing = [each for each in command.params if each.param_type_name == "argument" and each.required]
    return next((f"no {each.name}" for each in missing if options.get(each.name) is None), None)


@pytest.mark.parametrize("path", DOCS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_document_names_commands_and_options_that_there_are(path: Path) -> None:
    """Whoever types what stands there is not told of a wrong usage."""
    found = {each: wrong(each) for each in commands_of(path.read_text())}
    assert {each: why for each, why in found.items() if why is not None} == {}


@pytest.mark.parametrize("path", RUNBOOKS, ids=lambda path: path.stem)
def test_a_runbook_s_commands_are_whole(path: Path) -> None:
    """At night nobody looks for what a command wants besides."""
    found = {each: wrong(each, whole=True) for each in commands_of(path.read_text())}
    assert {each: why for each, why in found.items() if why is not None} == {}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("drift status SERVICE", "SERVICE: too many"),
        ("drift status --service SERVICE", None),
        ("drift status --slot live", "No such option: --slot"),
        ("drift stat", "no command stat"),
        ("history", None),
        ("approve --role ROLE", "no digest"),
        ("approve DIGEST --role ROLE > said.txt   # in a file", None),
    ],
)
def test_what_is_wrong_is_found(text: str, why: str | None) -> None:
    """Words in capitals, too: they stand for somebody's own."""
    assert wrong(text, whole=True) == why


WITHOUT_JSON = {
    ("card", "template"): "what it prints is a file, documents.yaml",
    ("card", "schema"): "what it prints is a file, and JSON",
    ("policy", "schema"): "what it prints is a file, and JSON",
}
"""Of the governed registry: the command, and why it needs no --json."""


def leaves(command: Any, name: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """A command that does something, or each of those below it."""
    if not hasattr(command, "get_command"):
        yield name, command
        return
    context = typer.Context(command)
    for each in command.list_commands(context):
        yield from leaves(command.get_command(context, each), (*name, each))


def registry_commands() -> dict[tuple[str, ...], Any]:
    """Those that a machine with the extra `registry` has, and `lineage`, which the auditor's brings."""
    names = [name for name, group in GROUPS.items() if group.extra == "registry" or name == "lineage"]
    return dict(
        each for name in names for each in leaves(root().get_command(typer.Context(root()), name), (name,))
    )


def test_every_step_of_the_registry_ends_in_json_where_it_is_asked_for() -> None:
    """A pipeline reads what each says; the others, and no more, stand in the table with their reasons."""
    found = registry_commands()
    without = {
        name for name, command in found.items() if not any("--json" in each.opts for each in command.params)
    }
    assert without == set(WITHOUT_JSON)
    assert len(found) > 40


@pytest.mark.parametrize("name", registry_commands(), ids=" ".join)
def test_every_step_of_the_registry_says_how_it_ends(name: tuple[str, ...]) -> None:
    """Its help has the exit codes, and an example that is a command."""
    told = registry_commands()[name].help
    assert re.search(r"Exit codes?: (0 |0\.|as of `)", told), told
    example = re.search(r"Example: affiant (.+)", " ".join(told.split()))
    assert example is not None, told
    assert wrong(example[1], whole=True) is None


def test_documents_have_commands() -> None:
    """Else the tests above would look at nothing."""
    assert sum(len([*commands_of(path.read_text())]) for path in DOCS) > 400
