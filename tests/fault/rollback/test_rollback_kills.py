"""kill -9 of everything between an answer and a rollback, at any time: no false rollback, and none is missed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import pytest

from tests.components.chain import Chain
from tests.components.kafka import KafkaBroker
from tests.fault.rollback.kills import CLOCKED, VICTIMS, Jump, Kill, jumps, kills
from tests.fault.rollback.table import keep
from tests.fault.rollback.world import Campaign, Told

pytestmark = [pytest.mark.kafka, pytest.mark.prometheus, pytest.mark.fault, pytest.mark.slow]

SEED: Final = int(os.environ.get("AFFIANT_FAULT_SEED") or 7)
ROUNDS: Final = int(os.environ.get("AFFIANT_ROLLBACK_ROUNDS") or 3)
"""Of each kind, in the long form."""
AT_ONCE: Final = 6.0
"""Seconds after the input broke within which a kill comes: until it is rolled back where nobody is killed, and some."""
SHORT: Final = ("aggregator", "prometheus", "alertmanager", "controller", "broker")
KINDS: Final = ("nothing", *VICTIMS, "all", "clocks")


@pytest.mark.timeout(400)
def test_killed_once_each_a_rollback_is_neither_false_nor_missed(
    tmp_path: Path, own_kafka: KafkaBroker
) -> None:
    """In peace, where the figures are those of one monitor that nobody killed; and while the input is broken."""
    with Chain(tmp_path / "chain", own_kafka, workers=1, repeat="2s") as chain:
        campaign = Campaign(chain, SEED, 150.0)
        live = campaign.begin()
        calm = campaign.calm(kills(campaign.chance, SHORT[:3], 3.0), 600)
        chain.asking.go_on()
        broken = campaign.drift("all", live, kills(campaign.chance, SHORT, 4.0))
        assert (len(calm.killed), len(broken.killed)) == (3, 5)
        assert (chain.asking.failed, calm.ended, broken.ended) == ([], [], [])


@pytest.mark.long
@pytest.mark.timeout(14_400)
def test_killed_again_and_again_rollbacks_are_neither_false_nor_missed(
    tmp_path: Path, own_kafka: KafkaBroker
) -> None:
    """Each of them, all together, and clocks that jump; as Alertmanager is set by what is rendered."""
    told: list[Told] = []
    table = ""
    with Chain(tmp_path / "chain", own_kafka, versions=1 + ROUNDS * len(KINDS)) as chain:
        campaign = Campaign(chain, SEED, 900.0)
        for number in range(ROUNDS):
            for kind in KINDS:
                live = campaign.begin()
                if kind == "all":
                    told.append(campaign.calm(kills(campaign.chance, VICTIMS * 2, 20.0), 4000))
                    chain.asking.go_on()
                told.append(campaign.drift(kind, live, planned(campaign, kind)))
                table = keep(told)
                print(f"round {number}: {told[-1]}", flush=True)
        print(table)
        assert (chain.asking.failed, [each.ended for each in told if each.ended]) == ([], [])


def planned(campaign: Campaign, kind: str) -> list[Kill | Jump]:
    """What happens while the input is broken: one of them is killed twice, or each of them once."""
    chance = campaign.chance
    if kind == "clocks":
        return [*jumps(chance, CLOCKED, AT_ONCE)]
    victims = {"nothing": (), "all": VICTIMS}.get(kind, (kind, kind))
    return [*kills(chance, victims, AT_ONCE)]
