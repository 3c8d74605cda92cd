"""Cards and MLflow's tags that follow by themselves: `--every`, as a process of its own."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.components.approvals import House
from tests.components.image import run_in_image
from tests.components.packages import credit_package
from tests.components.ports import HOST, free_port
from tests.components.process import Process

ROOT = Path(__file__).parents[3]
OF_A_CLUSTER = (
    "audit.log.kafka", "registry.cards.attached.mlflow", "registry.cards.attached.oci", "registry.stores.mlflow",
    "registry.stores.oci",
)  # fmt: skip


@pytest.fixture
def house(tmp_path: Path) -> House:
    """A package whose gates have passed, and its cards."""
    built = House.build(tmp_path, [credit_package()])
    built.gates()
    built.ok("card", "attach", built.digest, *built.config)
    return built


def following(house: House, *command: str, env: Mapping[str, str] | None = None) -> Process:
    """A command that is done ten times a second."""
    argv = [
        sys.executable, "-P", "-m", "cli.main", *command, "--every", "0.1",
        "--touch", str(house.file("followed")), *house.config,
    ]  # fmt: skip
    return Process(argv, log=house.file("following.txt"), cwd=ROOT, env=dict(env or {}))


def card(house: House) -> str:
    """What people read: the newest model card that is kept."""
    return str(house.ok("card", "list", house.digest, *house.config, "--json").json["cards"][0]["attached"])


def test_kept_cards_follow_what_is_signed_and_outlive_a_log_that_is_away(house: House) -> None:
    """Nobody calls anything: an approval, then, after the log was away, a rejection."""
    log = house.file("data") / "log-governance"
    assert log.is_dir()
    with following(house, "card", "sync") as process:
        process.wait_until(house.file("followed").exists, what="a first time that went well")
        for verb in ("approve", "reject"):
            before = card(house)
            assert house.sign(verb, "dan", "legal").code == 0
            process.wait_until(lambda: card(house) != before, what=f"cards that know of: {verb}")  # noqa: B023 - waited for
            said = process.log_text().count("not done this time")
            log.rename(house.file("elsewhere"))
            process.wait_until(
                lambda: process.log_text().count("not done this time") >= said + 2,  # noqa: B023 - waited for
                what="being told, twice, that the log is away",
            )
            house.file("elsewhere").rename(log)
        assert process.stop() == 0
    assert "again in 0.1 s" in process.log_text()


def test_what_follows_to_mlflow_outlives_a_server_that_is_away(house: House) -> None:
    """It says so each time, touches nothing, and ends in order when it is told to."""
    env = {"MLFLOW_TRACKING_URI": f"http://{HOST}:{free_port()}", "XDG_CACHE_HOME": str(house.file("cache"))}
    with following(house, "model", "sync-mlflow", env=env) as process:
        process.wait_until(
            lambda: process.log_text().count("not done this time; again in 0.1 s") >= 2,
            what="two times in vain",
        )
        assert process.stop() == 0
    assert "does not answer" in process.log_text()
    assert not house.file("followed").exists()


@pytest.mark.parametrize(("command", "code"), [(("card", "sync"), 0), (("model", "sync-mlflow"), 3)])
def test_the_controller_s_image_has_what_they_need(house: House, command: tuple[str, ...], code: int) -> None:
    """The chart runs them by it: cards are drawn anew, and MLflow is asked, which is away here."""
    assert house.sign("approve", "dan", "legal").code == 0
    away = {"HOME": str(house.directory), "MLFLOW_TRACKING_URI": f"http://{HOST}:{free_port()}"}
    done = run_in_image("controller", OF_A_CLUSTER, [*command, *house.config], away)
    assert done.returncode == code, done.stdout + done.stderr
    if command[0] == "card":
        assert "1 package with cards; 1 rewritten" in done.stdout
    else:
        assert "does not answer" in done.stderr
