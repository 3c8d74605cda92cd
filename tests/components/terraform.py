"""The Terraform module as data: there is no Terraform here to ask.

    module = Module.read()
    module.variables["kafka_partitions"]["default"]
    module.chart_values(arguments)      # what the chart is given, with a call's arguments filled in

`python -m tests.components.terraform` writes the tables of its README.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from hcl2.api import loads

MODULE: Final = Path(__file__).parents[2] / "deploy" / "terraform"
EXAMPLE: Final = MODULE / "examples" / "eks"
README: Final = MODULE / "README.md"
_WHOLE: Final = re.compile(r"\$\{([^{}]+)\}")
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

    def chart_values(self, arguments: Mapping[str, Any]) -> Any:
        """The chart's values. Raises KeyError: an expression that is more than a reference or a literal."""
        given = {name: body["default"] for name, body in self.variables.items() if "default" in body}
        return self._filled(self.locals["chart_values"], {**given, **arguments})

    def _filled(self, node: Any, given: Mapping[str, Any]) -> Any:
        if isinstance(node, dict):
            return {name.strip('"'): self._filled(value, given) for name, value in node.items()}
        if isinstance(node, list):
            return [self._filled(each, given) for each in node]
        if not isinstance(node, str):
            return node
        if (found := _WHOLE.fullmatch(node)) is not None:
            return self._value(found[1], given)
        return _WHOLE.sub(lambda each: str(self._value(each[1], given)), node)

    def _value(self, expression: str, given: Mapping[str, Any]) -> Any:
        """Of `var.a.b`, `local.a.b`, a topic's name, or a role's ARN."""
        root, _, rest = expression.partition(".")
        if root == "kafka_topic":
            name, _, attribute = rest.partition(".")
            assert attribute == "name"
            return self._filled(self.resources[f"kafka_topic.{name}"]["name"], given)
        if root == "aws_iam_role":
            component = re.fullmatch(r'this\["(\w+)"\]\.arn', rest)
            assert component is not None, expression
            return f"arn:aws:iam::111122223333:role/{component[1]}"
        value: Any = {"var": given, "local": self.locals}[root]
        for name in rest.split("."):
            value = value[name]
        return self._filled(value, given)


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
    inner = _WHOLE.sub(r"\1", given).removeprefix("${").removesuffix("}").replace('"', "")
    return re.sub(r"object\(\{(.*)\}\)", r"{\1}", inner)


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return "<br>".join(f"{name}: {_shown(each)}" for name, each in value.items()) or "`{}`"
    return f"`{value}`".lower() if isinstance(value, bool) else f"`{value}`" if value != "" else '`""`'


if __name__ == "__main__":
    README.write_text(readme(Module.read()))
