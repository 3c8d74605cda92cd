"""The lineage's index is the same however it came about: at once, bit by bit, damaged in between, of another log."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audit.log.local import LocalLog
from registry.graph import Lineage
from registry.graph.tables import NAME
from registry.lineage import DataSet
from registry.statement import REJECTION, REVOCATION
from tests.components.lineage import LineageSite

VERSIONS = ["md5:" + "1" * 32, "md5:" + "2" * 32, "sha256:" + "b" * 64]
DATA = [
    DataSet("rows", VERSIONS[0], "dvc", True, "b" * 64),
    DataSet("rows", VERSIONS[0], "dvc", False),
    DataSet("more", VERSIONS[1], "dvc", False),
]
PACKAGES = [("a", (DATA[0],)), ("b", (DATA[1], DATA[2])), ("c", ())]
WHO = ["dan", "cyd", "pipeline", "eve", "new"]


class World(LineageSite):
    """A site that does what numbers say."""

    digests: list[str]

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.digests = [self.publish(name, data).digest for name, data in PACKAGES[:1]]

    def step(self, what: str, who: str, one: int, two: int) -> None:
        """One thing that happens."""
        digest, other = (self.digests[each % len(self.digests)] for each in (one, two))
        match what:
            case "gates":
                self.gates(digest, passed=bool(two % 2), who=who)
            case "approve":
                self.approve(who, digest, type_=(REJECTION, REVOCATION, "unknown/x")[two % 3])
            case "deploy":
                plan = dict.fromkeys((digest, other))
                self.deploy(who, *plan, service=("credit", "cards")[two % 2])
            case "deprecate":
                self.deprecate(VERSIONS[one % 3], who, deprecated=two % 3 != 0)
            case "again" if self.end:
                self.again(one % self.end, one % self.end + 1)
            case "noise":
                self.write([b"noise" * two])
            case "root" if not hasattr(self, "second"):
                self.second = self.new_root()
            case "publish":
                name, data = PACKAGES[one % len(PACKAGES)]
                self.digests.append(self.publish(name, data).digest)
            case "other log":
                shutil.rmtree(self.directory / "log")
                self.log = LocalLog(self.directory / "log", "governance", clock=lambda: int(self.clock * 1e9))
                self.last.clear()
                vars(self).pop("second", None)


def damage(path: Path, how: str, at: int) -> None:
    """What a disk, or a person, does to a file."""
    raw = path.read_bytes() if path.exists() else b""
    if not raw:
        return
    place = at % len(raw)
    match how:
        case "gone":
            path.unlink()
        case "cut":
            path.write_bytes(raw[:place])
        case "other":
            path.write_bytes(b"this is no database at all" * 200)
        case "zeroed":
            page = place // 4096 * 4096
            path.write_bytes(raw[:page] + bytes(min(4096, len(raw) - page)) + raw[page + 4096 :])


def everything(lineage: Lineage, digests: list[str]) -> list[Any]:
    """All that can be asked."""
    return [
        lineage.end,
        lineage.packages(),
        lineage.packages("credit"),
        lineage.versions(),
        dict(lineage.deprecations()),
        [lineage.data(version) for version in VERSIONS],
        [lineage.package(digest) for digest in digests],
        list(lineage.documents()),
    ]


STEPS = st.one_of(
    st.tuples(
        st.sampled_from(
            ["gates", "approve", "deploy", "deploy", "deprecate", "again", "noise", "root", "publish"]
        ),
        st.sampled_from(WHO),
        st.integers(0, 1000),
        st.integers(1, 1000),
    ),
    st.tuples(st.sampled_from(["refresh", "refresh", "other log"]), st.just(""), st.just(0), st.just(0)),
    st.tuples(
        st.sampled_from(["gone", "cut", "other", "zeroed"]),
        st.just("damage"),
        st.integers(0, 10**6),
        st.just(0),
    ),
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=st.lists(STEPS, min_size=4, max_size=14))
def test_an_index_that_grew_is_one_that_was_made_at_once(steps: list[tuple[Any, ...]]) -> None:
    """Every answer is the same, whatever the file went through."""
    with tempfile.TemporaryDirectory() as directory:
        world = World(Path(directory))
        with world.lineage() as lineage:
            lineage.refresh()
        for what, who, one, two in steps:
            if who == "damage":
                damage(world.directory / "index" / NAME, what, one)
            elif what == "refresh":
                with world.lineage() as lineage:
                    lineage.refresh()
            else:
                world.step(what, who, one, two)
        with world.lineage() as grown, world.lineage("fresh") as fresh:
            assert grown.refresh() == fresh.refresh() == []
            assert everything(grown, world.digests) == everything(fresh, world.digests)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(how=st.sampled_from(["cut", "other", "zeroed"]), at=st.integers(0, 10**6))
def test_damage_is_met_when_the_index_is_asked(how: str, at: int) -> None:
    """No answer comes out of a damaged part: the index is made again before it, without a refresh."""
    with tempfile.TemporaryDirectory() as directory:
        world = World(Path(directory))
        for _ in range(8):
            world.approve("dan", world.digests[0])
        world.deploy("dan", world.digests[0])
        with world.lineage() as lineage:
            lineage.refresh()
            wanted = lineage.package(world.digests[0])
        damage(world.directory / "index" / NAME, how, at)
        with world.lineage() as lineage:
            if lineage.end == 0:  # it was seen at once; nothing is known before a refresh
                lineage.refresh()
            assert lineage.package(world.digests[0]).said == wanted.said
