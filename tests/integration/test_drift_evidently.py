"""Evidently's page beside ours: of the rows that were counted, of the right table, and nobody is asked."""

from __future__ import annotations

import re
import shutil
import socket
import sys
from importlib import util
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from audit.errors import ConfigError
from audit.proof.entry import Key
from cli import drift_report
from cli.drift_evidently import Beside, beside, held, write
from monitoring.judging import judged_by
from monitoring.judging.again import NotThose
from monitoring.report.evidently import UNSEEN, evidently_page, frame_of
from registry.signature import Feature, Signature
from registry.table import Table, read_table
from tests.components.approvals import affiant
from tests.components.controlled import PANE, Site
from tests.components.monitored import Traffic, local_log
from tests.components.packages import number_package, number_table

NETWORK = {"socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"}
_asked: list[tuple[str, Any]] = []
_watching = False


def _watch(event: str, arguments: Any) -> None:
    if _watching and event in NETWORK and "127.0.0.1" not in str(arguments):
        # This machine's own servers are asked by what other tests have left running.
        _asked.append((event, arguments))


@pytest.fixture
def asked() -> Any:
    """What this process asks of the network meanwhile. An audit hook stays for ever; it is quiet afterwards."""
    global _watching  # noqa: PLW0603 - a hook has no other way to know
    sys.addaudithook(_watch)
    _watching = True
    socket.getaddrinfo("192.0.2.1", 9)  # a watch that sees nothing would prove nothing
    assert _asked
    _asked.clear()
    yield _asked
    _watching = False


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """Six panes of drifted requests."""
    return Site.built().copy(tmp_path_factory.mktemp("evidently") / "site")


@pytest.fixture(scope="module")
def training(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The table that the package was made from."""
    path = tmp_path_factory.mktemp("table") / "numbers.csv"
    number_table().frame.to_csv(path, index=False)
    return path


def again(site: Site, more: Beside) -> Any:
    """What the command counts again."""
    evidence, policy = site.evidence(), site.town.policy
    found = drift_report._Found(evidence, judged_by(policy, "credit"), drift_report._log(site.loaded))
    return drift_report._again(site.loaded, found, more)


def test_evidently_sees_the_rows_that_were_counted(
    site: Site, training: Path, tmp_path: Path, asked: list[Any]
) -> None:
    """The window's rows, no others, as the model was given them; its page has all in it, and nobody was asked."""
    more = Beside(tmp_path / "evidently.html", read_table(training))
    found = again(site, more)
    assert found.rows.shape == (found.judging.window_rows, 3)
    assert 0 < found.judging.window_rows < 6 * PANE
    for place, (column, counts) in enumerate(found.judging.counts()):
        if place < 3:
            assert (column.count(found.rows[:, place]) == counts).all()
    write(more, found.package, found.rows, force=False)
    text = more.page.read_text()
    assert not re.findall(r'<(?:script|link|img|iframe)[^>]*(?:src|href)="?https?:', text)
    assert '"a"' in text
    assert "Drift" in text
    assert not asked, asked
    assert "iterative_telemetry" not in sys.modules


def test_rows_of_another_slot_are_not_among_them(site: Site, training: Path, tmp_path: Path) -> None:
    """A canary's, in the same panes."""
    own = site.copy(tmp_path / "site")
    shutil.rmtree(own.directory / "data" / "log")
    traffic = Traffic(number_package("two"), service="credit")
    values = [
        traffic.value(traffic.rows(1) + (4, 0)[at % 4 == 0], fields={Key.SLOT: int(at % 4 == 0)})
        for at in range(6 * PANE)
    ]
    local_log(own.directory / "data" / "log", values)
    found = again(own, Beside(tmp_path / "evidently.html", read_table(training)))
    assert len(found.rows) == found.judging.window_rows
    assert np.nanmean(found.rows[:, 0]) > 3.5


def test_another_table_is_refused(site: Site, tmp_path: Path) -> None:
    """The package's lineage says which it was."""
    other = tmp_path / "other.csv"
    number_table().frame.head(399).to_csv(other, index=False)
    with pytest.raises(ConfigError, match="was made from a table with the SHA-256"):
        again(site, Beside(tmp_path / "evidently.html", read_table(other)))


def test_rows_that_are_not_as_many_as_were_counted_are_refused(site: Site, training: Path) -> None:
    """Never a page of other rows than ours."""
    found = again(site, Beside(Path("evidently.html"), read_table(training)))
    found.judging.window_rows += 1
    from monitoring.read import StorePackages
    from monitoring.report.rows import rows_of
    from registry.stores import configured_store

    packages = StorePackages(configured_store(site.loaded))
    with drift_report._log(site.loaded) as (_, reader), pytest.raises(NotThose, match="were counted"):
        rows_of(site.evidence(), found.judging, reader, packages, None)


def test_one_option_wants_the_other(site: Site, tmp_path: Path) -> None:
    """Before anything is counted."""
    done = affiant("drift", "report", "credit", "--evidently", tmp_path / "e.html", *site.config)
    assert done.code == 2
    assert "--reference TABLE belong together" in " ".join(done.err.split())


def test_without_the_extra_it_says_which(
    training: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line before the work is done."""

    def missing(name: str) -> Any:
        return None if name == "evidently" else util.find_spec(name)

    monkeypatch.setattr("cli.drift_evidently.find_spec", missing)
    with pytest.raises(ConfigError, match=r"affiant\[reports\]"):
        beside(tmp_path / "e.html", training, force=False)


def test_names_are_no_markup_and_codes_are_texts() -> None:
    """Evidently writes them as they are; what the signature does not know is told apart from what is missing."""
    signature = Signature(
        name="s",
        task="binary",
        features=(
            Feature(name="n<script>", type="number", missing=True),
            Feature(name="g", type="category", categories=("<b>low", "high"), missing=True),
        ),
        classes=("0", "1"),
        positive_class="1",
        threshold=0.5,
    )
    rows = np.array([[1, 0], [np.inf, 1], [np.nan, np.nan], [2, -1]], np.float32)
    frame = frame_of(rows, signature)
    assert list(frame.columns) == ["n(script)", "g"]
    assert frame["g"].tolist() == ["(b)low", "high", None, UNSEEN]
    assert frame["n(script)"].isna().tolist() == [False, True, True, False]
    page = evidently_page(np.tile(rows, (10, 1)), np.tile(rows, (10, 1)), signature)
    assert "n<script>" not in page
    assert "<b>low" not in page


def test_a_package_that_names_no_table_takes_any(site: Site, training: Path) -> None:
    """Where nothing is said, nothing is held."""

    class Silent:
        lineage: ClassVar[dict[str, Any]] = {}

    table: Table = read_table(training)
    held(Silent(), table)  # type: ignore[arg-type]
