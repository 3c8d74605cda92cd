"""The settings file: written, checked, shown and documented from one source, the settings models."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from audit.config import TABLES as KNOWN
from audit.config import load
from cli.main import run
from cli.tables import (
    READ,
    TABLES,
    commented_toml,
    markdown,
    problems,
    settings_of,
    shown,
    toml_value,
    type_name,
)

DIGEST = "sha256:" + "0" * 64
ROOT = Path(__file__).resolve().parents[3]


def write(directory: Path, text: str) -> Path:
    """A settings file."""
    path = directory / "affiant.toml"
    path.write_text(text)
    return path


def affiant(*arguments: object) -> int:
    """Run the command in this process; returns its exit code."""
    with pytest.raises(SystemExit) as end:
        run([str(argument) for argument in arguments])
    assert isinstance(end.value.code, int)
    return end.value.code


def test_the_tables_are_those_that_the_reader_knows() -> None:
    """A table that the file reader accepts has a model, and the other way round."""
    assert {table.name for table in READ} == set(KNOWN)


def test_every_setting_is_documented() -> None:
    """Each table and each key says what it does."""
    silent = [
        f"{table.heading} {setting.key}"
        for table in TABLES
        for setting in settings_of(table.model)
        if not setting.about
    ]
    assert silent == []
    assert all(table.about for table in TABLES)


def test_init_writes_a_file_that_is_right_and_complete(tmp_path: Path) -> None:
    """Every setting stands in it, it passes its own check, and it gives the defaults."""
    assert affiant("init", tmp_path / "new") == 0
    path = tmp_path / "new" / "affiant.toml"
    assert problems(load(path)) == []
    text = path.read_text()
    assert all(f"{setting.key} = " in text for table in TABLES for setting in settings_of(table.model))


def test_what_init_comments_out_can_be_uncommented(tmp_path: Path) -> None:
    """Each commented default is TOML, and setting it changes nothing."""
    given = {
        f"# {setting.key} = {setting.default}"
        for table in TABLES
        for setting in settings_of(table.model)
        if setting.default and not table.repeated
    }
    lines = [line.removeprefix("# ") if line in given else line for line in commented_toml().splitlines()]
    text = "\n".join(lines)
    assert "\nmax_rows = " in text
    defaults = shown(load(write(tmp_path, "")))
    path = write(tmp_path, text)
    assert problems(load(path)) == []
    assert shown(load(path))["tables"] == defaults["tables"]


def test_init_never_overwrites(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file with somebody's settings stays as it is."""
    path = write(tmp_path, "# mine\n")
    assert affiant("init", tmp_path) == 2
    assert "not overwritten" in capsys.readouterr().err
    assert path.read_text() == "# mine\n"


def test_check_names_every_problem_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two tables are wrong: both are told, with the nearest right word, and the exit code is 2."""
    path = write(tmp_path, '[gateway]\nprot = 1\n[store]\nbackend = "oci"\n')
    assert affiant("config", "check", "--config", path) == 2
    err = capsys.readouterr().err
    assert "unknown setting 'prot'; did you mean 'port'?" in err
    assert 'needs reference = "registry/repository"' in err


def test_a_table_that_nobody_reads_is_one_problem_beside_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two of them, and a setting that nobody reads in a table that somebody does; other commands name both tables."""
    path = write(tmp_path, "[sidecr]\n[journal]\nmax_byte = 1\n[gatway]\n")
    assert affiant("config", "check", "--json", "--config", path) == 2
    found = json.loads(capsys.readouterr().out)["problems"]
    wanted = ("[sidecr]; did you mean 'sidecar'?", "[gatway]; did", "unknown setting 'max_byte'; did")
    assert len(found) == 3
    assert all(words in problem for words, problem in zip(wanted, found, strict=True))
    assert affiant("config", "show", "--config", path) == 2
    said = capsys.readouterr().err
    assert "[sidecr]" in said
    assert "[gatway]" in said


def test_an_unknown_table_is_refused_with_a_suggestion(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A misspelt table would otherwise be silently without effect."""
    path = write(tmp_path, "[gatway]\n")
    assert affiant("config", "check", "--config", path) == 2
    assert "did you mean 'gateway'?" in capsys.readouterr().err


def test_check_says_what_each_component_would_use(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Paths are absolute, from the file on; what is not there yet is said; no password is shown; nothing is made."""
    path = write(
        tmp_path,
        '[data]\ndirectory = "d"\n[gateway]\nworkers = 2\nkeys_file = "keys.json"\n[store]\nbackend = "mlflow"\n'
        'tracking_uri = "http://me:secret@mlflow.test/x"\n[telemetry]\notlp_endpoint = "http://a:secret@c.test/v1"\n'
        '[encryption]\nkeys_file = "payload-keys.json"\n[monitor]\npeople_webhook_file = "people"\n'
        '[notary]\nsigner_command = ["/usr/bin/kms-sign", "--key", "secret-name"]\n',
    )
    (tmp_path / "keys.json").write_text("{}")
    assert affiant("config", "check", "--json", "--config", path) == 0
    out = capsys.readouterr().out
    assert "secret" not in out
    told = json.loads(out)
    assert (told["right"], told["problems"], told["file"]) == (True, [], str(path))
    used = {(use["component"], use["what"], use["where"]): use["there"] for use in told["uses"]}
    assert used["gateway", "journal", str(tmp_path / "d/journals/1")] is False
    assert used["gateway", "API keys", str(tmp_path / "keys.json")] is True
    for component in ("gateway", "monitor", "controller"):
        assert used[component, "payload keys", str(tmp_path / "payload-keys.json")] is False
    assert used["gateway", "packages", "http://mlflow.test/x (mlflow)"] is None
    assert used["sidecar", "ships to", str(tmp_path / "d/log")] is False
    assert used["notary", "trees and archive", str(tmp_path / "d/sealed")] is False
    assert used["notary", "signs by", "/usr/bin/kms-sign"] is None
    assert ("notary", "key") not in {(component, what) for component, what, _ in used}
    assert used["monitor", "people are told at", str(tmp_path / "people")] is False
    assert {use["component"] for use in told["uses"]} == {
        "gateway",
        "sidecar",
        "notary",
        "monitor",
        "controller",
    }
    assert sorted(each.name for each in tmp_path.iterdir()) == ["affiant.toml", "keys.json"]
    assert affiant("config", "check", "--config", path) == 0
    assert f"{tmp_path}/d/log-governance" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[sidecar]\nobject_store = "objects"\n', "is no URL"),
        ('[notary]\nstore = "ftp://x/y"\n', "of a kind that is not supported"),
        ('[[notary.witnesses]]\nurl = "http://w"\nkey = "x"\n', "[[notary.witnesses]] http://w"),
    ],
)
def test_check_finds_what_a_component_would_refuse(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, told: str
) -> None:
    """Tables that are right alone, and whose component would not start; in JSON, too, with the same exit code."""
    assert affiant("config", "check", "--json", "--config", write(tmp_path, text)) == 2
    content = json.loads(capsys.readouterr().out)
    assert (content["right"], content["uses"]) == (False, [])
    (problem,) = content["problems"]
    assert told in problem


@pytest.mark.parametrize(
    ("plan", "told"),
    [
        ('[[plan]]\nservice = "credit"\ndigest = "latest"\n', "digest"),
        (f'[[plan]]\nservice = "credit"\ndigest = "{DIGEST}"\nslot = "canary"\n', "exactly one live"),
        ("[plan]\n", "[[plan]]"),
    ],
)
def test_a_wrong_plan_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], plan: str, told: str
) -> None:
    """A name in place of a digest, a service without a live package, a table in place of a list."""
    assert affiant("config", "check", "--config", write(tmp_path, plan)) == 2
    assert told in capsys.readouterr().err


def test_show_gives_every_setting_in_force(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As JSON for scripts, defaults included."""
    path = write(tmp_path, f'[gateway]\nport = 4000\n[[plan]]\nservice = "credit"\ndigest = "{DIGEST}"\n')
    assert affiant("config", "show", "--json", "--config", path) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["file"] == str(path)
    assert content["tables"]["gateway"]["port"] == 4000
    assert content["tables"]["gateway"]["workers"] == 1
    assert content["tables"]["plan"][0]["digest"] == DIGEST
    assert affiant("config", "show", "--config", path) == 0
    assert "port = 4000" in capsys.readouterr().out


def test_the_settings_page_is_what_the_models_say() -> None:
    """docs/settings.md is made by `affiant config docs`."""
    assert (ROOT / "docs" / "settings.md").read_text() == markdown()


def test_values_are_written_as_toml() -> None:
    """What is written is read back as the same value."""
    values = {"a": True, "b": 1.5, "c": [1, 2], "d": 'quo"te\n', "e": Path("x/y"), "f": {"k": "v"}}
    text = "\n".join(f"{key} = {toml_value(value)}" for key, value in values.items())
    assert tomllib.loads(text) == {**values, "e": "x/y"}


def test_types_are_told_in_words() -> None:
    """Nobody has to read Python to set a value."""
    assert type_name(int | None) == "integer"
    assert type_name(tuple[str, ...]) == "list of text"
    assert type_name(dict[str, str]) == "table"
