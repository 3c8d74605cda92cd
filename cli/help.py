"""Help texts, as wide as the screen: what a docstring breaks for its file is one paragraph on a terminal."""

from __future__ import annotations

from typing import Any

from rich.markup import escape


def flowing(command: Any) -> Any:
    r"""The command, and those below it, with paragraphs in place of lines; a blank line still ends one.

    Rich keeps the line ends of every paragraph but the first, so that on a narrow screen each second line would be
    a word or two; and it takes [log] for a style, and away. A paragraph that begins with \b is left as it is, as
    click has it.
    """
    if command.help:
        command.help = "\n\n".join(
            paragraph if paragraph.startswith("\b") else escape(" ".join(paragraph.split()))
            for paragraph in command.help.split("\n\n")
        )
    for parameter in getattr(command, "params", ()):
        if getattr(parameter, "help", None):
            parameter.help = escape(parameter.help)
    for child in getattr(command, "commands", {}).values():
        flowing(child)
    return command
