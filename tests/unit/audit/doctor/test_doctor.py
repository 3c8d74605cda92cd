"""The doctor's judgements that no planted mistake can make at will, and that the page names every code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from audit.doctor import clock, disk, reach, versions
from audit.doctor.base import CODES, Check, Finding, Looked, examine
from audit.errors import AuditError, ConfigError, LogUnavailable

PAGE = Path(__file__).parents[4] / "docs" / "doctor.md"


def test_the_page_names_every_code_with_what_it_means() -> None:
    """And none that there is not."""
    listed = dict(re.findall(r"^\| `([a-z-]+)` \| ([^|]+) \|", PAGE.read_text(), re.MULTILINE))
    assert listed == dict(CODES)


def test_a_slow_disk_is_a_remark_and_a_quick_one_none() -> None:
    """By the median, and by the slowest."""

    def found(syncs: list[float]) -> list[tuple[str, bool]]:
        judged = disk.judge_syncs(Path("/d"), syncs)
        return [(each.code, each.grave) for each in judged if isinstance(each, Finding)]

    assert found([0.0006] * 64) == []
    assert found([0.006] * 64) == [("disk-slow", False)]
    assert found([0.0006] * 63 + [0.2]) == [("disk-slow", False)]


def test_the_budget_counts_what_the_journals_take_already(tmp_path: Path) -> None:
    """1 MiB free and 1 MiB taken are enough for a bound of 2 MiB, and for no more."""
    (tmp_path / "0").mkdir()
    (tmp_path / "0" / "a").write_bytes(bytes(1 << 20))
    taken = disk.taken(tmp_path)
    assert taken >= 1 << 20
    enough = list(disk.judge_space(tmp_path, tmp_path, taken + 7, free=7))
    assert [type(each) for each in enough] == [Looked]
    (_, finding) = disk.judge_space(tmp_path, tmp_path, taken + 8, free=7)
    assert isinstance(finding, Finding)


@pytest.mark.parametrize(("seconds", "found"), [(0.0, 0), (0.05, 0), (0.5, 1), (-30.0, 1)])
def test_a_clock_that_is_set_meanwhile_jumps(seconds: float, found: int) -> None:
    """By steps either way; what a time server slews is no jump."""
    wall = [1_000_000_000_000]
    steady = clock.Steady(lambda: wall[0], lambda: 7)
    wall[0] += int(seconds * 1e9)
    assert len(list(steady.judge())) == found


def test_a_date_that_is_none_says_nothing() -> None:
    """Strangers' headers; one that is right is good to a second."""
    assert clock.of_date("x", None, 0) is None
    assert clock.of_date("x", "yesterday", 0) is None
    said = clock.of_date("x", "Thu, 01 Jan 1970 00:00:10 GMT", 10_000_000_000)
    assert said is not None
    assert abs(said.ahead) < clock.TOLERANCE


def test_a_time_that_has_only_come_does_not_say_that_we_are_ahead() -> None:
    """The newest record may be of last year."""
    year = 31_536_000_000_000_000
    assert list(clock.judge([clock.Reference("log", -year, earliest=True)])) == []
    (finding,) = clock.judge([clock.Reference("log", year, earliest=True)])
    assert isinstance(finding, Finding)
    assert finding.code == "clock-behind"


def test_a_library_of_a_version_that_nobody_asked_for() -> None:
    """Absent ones of the base are grave; an extra's are looked at where they are, as a remark."""
    wanted = ["typer>=0.16", "rich>=14", "numpy>=2; extra == 'notary'", "pyarrow>=20; extra == 'notary'"]
    judged = versions.look({"typer": "0.1", "numpy": "1.0"}, wanted, "3.10.1", ">=3.11,<3.14")
    found = {each.where: (each.code, each.grave) for each in judged if isinstance(each, Finding)}
    found.pop(next(name for name in found if "python" in name))
    assert found == {
        "typer": ("library-version", True),
        "rich": ("library-version", True),
        "numpy": ("library-version", False),
    }


def test_locked_requirements_that_hold_none_are_refused(tmp_path: Path) -> None:
    """A file that says nothing would find nothing."""
    file = tmp_path / "r.txt"
    with pytest.raises(ConfigError, match="cannot be read"):
        versions.pins(file)
    file.write_text("typer>=0.16\n")
    with pytest.raises(ConfigError, match="no locked requirement"):
        versions.pins(file)


def test_a_check_that_fails_is_a_finding_and_a_surprise_goes_on() -> None:
    """What a component raises becomes the check's own finding; the other checks run all the same."""

    def away() -> list[Looked]:
        raise LogUnavailable("no answer")

    def broken() -> list[Looked]:
        raise RuntimeError("ours")

    unless = ("log-unreachable", "here", "start it")
    after = Check("b", lambda: [Looked("x", "y")])

    def told(error: Exception) -> str | None:
        return str(error) if isinstance(error, AuditError) else None

    report = examine([Check("a", away, unless), after], told)
    assert [(area, each.code, each.what) for area, each in report.findings] == [
        ("a", "log-unreachable", "no answer")
    ]
    assert [area for area, _ in report.looked] == ["b"]
    assert report.grave
    with pytest.raises(RuntimeError, match="ours"):
        examine([Check("a", broken, unless)], told)


@pytest.mark.parametrize("url", ["http://[", "http://h:x/", "http://h:99999999/"])
def test_an_address_that_is_none_is_told_as_such(url: str) -> None:
    """Settings of a stranger's making."""
    with pytest.raises(OSError, match=r"."):
        reach.get(url, timeout=0.2)
