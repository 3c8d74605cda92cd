"""The environment variables that the page of settings has: all that the code reads, and no name that is nearly one."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.environment import VARIABLES, mistaken
from cli.main import run

ROOT = Path(__file__).resolve().parents[3]
ROOMS = ("audit", "registry", "service", "monitoring", "cli")
LIBRARIES = {
    "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_ENDPOINT_URL",
    "AWS_ALLOW_HTTP", "AWS_VIRTUAL_HOSTED_STYLE_REQUEST", "SSL_CERT_FILE",
}  # fmt: skip
"""Read by obstore and OpenSSL (tests/integration/test_tls_stores.py, tests/components/s3.py)."""
CHOSEN = ("registry/approvals/webhook.py", "variable")
"""Where a setting names the variable."""


def read() -> Iterator[tuple[str, str]]:
    """(file, what is asked of the environment): a name, or the expression where it is none that stands there."""
    for path in sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py")):
        tree = ast.parse(path.read_text())
        constants = dict(named(tree))
        for node in ast.walk(tree):
            for key in asked(node):
                file, word = str(path.relative_to(ROOT)), ast.unparse(key)
                names = [key.value] if isinstance(key, ast.Constant) else constants.get(word, [word])
                yield from ((file, str(name)) for name in names)


def named(tree: ast.Module) -> Iterator[tuple[str, list[str]]]:
    """A constant of the module, or the name of a loop over words that stand there, with its values."""
    for node in ast.walk(tree):
        match node:
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.Constant(value=str(value))):
                yield name, [value]
            case ast.For(target=ast.Name(id=name), iter=ast.Tuple(elts=words)):
                yield name, [str(word.value) for word in words if isinstance(word, ast.Constant)]


def asked(node: ast.AST) -> Iterator[ast.expr]:
    """The key, where a node asks the environment."""
    environments = {"os.environ", "environment"}
    match node:
        case ast.Call(func=ast.Attribute(value=value, attr="get"), args=[key, *_]):
            if ast.unparse(value) in environments:
                yield key
        case ast.Call(func=ast.Attribute(attr="getenv"), args=[key, *_]):
            yield key
        case ast.Subscript(value=value, slice=key, ctx=ast.Load()):
            if ast.unparse(value) in environments:
                yield key


def test_every_variable_that_is_read_is_on_the_page() -> None:
    """And none that nobody reads."""
    found = set(read())
    assert CHOSEN in found
    names = {name for _, name in found - {CHOSEN}}
    assert all(re.fullmatch("[A-Z][A-Z0-9_]+", name) for name in names), names
    told = [name for each in VARIABLES for name in each.names]
    assert len(told) == len(set(told))
    assert names | LIBRARIES == set(told)
    page = (ROOT / "docs" / "settings.md").read_text().partition("## Environment variables")[2]
    assert all(f"`{name}`" in page for name in told)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("AFFIANT_CONFG", "AFFIANT_CONFIG"),
        ("AFFIANT_CONFIG_FILE", "AFFIANT_CONFIG"),
        ("AFFIANT_PASSPHRASE", "AFFIANT_KEY_PASSPHRASE"),
        ("AFFIANT_STORE_USER", "AFFIANT_STORE_USERNAME"),
    ],
)
def test_a_name_that_is_nearly_one_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, meant: str
) -> None:
    """Once, on the error output, and the command goes on; by `affiant up` and not by each of its components."""
    monkeypatch.setenv(name, "of somebody")
    with pytest.raises(SystemExit) as end:
        run(["--version"])
    assert end.value.code == 0
    told = capsys.readouterr()
    assert told.err == f"affiant: the environment's {name} is not read; did you mean {meant}?\n"
    assert told.out.startswith("affiant ")
    monkeypatch.setenv("AFFIANT_SUPERVISED", "1")
    with pytest.raises(SystemExit):
        run(["--version"])
    assert capsys.readouterr().err == ""


def test_others_names_are_left_alone() -> None:
    """What is read, what Kubernetes makes of a service, and what pipelines, scripts and tests of this project set."""
    folders = ("docs", "examples", "deploy", "scripts", "tests", "bench")
    files = [path for folder in folders for path in (ROOT / folder).rglob("*")]
    text = "".join(
        path.read_text(errors="ignore") for path in files if path.is_file() and path != Path(__file__)
    )
    used = set(re.findall(r"\bAFFIANT_[A-Z0-9_]*[A-Z0-9]\b", text))
    assert {"AFFIANT_CACHE", "AFFIANT_FAULT_LONG", "AFFIANT_TEST_PROCESS"} <= used
    ports = {
        f"AFFIANT_{part}_{what}"
        for part in ("NOTARY", "CONTROLLER")
        for what in ("SERVICE_HOST", "PORT_1_TCP")
    }
    assert mistaken(dict.fromkeys(used | ports, "")) == []
