"""What README.md tells a newcomer to type works as it stands there."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from pathlib import Path

import pytest

from tests.components.ports import free_port
from tests.components.process import Process

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
LINK = re.compile(r"\[[^\]]*\]\(([^)#:]+)(?:#[^)]*)?\)")
TYPED = re.compile(r"`(affiant(?: [a-z][a-z-]*)+)")


def snippet(name: str) -> str:
    """The shell lines marked `<!-- run: NAME -->`."""
    found = re.search(rf"<!-- run: {name} -->\n```sh\n(.*?)```", README, re.DOTALL)
    assert found, name
    return found[1]


def documents() -> list[Path]:
    """README and every page of docs."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("page", documents(), ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    """A relative link names a file that is there."""
    broken = [link for link in LINK.findall(page.read_text()) if not (page.parent / link).exists()]
    assert broken == []


@pytest.mark.parametrize("page", documents(), ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_that_are_named_exist(page: Path) -> None:
    """`affiant …` in a page is a command, or the group of one, that the program has."""
    import typer

    from cli.main import GROUPS, app

    root = typer.main.get_command(app)
    unknown = []
    for text in TYPED.findall(page.read_text()):
        _, first, *rest = text.split()
        if first not in GROUPS:
            unknown.append(text)
            continue
        commands = getattr(root.get_command(None, first), "commands", None)
        if commands is not None and rest and rest[0] not in commands:
            unknown.append(text)
    assert unknown == []


def test_the_make_targets_exist() -> None:
    """The two commands of the README are targets of the Makefile."""
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^    make ([a-z-]+)", README, re.MULTILINE))
    assert {"demo", "test"} <= targets
    assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in targets)


def test_every_page_is_in_the_index() -> None:
    """docs/index.md leads to each page."""
    index = (ROOT / "docs" / "index.md").read_text()
    decisions = (ROOT / "docs" / "adr" / "README.md").read_text()
    absent = [page.name for page in (ROOT / "docs").glob("*.md") if page.name not in index + "index.md"]
    absent += [page.name for page in (ROOT / "docs" / "adr").glob("0*.md") if page.name not in decisions]
    assert absent == []


@pytest.mark.slow
def test_serving_ones_own_model_works_as_written(tmp_path: Path) -> None:
    """The five commands, and then the three, on a model that was trained here."""
    sys.path.insert(0, str(ROOT / "examples" / "credit"))
    try:
        from train import DATA, features, read_table, train_xgboost
    finally:
        sys.path.pop(0)
    trained = train_xgboost(read_table(DATA), 7, lambda _: None)
    (tmp_path / "credit.ubj").write_bytes(trained.published.package.model)
    shutil.copy(DATA, tmp_path)
    rows = json.loads(features(read_table(DATA)).head(2).to_json(orient="records"))
    (tmp_path / "row.json").write_text(json.dumps({"instances": rows}))
    port, sidecar, notary = free_port(), free_port(), free_port()
    # The ports of the defaults may be taken here.
    edits = f"s/^# port = 3000/port = {port}/; s/^# metrics_port = 9464/metrics_port = {sidecar}/"
    edits += f"; s/^# metrics_port = 9465/metrics_port = {notary}/"
    moved = f"sed -i '{edits}' affiant.toml"
    serve = snippet("serve").replace("cd shop\n", f"cd shop\n{moved}\n")
    path = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    up = Process(["bash", "-euo", "pipefail", "-c", serve], log=tmp_path / "up.txt", env=path, cwd=tmp_path)
    with up:
        up.wait_for_log("│ ready; ", deadline_s=90)
        ask = snippet("ask").replace(":3000/", f":{port}/")
        asked = Process(
            ["bash", "-euo", "pipefail", "-c", ask], log=tmp_path / "ask.txt", env=path, cwd=tmp_path / "shop"
        )
        with asked:
            code = asked.wait(deadline_s=60)
        text = asked.log_text()
    assert code == 0, text
    assert re.search(r"(?i)^affiant-record: [0-9a-f]{32}-\d+", text, re.MULTILINE)
    assert "predictions" in text
    assert "nothing is wrong" in text
