"""The lineage where the governance log is a topic of a real broker: read on, and read again when it is another."""

from __future__ import annotations

import time
import uuid
from pathlib import Path

import pytest

from registry.lineage import DataSet
from tests.components.approvals import House, affiant
from tests.components.lineage import package_of

pytestmark = pytest.mark.kafka
MD5 = "md5:" + "1" * 32


def settings(broker: str) -> str:
    """Topics of one's own."""
    name = uuid.uuid4().hex[:12]
    return (
        f'\n[log]\nbackend = "kafka"\nbootstrap = "{broker}"\nreplication = 1\n'
        f'topic = "entries-{name}"\ngovernance_topic = "governance-{name}"\n'
    )


def test_the_lineage_follows_a_topic_and_notices_another(
    tmp_path: Path, kafka: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was said is told, from the offset on that was read; of another topic nothing of the first is left."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    package = package_of("credit", (DataSet("rows", MD5, "dvc", False),))
    (tmp_path / "house").mkdir()
    house = House.build(tmp_path / "house", [package], settings=settings(kafka))

    def said() -> list[str]:
        done = affiant("lineage", "show", package.digest, "--json", *house.config)
        assert (done.code, done.err) == (0, ""), done
        return [each["type"] for each in done.json["said"] if each["holds"]]

    assert said() == []
    house.gates()
    assert said() == ["gates"]
    house.gates(made=time.time_ns())
    assert house.sign("approve", "dan", "legal").code == 0
    assert said() == ["gates", "gates", "approval"]
    file = house.file("affiant.toml")
    file.write_text(file.read_text().split("[log]", maxsplit=1)[0] + settings(kafka))
    house.ok("topics", "create", *house.config)
    assert said() == []
    house.gates()
    assert said() == ["gates"]
