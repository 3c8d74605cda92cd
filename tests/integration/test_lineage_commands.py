"""`affiant lineage`, `affiant data` and `affiant audit trace`: a real gateway's answers, sealed, under a root."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from audit.config import load
from audit.log import configured_log
from registry.lineage import DataSet
from registry.package import Package
from tests.components.approvals import Done
from tests.components.approvals import affiant as call
from tests.components.gateway import JSON, Site, ask, open_gateway
from tests.components.lineage import LineageSite, package_of
from tests.components.replays import ship
from tests.components.sealer import NAME, Sealer

ANSWERED = 5
MD5, OTHER, SHA = "md5:" + "1" * 32, "md5:" + "2" * 32, "b" * 64
ROWS = DataSet("rows.csv", MD5, "dvc", True, SHA, 10, "rows.csv.dvc")
ESCAPE = "\x1b]0;owned\x07"

Run = Callable[..., Done]


@dataclass
class Recorded:
    site: Site
    live: Package
    canary: Package
    records: list[str]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    """Answers of a gateway, sealed; and what people said of the package that gave them."""
    directory = tmp_path_factory.mktemp("lineage") / "site"
    site = Site(directory, tables={"notary": {"name": NAME}})
    directory.mkdir()
    live = package_of(
        "numbers", (ROWS,), actor=json.dumps("zoe"), git=json.dumps({"commit": "c" * 40, "dirty": True})
    )
    canary = package_of(
        "other", (DataSet(f"{ESCAPE}more", OTHER, "dvc", False),), actor=json.dumps(f"{ESCAPE}zed")
    )
    site.serve("numbers", live)
    records: list[str] = []

    async def epoch() -> None:
        async with open_gateway(site) as front:
            for number in range(ANSWERED):
                body = json.dumps({"instances": [[float(number), 2.0, 3.0]]}).encode()
                answer = await ask(front, "/v1/models/numbers:predict", body, headers=JSON)
                records.append(answer.headers["affiant-record"])
            refused = await ask(front, "/v1/models/numbers:predict", b'{"instances": [["x"]]}', headers=JSON)
            assert refused.status >= 400

    asyncio.run(epoch())
    ship(site)
    config = load(site.config)
    sealer = Sealer(configured_log(config), config.data)
    (directory / "notary.pub").write_text(sealer.public_key.read_text())
    sealer.seal()
    said = LineageSite(config.data, "log-governance", "affiant-governance")
    site.push(canary)
    said.gates(live.digest, "numbers")
    said.approve("dan", live.digest, "numbers")
    said.deploy("dan", live.digest, canary.digest, service="numbers")
    (directory / "root.json").write_bytes(said.first.envelope.encode())
    for name in ("cyd", "dan"):
        path = directory / f"{name}.key"
        path.write_bytes(said.keys[name].pem)
        path.chmod(0o600)
    return Recorded(site, live, canary, records)


@pytest.fixture
def place(recorded: Recorded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the site, governed."""
    shutil.copytree(recorded.site.directory, tmp_path / "site")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with (tmp_path / "site" / "affiant.toml").open("a") as file:
        file.write('\n[governance]\nroot = "root.json"\n')
    return tmp_path / "site"


@pytest.fixture
def affiant(place: Path) -> Run:
    """Runs a command there."""
    return lambda *words: call(*words, "--config", place / "affiant.toml")


def test_a_record_leads_to_everything_its_package_came_from(recorded: Recorded, affiant: Run) -> None:
    """`audit trace` and `lineage show` tell the same: data, people, gates, approvals, deployments, places."""
    done = affiant("lineage", "show", recorded.records[2], "--json")
    assert (done.code, done.err) == (0, "")
    assert done.json == affiant("audit", "trace", recorded.records[2], "--json").json
    told = done.json
    assert (told["record"], told["service"], told["slot"]) == (recorded.records[2], "numbers", "live")
    assert told["package"]["digest"] == recorded.live.digest
    assert told["lineage"] == dict(recorded.live.lineage)
    assert told["people"] == ["zoe", "pipeline", "dan"]
    assert [(each["type"], each["person"], each["holds"]) for each in told["said"]] == [
        ("gates", "pipeline", True), ("approval", "dan", True), ("deployment", "dan", True),
    ]  # fmt: skip
    assert told["data"][0]["use"]["version"] == MD5
    assert [(each["service"], each["slot"], each["weight"]) for each in told["serves"]] == [
        ("numbers", "live", 0.9)
    ]
    text = affiant("audit", "trace", recorded.records[2])
    assert text.code == 0
    for wanted in ("c" * 40, MD5, "legal: read it", "1 passed", "numbers live 90%", "zoe, pipeline, dan"):
        assert wanted in text.out


def test_a_package_is_shown_by_its_digest_or_the_beginning_of_it(recorded: Recorded, affiant: Run) -> None:
    """And what is neither a package nor a record is wrong usage."""
    done = affiant("lineage", "show", recorded.live.digest[:24], "--json")
    assert (done.code, done.json["package"]["digest"]) == (0, recorded.live.digest)
    assert "record" not in done.json
    assert affiant("lineage", "show", "nonsense").code == 2
    assert affiant("lineage", "show", "sha256:" + "0" * 64).code == 1
    assert affiant("lineage", "show", f"{'0' * 32}-7").code == 1


def test_data_leads_to_its_models_where_they_serve_and_what_they_predicted(
    recorded: Recorded, affiant: Run
) -> None:
    """Counted in the sealed log; by any name of the same bytes."""
    for version in (MD5, SHA, f"sha256:{SHA}"):
        done = affiant("lineage", "data", version, "--json")
        (model,) = done.json["models"]
        assert (done.code, model["digest"]) == (0, recorded.live.digest)
        (count,) = model["predictions"]
        assert (count["service"], count["slot"], count["predictions"]) == ("numbers", "live", ANSWERED)
        assert count["first"] <= count["last"]
        assert [each["slot"] for each in model["serves"]] == ["live"]
    text = affiant("lineage", "data", MD5)
    assert f"{ANSWERED} in numbers live" in text.out
    assert affiant("lineage", "data", OTHER, "--json").json["models"][0]["predictions"] == []
    assert affiant("lineage", "data", "md5:" + "9" * 32).code == 0
    assert affiant("lineage", "data", "rows.csv").code == 2


def test_what_is_not_sealed_is_not_counted_and_not_zero(
    recorded: Recorded, affiant: Run, place: Path
) -> None:
    """`predictions` is null, and a line says why."""
    shutil.rmtree(place / "data" / "sealed")
    done = affiant("lineage", "data", MD5, "--json")
    assert (done.code, done.json["models"][0]["predictions"]) == (0, None)
    assert "predictions are not counted" in done.err
    assert "not counted" in affiant("lineage", "data", MD5).out


def test_packages_are_listed_with_where_they_serve(recorded: Recorded, affiant: Run, place: Path) -> None:
    """By the deployments; where nothing is governed, by the settings' plan."""
    listed = affiant("lineage", "list", "--json").json
    assert [(each["name"], each["serves"][0]["slot"]) for each in listed] == [
        ("numbers", "live"),
        ("other", "canary"),
    ]
    assert affiant("lineage", "list", "--service", "cards", "--json").json == []
    assert recorded.canary.digest in affiant("lineage", "list", "--service", "numbers").out
    settings = place / "affiant.toml"
    settings.write_text(settings.read_text().replace("[governance]\nroot = ", "#"))
    listed = affiant("lineage", "list", "--json").json
    assert [[(spot["service"], spot["weight"], spot["offset"]) for spot in each["serves"]] for each in listed] == [
        [("numbers", 1.0, None)], [],
    ]  # fmt: skip


def test_data_is_deprecated_and_restored_by_who_may(recorded: Recorded, affiant: Run, place: Path) -> None:
    """Signed in the governance log; shown everywhere from then on."""
    words = ("data", "deprecate", MD5, "--reason", "consent withdrawn", "--yes")
    refused = affiant(*words, "--key", place / "dan.key")
    assert (refused.code, "has not the role data" in refused.err) == (1, True)
    assert affiant("data", "restore", MD5, "--reason", "x", "--yes", "--key", place / "cyd.key").code == 1
    done = affiant(*words, "--key", place / "cyd.key", "--json")
    assert (done.code, done.json["signed"]) == (0, True)
    assert [(each["version"], each["person"], each["offset"]) for each in done.json["deprecated"]] == [
        (MD5, "cyd", 3), (f"sha256:{SHA}", "cyd", 4),
    ]  # fmt: skip
    assert [each["digest"] for each in done.json["models"]] == [recorded.live.digest]
    assert "DEPRECATED by cyd: consent withdrawn" in affiant("lineage", "data", f"sha256:{SHA}").out
    shown = affiant("lineage", "show", recorded.live.digest, "--json").json
    assert shown["data"][0]["deprecated"]["reason"] == "consent withdrawn"
    listed = {each["version"]: each for each in affiant("data", "list", "--json").json}
    assert listed[MD5]["deprecated"]["reason"] == "consent withdrawn"
    assert (listed[OTHER]["models"], listed[OTHER]["deprecated"]) == (1, None)
    done = affiant("data", "restore", MD5, "--reason", "it was another", "--yes", "--key", place / "cyd.key")
    assert (done.code, "is not deprecated" in done.out) == (0, True)
    assert all(each["deprecated"] is None for each in affiant("data", "list", "--json").json)


def test_a_damaged_manifest_stops_no_other_command(recorded: Recorded, affiant: Run, place: Path) -> None:
    """One bad file in the store is named by each; lists go on, short digests work, data is deprecated."""
    blobs = place / "data" / "store" / "blobs" / "sha256"
    bad = blobs / recorded.canary.digest[7:]
    bad.write_bytes(bad.read_bytes().replace(b"affiant", b"affianT"))
    for words, code in (
        (("lineage", "list"), 0), (("data", "list"), 0), (("lineage", "data", MD5), 0), (("model", "list"), 1),
    ):  # fmt: skip
        done = affiant(*words, "--json")
        assert (done.code, f"WRONG  package {recorded.canary.digest}" in done.err) == (code, True), words
        assert recorded.live.digest in done.out or MD5 in done.out
    verified = affiant("model", "verify", "--json")
    assert verified.code == 1
    assert {each["digest"]: each["holds"] for each in verified.json} == {
        recorded.live.digest: True, recorded.canary.digest: False,
    }  # fmt: skip
    assert affiant("model", "show", recorded.live.digest[:19]).code == 0
    assert affiant("lineage", "show", recorded.live.digest[:19]).code == 0
    key = ("--reason", "consent withdrawn", "--key", place / "cyd.key", "--yes", "--json")
    done = affiant("data", "deprecate", MD5, *key)
    assert (done.code, [each["version"] for each in done.json["deprecated"]]) == (0, [MD5, f"sha256:{SHA}"])


def test_data_is_deprecated_without_the_store_or_the_index(affiant: Run, place: Path) -> None:
    """What is named is signed for; that other names are not known is said. It can be taken back there, too."""
    key = ("--reason", "consent withdrawn", "--key", place / "cyd.key", "--yes", "--json")
    (place / "data" / "store" / "index.json").write_bytes(b"[")
    assert affiant("data", "list").code == 1
    done = affiant("data", "deprecate", MD5, *key)
    assert (done.code, [each["version"] for each in done.json["deprecated"]]) == (0, [MD5])
    assert "the store's packages are not known as they are now" in done.err
    cache = place.parent / "cache"
    shutil.rmtree(cache)
    cache.write_text("no directory")
    done = affiant("data", "restore", MD5, *key)
    assert (done.code, done.json["deprecated"]) == (0, [])
    assert "other names of the same bytes are not known" in done.err
    again = affiant("data", "deprecate", MD5, *key)
    assert (again.code, [each["version"] for each in again.json["deprecated"]]) == (0, [MD5])
    assert affiant("data", "deprecate", MD5, *key[:2], "--key", place / "dan.key", "--yes").code == 1


def test_the_gate_refuses_a_package_of_deprecated_data(recorded: Recorded, affiant: Run, place: Path) -> None:
    """What was let through before is not let through any more; without a root nobody knows, and nothing passes."""
    (place / "policy.yaml").write_text(
        "format: 1\nchange: {roles: {legal: 1}}\n"
        "services: {numbers: {gates: {lineage: {}}, approvals: {roles: {legal: 1}}}}\n"
    )
    words = (
        "gate",
        "run",
        recorded.live.digest,
        "--service",
        "numbers",
        "--policy",
        place / "policy.yaml",
        "--json",
    )
    assert affiant(*words).code == 0
    assert (
        affiant("data", "deprecate", MD5, "--reason", "gone", "--yes", "--key", place / "cyd.key").code == 0
    )
    done = affiant(*words)
    (result,) = done.json["report"]["results"]
    assert (done.code, "which is deprecated: gone" in result["reason"]) == (1, True)
    settings = place / "affiant.toml"
    settings.write_text(settings.read_text().replace("[governance]\nroot = ", "#"))
    assert "nobody said which data" in affiant(*words).json["report"]["results"][0]["reason"]


def test_nothing_is_signed_without_a_yes_a_root_or_a_version(affiant: Run, place: Path) -> None:
    """Wrong usage, each with its reason."""
    key = ("--reason", "x", "--key", place / "cyd.key")
    assert "--yes" in affiant("data", "deprecate", MD5, *key).err
    assert affiant("data", "deprecate", "rows.csv", *key, "--yes").code == 2
    settings = place / "affiant.toml"
    settings.write_text(settings.read_text().replace("[governance]\nroot = ", "#"))
    done = affiant("data", "deprecate", MD5, *key, "--yes")
    assert (done.code, "root is not set" in done.err) == (2, True)


def test_names_from_strangers_do_not_steer_the_terminal(recorded: Recorded, affiant: Run) -> None:
    """A data set's name, and whatever else a lineage says, is its publisher's."""
    for words in (("data", "list"), ("lineage", "data", OTHER), ("lineage", "show", recorded.canary.digest)):
        done = affiant(*words)
        assert done.code == 0
        assert "more" in done.out
        assert not {"\x1b", "\x07"} & set(done.out)


def test_a_root_that_is_none_is_told(affiant: Run, place: Path) -> None:
    """Wrong settings, not a traceback."""
    (place / "root.json").write_text("{}")
    assert affiant("lineage", "list").code == 2
    (place / "root.json").unlink()
    assert affiant("lineage", "list").code == 2


def test_every_command_has_its_help_with_an_example_and_its_exit_codes() -> None:
    """And each group lists its commands."""
    for group, commands in (
        ("lineage", ("show", "data", "list", "export")),
        ("data", ("list", "deprecate", "restore")),
    ):
        for name in commands:
            done = call(group, name, "--help")
            assert done.code == 0
            assert f"Example: affiant {group} {name}" in " ".join(done.out.split())
            assert "Exit codes:" in done.out


def test_lineage_is_exported_as_one_event_a_line(recorded: Recorded, affiant: Run, tmp_path: Path) -> None:
    """A file that is there is left as it is, unless it is to be replaced."""
    out = tmp_path / "lineage.ndjson"
    done = affiant("lineage", "export", "--openlineage", out, "--json")
    assert (done.code, done.json["events"], done.json["wrong"]) == (0, 5, [])
    raw = out.read_bytes()
    events = [json.loads(line) for line in raw.splitlines()]
    assert len(events) == 5
    assert raw.isascii()
    assert {each["job"]["name"] for each in events} == {"numbers.training", "other.training", "serve.numbers"}
    assert events[-1]["inputs"][0]["facets"]["version"]["datasetVersion"] == recorded.canary.digest
    assert affiant("lineage", "export", "--openlineage", out).code == 2
    assert affiant("lineage", "export", "--openlineage", tmp_path / "none" / "x").code == 2
    assert affiant("lineage", "export", "--openlineage", out, "--force", "--namespace", "bank").code == 0
    assert b'"namespace":"bank"' in out.read_bytes()


def test_the_page_as_it_is_written(recorded: Recorded, place: Path) -> None:
    """docs/lineage.md: every command of it ends well, and its Python prints what it says."""
    page = (Path(__file__).parents[2] / "docs" / "lineage.md").read_text()
    found = dict(re.findall(r"<!-- run: (\w+) -->\n```\w+\n(.*?)```", page, re.DOTALL))
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "DIGEST": recorded.live.digest,
        "RECORD": recorded.records[0],
        "VERSION": MD5,
    }

    def run(*words: str) -> str:
        done = subprocess.run(words, cwd=place, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    said = "\n".join(run("bash", "-euc", found[name]) for name in ("look", "deprecate", "export"))
    assert "DEPRECATED" in said
    assert len((place / "lineage.ndjson").read_text().splitlines()) == 5
    told = run(sys.executable, "-c", found["api"])
    assert "numbers ('zoe', 'pipeline', 'dan') ['gates', 'approval', 'deployment']" in told
    assert MD5 in told
