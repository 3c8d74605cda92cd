"""`affiant lineage`: of what is to serve by the plan, what may not answer is not told as serving."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from audit.log.frames import segments
from cli.lineage_open import not_admitted, open_lineage
from cli.lineage_show import places_text, places_told
from registry.graph import Place
from registry.graph.index import Index
from registry.package import Package
from registry.stores import LayoutStore, configured_store
from tests.components.approvals import POLICY, Done, House, swapped
from tests.components.packages import credit_package

BEYOND = 11 * 86_400.0
"""After so many seconds the approvals have ended: `valid_days: 10`."""
Later = Callable[[float], None]


def deployed(house: House) -> House:
    """Its package is live, the other one is its canary, and both may."""
    words = ("--reason", "because", "--key", house.key("dan"), "--yes", *house.config)
    for digest in (house.digest, canary(house)):
        house.gates(digest=digest)
        for person, role in (("dan", "legal"), ("bob", "compliance")):
            assert house.sign("approve", person, role, digest=digest).code == 0
    house.ok("deploy", "credit", house.digest, *words)
    house.ok("deploy", "credit", canary(house), "--canary", "10%", *words)
    return house


def canary(house: House) -> str:
    """The other package."""
    return next(each.digest for each in configured_store(house.loaded).list() if each.digest != house.digest)


@pytest.fixture
def serving(house: House) -> House:
    """Under a policy that lets what is live outlast its approvals."""
    return deployed(house)


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Later:
    """From now on whoever looks looks so many seconds later."""
    return lambda seconds: monkeypatch.setattr(
        "cli.lineage_open.time", SimpleNamespace(time=lambda: time.time() + seconds)
    )


def table_of(house: House) -> str:
    """The version of the table that both packages are made of."""
    return f"sha256:{configured_store(house.loaded).pull(house.digest).lineage['training_table']['sha256']}"


def looked(house: House, *words: object) -> Done:
    """A command of the lineage."""
    return house.ok("lineage", *words, *house.config)


def refused_of(house: House, places: list[Place]) -> frozenset[Place] | None:
    """As a command asks it."""
    with open_lineage(house.loaded, packages=False) as lineage:
        return not_admitted(house.loaded, lineage, places)


def may(house: House) -> tuple[bool | None, bool | None]:
    """Whether live and canary may answer, as `list`, `show` and `data` tell it: all the same, and in words too."""
    digests = (house.digest, canary(house))
    version = table_of(house)
    listed = {each["digest"]: each["serves"] for each in looked(house, "list", "--json").json}
    made = {
        each["digest"]: each["serves"] for each in looked(house, "data", version, "--json").json["models"]
    }
    found: list[bool | None] = []
    for digest in digests:
        (place,) = listed[digest]
        assert looked(house, "show", digest, "--json").json["serves"] == made[digest] == [place]
        assert ("NOT ADMITTED" in looked(house, "show", digest).out) is (place["admitted"] is False)
        found.append(place["admitted"])
    for words in (("list",), ("data", version)):
        text = " ".join(looked(house, *words).out.split())
        assert text.count("NOT") == found.count(False), text
    return found[0], found[1]


def test_what_was_rejected_is_not_told_as_serving(serving: House) -> None:
    """Where it is to serve stays to be seen; the other one answers."""
    assert may(serving) == (True, True)
    assert serving.sign("reject", "bob", "compliance").code == 0
    assert may(serving) == (False, True)


def test_what_is_live_outlasts_its_approvals_and_a_canary_does_not(serving: House, later: Later) -> None:
    """As gateways decide."""
    later(BEYOND)
    assert may(serving) == (True, False)


def test_where_the_policy_stops_it_what_is_live_ends_with_its_approvals(tmp_path: Path, later: Later) -> None:
    """`on_expiry: stop`."""
    (tmp_path / "stopping").mkdir()
    policy = swapped(POLICY, ("valid_days: 10", "valid_days: 10, on_expiry: stop"))
    packages = [credit_package(), credit_package("other")]
    house = deployed(House.build(tmp_path / "stopping", packages, policy=policy))
    assert may(house) == (True, True)
    later(BEYOND)
    assert may(house) == (False, False)


def test_what_was_damaged_in_the_store_since_is_not_told_as_serving(serving: House) -> None:
    """The index knows it from before; no gateway loads it any more."""
    assert may(serving) == (True, True)
    package = configured_store(serving.loaded).pull(serving.digest)
    part = package.parsed.roles["signature"].digest.removeprefix("sha256:")
    blob = serving.file("data") / "store" / "blobs" / "sha256" / part
    blob.write_bytes(blob.read_bytes()[:-1] + b"?")
    places = {each["digest"]: each["serves"] for each in looked(serving, "list", "--json").json}
    assert [places[digest][0]["admitted"] for digest in (serving.digest, canary(serving))] == [False, True]


def test_of_all_that_serve_index_and_log_are_opened_once(
    serving: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many they are: of a long log an opening takes a part of a second."""
    opened: list[Path] = []

    class Counted(Index):
        def __init__(self, directory: Path) -> None:
            opened.append(directory)
            super().__init__(directory)

    for where in ("index", "query"):
        monkeypatch.setattr(f"registry.graph.{where}.Index", Counted)
    places = [
        Place("credit", digest, slot, 0.5, None, None)
        for digest, slot in ((serving.digest, "live"), (canary(serving), "canary"))
    ]
    assert refused_of(serving, places) == frozenset()
    assert len(opened) == 1


def test_what_is_shown_is_taken_out_of_the_store_once(
    serving: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether it may answer is asked of the package that was verified for being shown."""
    pull, taken = LayoutStore.pull, list[str]()

    def counted(store: LayoutStore, digest: str) -> Package:
        taken.append(digest)
        return pull(store, digest)

    monkeypatch.setattr(LayoutStore, "pull", counted)
    (place,) = looked(serving, "show", serving.digest, "--json").json["serves"]
    assert place["admitted"] is True
    assert taken == [serving.digest]


def test_without_a_root_everything_may(serving: House) -> None:
    """Nobody is asked: the settings' plan serves."""
    settings = serving.file("affiant.toml")
    settings.write_text(
        swapped(settings.read_text(), ('[governance]\nroot = "root.json"\n', ""))
        + f'[[plan]]\nservice = "credit"\ndigest = "{serving.digest}"\n'
    )
    (place,) = [place for each in looked(serving, "list", "--json").json for place in each["serves"]]
    assert (place["digest"], place["admitted"]) == (serving.digest, True)


def test_what_could_not_be_asked_is_neither_yes_nor_no(
    serving: House, capsys: pytest.CaptureFixture[str]
) -> None:
    """The governance log is gone between two looks: a line says so, JSON says null, and no word of either."""
    place = Place("credit", serving.digest, "live", 1.0, None, None)
    assert refused_of(serving, [place]) == frozenset()
    shutil.rmtree(serving.file("data") / "log-governance")
    refused = refused_of(serving, [place])
    assert refused is None
    assert "whether it may answer is not told: " in capsys.readouterr().err
    assert [each["admitted"] for each in places_told([place], refused)] == [None]
    assert places_text([place], refused) == "credit live 100%"


def test_what_the_log_says_and_cannot_be_read_may_be_a_rejection(
    serving: House, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was read of it before does not decide."""
    place = Place("credit", serving.digest, "live", 1.0, None, None)
    assert refused_of(serving, [place]) == frozenset()
    assert serving.sign("reject", "bob", "compliance").code == 0
    *_, (_, segment) = segments(serving.file("data") / "log-governance" / "0")
    damaged = bytearray(segment.read_bytes())
    damaged[-1] ^= 1
    segment.write_bytes(damaged)
    assert refused_of(serving, [place]) is None
    assert "whether it may answer is not told: " in capsys.readouterr().err
