"""The rooms' walls, where import-linter cannot see them, and what nothing committed may hold."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
# What the verifier's own small wheel may depend on (docs/dependencies.md).
VERIFIER_MAY_USE = {"cbor2", "cryptography", "google_crc32c"}


def _tracked(*patterns: str) -> list[Path]:
    """Files that git knows, or would know at the next `git add`."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *patterns],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return [path for name in listed.split("\0") if name and (path := ROOT / name).is_file()]


def _imports(path: Path) -> Iterator[tuple[int, str, int]]:
    """Each import of a file as (level, module, line); level 0 is absolute."""
    for node in ast.walk(ast.parse(path.read_text(), filename=str(path))):
        if isinstance(node, ast.Import):
            for name in node.names:
                yield 0, name.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            yield node.level, node.module or "", node.lineno


def test_the_verifier_imports_only_itself_and_a_few_libraries() -> None:
    """audit/proof/ uses relative imports that stay inside it, so it also builds as a wheel of its own."""
    proof = ROOT / "audit" / "proof"
    files = sorted(proof.rglob("*.py"))
    assert files
    for path in files:
        depth = len(path.relative_to(proof).parts)
        for level, module, line in _imports(path):
            where = f"{path.relative_to(ROOT)}:{line}"
            if level:
                assert level <= depth, f"{where}: leaves audit/proof"
            else:
                top = module.partition(".")[0]
                assert top in sys.stdlib_module_names | VERIFIER_MAY_USE, f"{where}: imports {module}"


def test_the_verifier_does_no_input_or_output() -> None:
    """audit/proof/ is pure: it opens no file and no connection, reads no clock and no environment.

    Its command reads the files that it is given, by `regular`; nothing else in it imports either.
    """
    reading = {"command", "regular"}
    # io is allowed: BytesIO is memory.
    banned = {"os", "pathlib", "socket", "ssl", "subprocess", "time", "random", "asyncio", "urllib", "http"}
    for path in sorted((ROOT / "audit" / "proof").rglob("*.py")):
        where = path.relative_to(ROOT)
        for level, module, line in _imports(path):
            assert module != "command", f"{where}:{line}: imports the command"
            if path.stem not in reading:
                assert module != "regular", f"{where}:{line}: reads files"
                assert level or module.partition(".")[0] not in banned, f"{where}:{line}: {module}"
        for node in ast.walk(ast.parse(path.read_text())):
            opens = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "open"
            assert not opens, f"{where} opens a file"


def test_the_detectors_compute_and_do_nothing_else() -> None:
    """monitoring/detect/ is pure: it imports what computes, the reference and its errors, and calls nothing that reads.

    What it is told of time is handed in; so whoever has the counts gets the same figures, years later too.
    """
    may = {
        "__future__", "collections.abc", "dataclasses", "math", "typing", "numpy", "numpy.typing",
        "monitoring.errors", "registry.reference",
    }  # fmt: skip
    # numpy has files and randomness of its own.
    banned = {"open", "print", "input", "random", "fromfile", "tofile", "load", "save", "savez", "memmap"}
    detect = ROOT / "monitoring" / "detect"
    files = sorted(detect.rglob("*.py"))
    assert len(files) > 10
    for path in files:
        where = path.relative_to(ROOT)
        depth = len(path.relative_to(detect).parts)
        for level, module, line in _imports(path):
            assert level <= depth, f"{where}:{line}: leaves monitoring/detect"
            assert level or module in may, f"{where}:{line}: imports {module}"
        for node in ast.walk(ast.parse(path.read_text())):
            named = node.id if isinstance(node, ast.Name) else getattr(node, "attr", "")
            assert named not in banned, f"{where}:{getattr(node, 'lineno', 0)}: {named}"


@pytest.mark.parametrize("room", ["service", "audit", "registry", "monitoring", "cli"])
def test_no_room_loads_a_pickle(room: str) -> None:
    """Nothing in the product imports a module that runs code from data."""
    banned = {"pickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"}
    for path in sorted((ROOT / room).rglob("*.py")):
        for level, module, line in _imports(path):
            assert level or module.partition(".")[0] not in banned, (
                f"{path.relative_to(ROOT)}:{line}: {module}"
            )


@pytest.mark.parametrize("room", ["service", "audit", "registry", "monitoring", "cli"])
def test_a_client_of_kafka_is_opened_in_one_way(room: str) -> None:
    """By `opened` alone: one that is made by itself leaves a thread behind where no broker answers."""
    clients = {"KafkaAdminClient", "KafkaConsumer", "KafkaProducer"}
    for path in sorted((ROOT / room).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            made = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in clients
            assert not made, f"{path.relative_to(ROOT)}:{node.lineno}: see audit/log/kafka_connection.py"


@pytest.mark.parametrize("room", ["service", "audit", "registry", "monitoring", "cli"])
def test_what_a_room_imports_is_declared(room: str) -> None:
    """A library that a room imports is asked for in pyproject.toml, not only by another library."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    texts = [
        *project["dependencies"],
        *(t for extra in project["optional-dependencies"].values() for t in extra),
    ]
    declared = {canonicalize_name(Requirement(text).name) for text in texts}
    providers = metadata.packages_distributions()
    ours = {"service", "audit", "registry", "monitoring", "cli"} | set(sys.stdlib_module_names)
    for path in sorted((ROOT / room).rglob("*.py")):
        for level, module, line in _imports(path):
            top = module.partition(".")[0]
            if level or top in ours:
                continue
            found = {canonicalize_name(name) for name in providers.get(top, [])}
            assert found & declared, (
                f"{path.relative_to(ROOT)}:{line}: {module} ({sorted(found)}); then `make lock`"
            )


def test_every_package_is_typed_and_described() -> None:
    """Each room has its py.typed, and each package says in a sentence what it is."""
    for room in ["service", "audit", "registry", "monitoring", "cli"]:
        assert (ROOT / room / "py.typed").is_file()
        for path in sorted((ROOT / room).rglob("__init__.py")):
            assert ast.get_docstring(ast.parse(path.read_text())), path.relative_to(ROOT)


def test_what_demos_leave_behind_is_never_committed() -> None:
    """Keys and logs: a tree in which a demo has run is as clean as it was."""
    places = [
        path.parent.relative_to(ROOT) / name
        for path in (ROOT / "examples").rglob("*.py")
        for name in re.findall(r'"--directory", type=Path, default=HERE / "([^"]+)"', path.read_text())
    ]
    assert len(places) >= 3
    for place in places:
        done = subprocess.run(["git", "check-ignore", "--quiet", f"{place}/"], cwd=ROOT, check=False)
        assert done.returncode == 0, f"{place} is not in .gitignore"


def test_nothing_committed_names_a_machine_or_an_index() -> None:
    """No absolute path of the machine it was written on, and no package index's address."""
    # Put together here so that this file does not hold what it looks for.
    hosts = [
        "files.python" + "hosted.org", "py" + "pi.org", "proxy.go" + "lang.org", "registry.np" + "mjs.org",
        "repo1.mav" + "en.org", "repo.mav" + "en.apache.org",
    ]  # fmt: skip
    places = [r"/ro" + r"ot/", r"/ho" + r"me/[a-z]", r"/wo" + r"rk/(?:main|shared)", r"\.\./sha" + r"red"]
    banned = re.compile("|".join([*map(re.escape, hosts), *places]))
    for path in _tracked():
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue  # golden bytes and models: data, not text
        found = banned.search(text)
        assert found is None, f"{path.relative_to(ROOT)} names {found[0] if found else ''}"


def test_what_must_not_be_committed_is_ignored() -> None:
    """uv.lock (it names an index) and what runs leave behind are not tracked."""
    tracked = {str(path.relative_to(ROOT)) for path in _tracked()}
    assert "uv.lock" not in tracked
    assert not [name for name in tracked if re.search(r"(^|/)(\.venv|__pycache__|\.mypy_cache)/", name)]
