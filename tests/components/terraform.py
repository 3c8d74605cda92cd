"""The Terraform module, as data and evaluated: there is no Terraform here to ask.

    module = Module.read()
    module.variables["kafka_partitions"]["default"]
    evaluate(arguments).locals["chart_values"]      # what the chart is given by a call

`python -m tests.components.terraform` writes the tables of its README.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from hcl2.api import loads

from tests.components.cache import cached
from tests.components.process import ComponentError

MODULE: Final = Path(__file__).parents[2] / "deploy" / "terraform"
EXAMPLE: Final = MODULE / "examples" / "eks"
README: Final = MODULE / "README.md"
_MARKS: Final = ("<!-- made of variables.tf: begin -->\n", "<!-- made of variables.tf: end -->\n")


@dataclass(frozen=True)
class Module:
    """Blocks by kind. `resources` are by `type.name`; `text` is all of it, without comments."""

    text: str
    variables: Mapping[str, Any]
    locals: Mapping[str, Any]
    resources: Mapping[str, Any]
    data: Mapping[str, Any]
    outputs: Mapping[str, Any]

    @classmethod
    def read(cls, folder: Path = MODULE) -> Self:
        """Every file of a folder. Raises hcl2's errors: one of them is no HCL."""
        texts = [file.read_text() for file in sorted(folder.glob("*.tf"))]
        parsed = [loads(text) for text in texts]

        def named(kind: str) -> dict[str, Any]:
            return {
                name: body for part in parsed for block in part.get(kind, ()) for name, body in block.items()
            }

        def typed(kind: str) -> dict[str, Any]:
            return {
                f"{of}.{name}": body
                for part in parsed
                for block in part.get(kind, ())
                for of, blocks in block.items()
                for name, body in blocks.items()
            }

        text = re.sub(r"^\s*#.*$", "", "\n".join(texts), flags=re.MULTILINE)
        return cls(
            text, named("variable"), named("locals"), typed("resource"), typed("data"), named("output")
        )


@dataclass(frozen=True)
class Evaluated:
    """What a call of the module comes to, by the library that Terraform reads its files with (hclcheck/)."""

    refused: tuple[str, ...]
    """Messages of validations that do not hold."""
    wrong: tuple[str, ...]
    """Expressions that cannot be evaluated."""
    locals: Mapping[str, Any]


def evaluate(arguments: Mapping[str, Any], folder: Path = MODULE) -> Evaluated:
    """Without providers: what only they know is a text.

    Raises:
        ComponentError: one of the files is no HCL, or a variable is not given.
    """
    program = cached("bin", "hclcheck", tool="hclcheck")
    done = subprocess.run(
        [str(program), str(folder)], input=json.dumps(arguments), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise ComponentError(done.stderr)
    found = json.loads(done.stdout)
    return Evaluated(tuple(found["refused"]), tuple(found["wrong"]), found["locals"])


def arguments(call: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """What a module's call gives, with files read; without `source`."""

    def read(value: Any) -> Any:
        if isinstance(value, list):
            return [read(each) for each in value]
        if isinstance(value, dict):
            return {name: read(each) for name, each in value.items()}
        if not isinstance(value, str):
            return value
        found = re.fullmatch(r'\$\{(trimspace\()?file\("([\w.]+)"\)\)?\}', value)
        if found is None:
            return value
        text = (folder / found[2]).read_text()
        return text.strip() if found[1] else text

    return {name: read(value) for name, value in call.items() if name != "source"}


def example() -> dict[str, Any]:
    """What the call in examples/eks gives."""
    (found,) = loads((EXAMPLE / "main.tf").read_text())["module"]
    return arguments(found["affiant"], EXAMPLE)


def readme(module: Module) -> str:
    """The README with its tables made anew."""
    before, rest = README.read_text().split(_MARKS[0])
    after = rest.split(_MARKS[1])[1]
    return f"{before}{_MARKS[0]}{''.join(_tables(module))}{_MARKS[1]}{after}"


def _tables(module: Module) -> Iterator[str]:
    yield "| variable | type | default | |\n|---|---|---|---|\n"
    for name, body in sorted(module.variables.items(), key=lambda each: ("default" in each[1], each[0])):
        default = _shown(body["default"]) if "default" in body else "required"
        yield f"| `{name}` | {_type(body['type'])} | {default} | {body['description']} |\n"
    yield "\n| output | |\n|---|---|\n"
    yield from (f"| `{name}` | {body['description']} |\n" for name, body in sorted(module.outputs.items()))


def _type(given: str) -> str:
    inner = re.sub(r"\$\{([^{}]*)\}", r"\1", given.removeprefix("${").removesuffix("}").replace('"', ""))
    return re.sub(r"object\(\{(.*)\}\)", r"{\1}", inner)


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return "<br>".join(f"{name}: {_shown(each)}" for name, each in value.items()) or "`{}`"
    return f"`{value}`".lower() if isinstance(value, bool) else f"`{value}`" if value != "" else '`""`'


if __name__ == "__main__":
    README.write_text(readme(Module.read()))
