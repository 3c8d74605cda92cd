"""What the query layer answers: from a package to what it came from, from data to where it went."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest

from audit.errors import IndexUnusable
from audit.log.local import LocalLog
from audit.proof.errors import FormatError
from registry.errors import NotFound
from registry.graph import Lineage, PackageLineage, Place
from registry.graph.tables import NAME
from registry.lineage import DataSet
from registry.statement import REVOCATION
from tests.components.lineage import Forger, LineageSite
from tests.components.packages import number_package

MD5, OTHER = "md5:" + "1" * 32, "md5:" + "2" * 32
SHA = "b" * 64
ROWS = DataSet("rows.csv", MD5, "dvc", True, SHA, 10, "rows.csv.dvc")
ROWS_UNSEEN = DataSet("rows", MD5, "dvc", False)
ROWS_BY_HASH = DataSet("the rows", f"sha256:{SHA}", "file", True, SHA)
MORE = DataSet("more.csv", OTHER, "dvc", False)


@pytest.fixture
def site(tmp_path: Path) -> LineageSite:
    return LineageSite(tmp_path)


def package(site: LineageSite, digest: str, *, governed: bool = True) -> PackageLineage:
    with site.lineage(governed=governed) as lineage:
        assert lineage.refresh() == []
        return lineage.package(digest)


def test_a_package_tells_what_it_came_from_who_spoke_and_where_it_serves(site: LineageSite) -> None:
    """All of it: data, publisher, gates, approvals, deployments, each with its person."""
    made = site.publish("credit", [ROWS, MORE], actor="zoe")
    site.gates(made.digest)
    site.approve("dan", made.digest)
    site.deploy("dan", made.digest)
    found = package(site, made.digest)
    assert found.lineage == dict(made.lineage)
    assert [each.use.version for each in found.data] == [MD5, OTHER, number_table_version(made)]
    assert [(each.type, each.person, each.holds) for each in found.said] == [
        ("gates", "pipeline", True), ("approval", "dan", True), ("deployment", "dan", True),
    ]  # fmt: skip
    assert found.said[1].says["rationale"] == "read it"
    assert found.people == ("zoe", "pipeline", "dan")
    assert [(each.service, each.slot, each.weight, each.offset) for each in found.serves] == [
        ("credit", "live", 1.0, 2)
    ]


def number_table_version(made: object) -> str:
    return f"sha256:{made.lineage['training_table']['sha256']}"  # type: ignore[attr-defined]


def test_a_digest_may_be_shortened_and_what_is_unknown_is_said(site: LineageSite) -> None:
    """As long as it is unique."""
    one, two = site.publish("credit", [ROWS]), site.publish("other", [ROWS])
    assert package(site, one.digest[:20]).digest == one.digest
    for digest in ("sha256:", "sha256:" + "0" * 64, "%"):
        with pytest.raises(NotFound):
            package(site, digest)
    assert two.digest != one.digest


def test_a_stranger_s_word_is_shown_as_a_stranger_s(site: LineageSite) -> None:
    """Anybody may write to the log: without a known key nobody has spoken, and nothing is deployed."""
    made = site.publish("credit", [ROWS])
    site.approve("eve", made.digest)
    site.deploy("eve", made.digest)
    found = package(site, made.digest)
    assert [(each.person, each.holds) for each in found.said] == [(None, None)] * 2
    assert "eve" not in found.people
    assert found.serves == ()


def test_a_key_that_a_later_root_brings_makes_what_it_signed_before_hold(site: LineageSite) -> None:
    """As admission reads it; the index is not made again for it."""
    made = site.publish("credit", [ROWS])
    site.approve("new", made.digest)
    with site.lineage() as lineage:
        lineage.refresh()
        assert lineage.package(made.digest).said[0].holds is None
        site.new_root()
        assert lineage.refresh() == []
        spoken = lineage.package(made.digest).said[0]
    assert (spoken.holds, spoken.person) == (True, None)  # it holds; at that place nobody's yet


def test_a_forged_signature_is_shown_as_one(site: LineageSite) -> None:
    """The key is known, and what it is said to have signed does not hold."""
    made = site.publish("credit", [ROWS])
    site.keys["forger"] = Forger(site.keys["dan"])
    site.approve("forger", made.digest)
    site.deploy("forger", made.digest)
    found = package(site, made.digest)
    assert [each.holds for each in found.said] == [False, False]
    assert found.people == (found.publisher,)
    assert found.serves == ()


def test_a_rotated_key_is_nobody_s_any_more(site: LineageSite) -> None:
    """What it signed before stays its person's."""
    made = site.publish("credit", [ROWS])
    site.approve("dan", made.digest)
    site.new_root("dan", until=1)
    site.approve("dan", made.digest)
    assert [(each.holds, each.person) for each in package(site, made.digest).said] == [
        (True, "dan"),
        (True, None),
    ]


def test_without_a_root_nobody_s_word_counts(site: LineageSite) -> None:
    """Statements are shown, deployments and deprecations change nothing."""
    made = site.publish("credit", [ROWS])
    site.deploy("dan", made.digest)
    site.deprecate(MD5)
    found = package(site, made.digest, governed=False)
    assert (found.serves, found.data[0].deprecated) == ((), None)
    assert [each.type for each in found.said] == ["deployment"]
    governed = package(site, made.digest)  # with the same index
    assert governed.serves != ()
    assert governed.data[0].deprecated is not None


def test_events_that_do_not_count_say_why(site: LineageSite) -> None:
    """And serve nothing."""
    one, two = site.publish("credit", [ROWS]), site.publish("other", [ROWS])
    site.deploy("dan", one.digest)
    site.deploy("pipeline", two.digest)
    found = package(site, two.digest)
    assert "has not the role deploy" in (found.said[0].void or "")
    assert found.serves == ()


def test_the_newest_event_says_where_packages_serve(site: LineageSite) -> None:
    """Of each service: what is no more in its plan does not serve."""
    one, two = site.publish("credit", [ROWS]), site.publish("other", [ROWS])
    site.deploy("dan", one.digest)
    site.deploy("dan", one.digest, service="cards")
    with site.lineage() as lineage:
        lineage.refresh()
        site.deploy("dan", two.digest, one.digest)
        site.deploy("dan", two.digest, service="cards")
        lineage.refresh()
        assert [(each.service, each.slot, each.weight) for each in lineage.package(one.digest).serves] == [
            ("credit", "canary", 0.1)
        ]
        assert [each.digest for each in lineage.packages("cards")] == [two.digest]
        assert [each.name for each in lineage.packages()] == ["credit", "other"]


def test_data_leads_to_every_model_by_whichever_name(site: LineageSite) -> None:
    """A DVC version and the SHA-256 of the same bytes are one data set, when any lineage says so."""
    made = [site.publish(name, [use]) for name, use in
            (("a", ROWS), ("b", ROWS_UNSEEN), ("c", ROWS_BY_HASH), ("d", MORE))]  # fmt: skip
    site.deploy("dan", made[1].digest)
    site.deprecate(f"sha256:{SHA}")
    with site.lineage() as lineage:
        lineage.refresh()
        for version in (MD5, SHA, f"sha256:{SHA}"):
            found = lineage.data(version)
            assert [(each.name, each.names) for each in found.models] == [
                ("a", ("rows.csv",)), ("b", ("rows",)), ("c", ("the rows",)),
            ]  # fmt: skip
            assert [each.serves != () for each in found.models] == [False, True, False]
            assert [each.reason for each in found.deprecated] == ["consent withdrawn"]
        assert lineage.data(MD5).aliases == (f"sha256:{SHA}",)
        assert lineage.data("md5:" + "9" * 32).models == ()
        with pytest.raises(FormatError, match="no version of data"):
            lineage.data("rows.csv")


def test_the_list_of_data_names_each_version_once(site: LineageSite) -> None:
    """With the models that were made of it; what was deprecated and nobody uses is in it, too."""
    site.publish("a", [ROWS])
    site.publish("b", [ROWS_UNSEEN])
    site.deprecate(OTHER)
    with site.lineage() as lineage:
        lineage.refresh()
        found = {each.version: each for each in lineage.versions()}
    assert (found[MD5].names, found[MD5].models) == (("rows", "rows.csv"), 2)
    assert found[f"sha256:{SHA}"].models == 1
    assert found[OTHER].models == 0
    assert found[OTHER].deprecated is not None


def test_what_was_sent_again_is_told_once(site: LineageSite) -> None:
    """Byte for byte the same statement is as old as it was."""
    made = site.publish("credit", [ROWS])
    site.approve("dan", made.digest)
    site.approve("dan", made.digest, type_=REVOCATION)
    site.again(0, 2)
    assert [(each.offset, each.type) for each in package(site, made.digest).said] == [
        (0, "approval"), (1, "revocation"),
    ]  # fmt: skip


def test_a_package_that_goes_is_no_longer_known(site: LineageSite) -> None:
    """The index is of the store as it is now."""
    made = site.publish("credit", [ROWS])
    with site.lineage() as lineage:
        lineage.refresh()
        assert lineage.data(MD5).models != ()
        (site.directory / "store" / "index.json").unlink()
        lineage.refresh()
        assert lineage.data(MD5).models == ()
        with pytest.raises(NotFound):
            lineage.package(made.digest)


def test_damaged_bytes_of_a_package_are_said_and_hide_no_other(site: LineageSite) -> None:
    """One line for it; the rest is indexed."""
    made, good = site.publish("credit", [ROWS]), site.publish("other", [MORE])
    blob = site.directory / "store" / "blobs" / "sha256" / made.parsed.roles["card"].digest[7:]
    layer = made.parsed.roles["lineage"].digest[7:]
    blob = blob.with_name(layer)
    blob.write_bytes(blob.read_bytes().replace(b"xgboost", b"xgbo0st"))
    with site.lineage() as lineage:
        (wrong,) = lineage.refresh()
        assert made.digest in wrong
        assert [each.digest for each in lineage.packages()] == [good.digest]


def test_a_damaged_manifest_is_said_and_hides_no_other(site: LineageSite) -> None:
    """One that was known before stays known, held to its digest: its names of the data are wanted."""
    made, good = site.publish("credit", [ROWS]), site.publish("other", [MORE])
    with site.lineage() as lineage:
        assert lineage.refresh() == []
        manifest = site.directory / "store" / "blobs" / "sha256" / made.digest[7:]
        manifest.write_bytes(manifest.read_bytes().replace(b"affiant", b"affianT"))
        (wrong,) = lineage.refresh()
        assert made.digest in wrong
        assert {each.digest for each in lineage.packages()} == {made.digest, good.digest}
        assert lineage.data(MD5).aliases == (f"sha256:{SHA}",)
    with site.lineage("fresh") as lineage:
        (wrong,) = lineage.refresh()
        assert made.digest in wrong
        assert [each.digest for each in lineage.packages()] == [good.digest]


def test_lineage_of_any_form_is_taken(site: LineageSite) -> None:
    """Whoever made a package may have written anything there: what is no data set is passed over."""
    strange = number_package().lineage["origin"] | {
        "data": [1, {"name": "x"}, {"name": "\ud800", "version": MD5}, {"version": MD5, "name": ["x"]}]
    }
    site.publish("credit", origin=strange, training_table=[1])
    with site.lineage() as lineage:
        assert lineage.refresh() == []
        assert [each.names for each in lineage.data(MD5).models] == [("?",)]


def test_the_log_may_be_gone(site: LineageSite) -> None:
    """Statements are told as they were read before, and that is said."""
    made = site.publish("credit", [ROWS])
    site.approve("dan", made.digest)
    with site.lineage() as lineage:
        lineage.refresh()
    (site.directory / "log").rename(site.directory / "gone")
    with site.lineage() as lineage:
        (wrong,) = lineage.refresh()
        assert "read before" in wrong
        assert [each.type for each in lineage.package(made.digest).said] == ["approval"]


@pytest.mark.parametrize(
    "change",
    [
        'UPDATE statements SET logged = logged + 1 WHERE "offset" = 0',
        'UPDATE statements SET record = (SELECT record FROM statements WHERE "offset" = 1) WHERE "offset" = 0',
        "UPDATE packages SET lineage = x'00'",
        "UPDATE packages SET manifest = x'7b7d'",
        "DROP TABLE events",
        "UPDATE about SET value = 0 WHERE name = 'format'",
        "UPDATE about SET value = 'x' WHERE name = 'last'",
        "UPDATE about SET value = 'x' WHERE name = 'topic'",
    ],
)
def test_an_index_that_somebody_changed_is_made_again(site: LineageSite, change: str) -> None:
    """What is shown is held to checksums and digests, whatever the file says."""
    made = site.publish("credit", [ROWS])
    site.approve("dan", made.digest)
    site.gates(made.digest)
    wanted = package(site, made.digest)
    connection = sqlite3.connect(site.directory / "index" / NAME)
    with connection:
        connection.execute(change)
    connection.close()
    assert package(site, made.digest) == wanted


def test_damage_that_is_met_while_reading_on_is_mended(site: LineageSite) -> None:
    """A service's events are folded again when there is a new one: those before it come out of the index."""
    made = site.publish("credit", [ROWS])
    site.deploy("dan", made.digest)
    with site.lineage() as lineage:
        lineage.refresh()
        connection = sqlite3.connect(site.directory / "index" / NAME)
        with connection:
            connection.execute("UPDATE statements SET logged = 0")
        connection.close()
        site.deploy("dan", made.digest)
        assert lineage.refresh() == []
        assert [each.offset for each in lineage.package(made.digest).serves] == [1]
        assert all(each.logged for each in lineage.package(made.digest).said)


def test_a_lineage_that_is_another_package_s_is_made_again(site: LineageSite) -> None:
    """Whole and well-formed as it is: it is not the one that the digest covers."""
    made = site.publish("credit", [ROWS])
    site.publish("other", [MORE])
    wanted = package(site, made.digest)
    connection = sqlite3.connect(site.directory / "index" / NAME)
    with connection:
        connection.execute(
            "UPDATE packages SET lineage = (SELECT lineage FROM packages WHERE name = 'other')"
        )
    connection.close()
    with site.lineage() as lineage:
        lineage.refresh()
        assert lineage.package(made.digest) == wanted


@pytest.mark.parametrize("same", ["entries", "topic"])
def test_another_log_is_read_from_its_beginning(site: LineageSite, same: str) -> None:
    """One of another id with the same entries, and one of the same id with other entries."""
    made = site.publish("credit", [ROWS])
    site.approve("dan", made.digest)
    site.gates(made.digest)
    package(site, made.digest)
    topic = (site.directory / "log" / "topic.json").read_bytes()
    values = site.values()
    shutil.rmtree(site.directory / "log")
    if same == "topic":
        (site.directory / "log").mkdir()
        (site.directory / "log" / "topic.json").write_bytes(topic)
        values = values[::-1]
    site.clock += 1000
    site.log = LocalLog(site.directory / "log", "governance", clock=lambda: int(site.clock * 1e9))
    site.write(values)
    with site.lineage("fresh") as fresh:
        fresh.refresh()
        wanted = fresh.package(made.digest)
    assert package(site, made.digest) == wanted


def test_two_processes_share_an_index(site: LineageSite) -> None:
    """Each sees what the other has read; a damaged one is made again by whoever is alone with it."""
    made = site.publish("credit", [ROWS])
    with site.lineage() as one, site.lineage() as two:
        one.refresh()
        site.approve("dan", made.digest)
        two.refresh()
        assert one.end == two.end == 1
        connection = sqlite3.connect(site.directory / "index" / NAME)
        with connection:
            connection.execute("UPDATE statements SET logged = 0")
        connection.close()
        with pytest.raises(IndexUnusable, match="another process has it"):
            one.package(made.digest)
    assert [each.type for each in package(site, made.digest).said] == ["approval"]


def test_a_full_disk_is_no_damage(site: LineageSite) -> None:
    """It is told, and what was read before is there, and is read on from."""
    made = site.publish("credit", [ROWS])
    site.approve("dan", made.digest)
    with site.lineage() as lineage:
        lineage.refresh()
        for _ in range(40):
            site.approve("dan", made.digest)
        (pages,) = lineage._index.rows("PRAGMA page_count")[0]
        lineage._index.rows(f"PRAGMA max_page_count = {pages + 1}")
        with pytest.raises(IndexUnusable, match="full"):
            lineage.refresh()
        assert len(lineage.package(made.digest).said) == 1
        lineage._index.rows(f"PRAGMA max_page_count = {pages + 1000}")
        assert lineage.refresh() == []
        assert len(lineage.package(made.digest).said) == 41


def test_a_place_that_cannot_be_written_is_told(site: LineageSite) -> None:
    """Not as a traceback of SQLite's."""
    (site.directory / "index").write_text("a file")
    with pytest.raises(IndexUnusable):
        site.lineage()


def test_the_settings_plan_holds_where_nothing_was_deployed(site: LineageSite) -> None:
    """As a gateway has it: the first event that counts of a service takes its place."""
    made = site.publish("credit", [ROWS])
    plan = [Place(service, made.digest, "live", 1.0, None, None) for service in ("credit", "cards")]
    with Lineage(site.directory / "index", site.log, site.store, site.first, plan) as lineage:
        lineage.refresh()
        assert [each.service for each in lineage.package(made.digest).serves] == ["credit", "cards"]
        assert [each.digest for each in lineage.packages("cards")] == [made.digest]
        site.deploy("pipeline", made.digest, service="cards")
        site.deploy("dan", made.digest, service="credit")
        lineage.refresh()
        places = lineage.package(made.digest).serves
    assert [(each.service, each.offset) for each in places] == [("credit", 1), ("cards", None)]


def test_one_package_is_told_without_the_others(site: LineageSite) -> None:
    """The store may have thousands, each of a gigabyte: nobody waits for them who asks for one."""
    made = site.publish("credit", [ROWS])
    site.approve("dan", made.digest)
    with site.lineage() as lineage:
        assert lineage.refresh(packages=False) == []
        assert lineage.packages() == []
        alone = lineage.about(made)
        lineage.refresh()
        assert lineage.package(made.digest) == alone
    assert [each.type for each in alone.said] == ["approval"]


def test_an_index_that_was_read_before_answers_at_once(site: LineageSite) -> None:
    """As of its last refresh, people included."""
    made = site.publish("credit", [ROWS])
    site.approve("dan", made.digest)
    site.deploy("dan", made.digest)
    wanted = package(site, made.digest)
    site.approve("dan", made.digest)
    with site.lineage() as lineage:
        assert lineage.package(made.digest) == wanted
        lineage.refresh()
        assert len(lineage.package(made.digest).said) == 3
