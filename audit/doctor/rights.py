"""Who may do what in a Kafka cluster: the one table that the doctor, the chart, the Terraform module and the
documentation have alike (tests/integration/test_doctor_rights.py holds them together).

Producers write, readers read, and nobody creates, alters or deletes. Who writes reads, too: it looks for what of its
own has landed. The gateway is not here: it never speaks to a broker; in a chart its pod's user is the sidecar's.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Final

ENTRIES: Final = "entries"
GOVERNANCE: Final = "governance"
PANES: Final = "panes"

READS: Final = frozenset({"READ", "DESCRIBE", "DESCRIBE_CONFIGS"})
WRITES: Final = READS | {"WRITE"}
GROUP: Final = frozenset({"READ", "DESCRIBE"})
"""On the monitors' consumer group; of the monitor alone."""

TOPICS: Final[Mapping[str, Mapping[str, frozenset[str]]]] = MappingProxyType(
    {
        "sidecar": MappingProxyType({ENTRIES: WRITES, GOVERNANCE: READS}),
        "notary": MappingProxyType({ENTRIES: READS, GOVERNANCE: WRITES}),
        "monitor": MappingProxyType({ENTRIES: READS, GOVERNANCE: READS, PANES: WRITES}),
        "controller": MappingProxyType({ENTRIES: READS, GOVERNANCE: WRITES}),
        "follow": MappingProxyType({GOVERNANCE: READS}),
        "operator": MappingProxyType({ENTRIES: READS, GOVERNANCE: WRITES}),
        "auditor": MappingProxyType({ENTRIES: READS, GOVERNANCE: READS}),
    }
)
"""User → topic → Kafka's names of operations."""
CALLERS: Final = ("follow", "operator", "auditor")
"""Users of no component, but of whoever calls commands: the jobs that bring kept cards and MLflow's tags to what is
signed; people and pipelines that sign; people and jobs that look. docs/kubernetes.md has the commands of each.
"""


def speaks(components: Collection[str]) -> bool:
    """Whether any of them speaks to a broker."""
    return any(each in TOPICS for each in components)


def needed(components: Collection[str], topic: str) -> frozenset[str]:
    """What a user needs on a topic that is all of these; empty: nothing of it is theirs."""
    own = (TOPICS[each].get(topic, frozenset()) for each in components if each in TOPICS)
    return frozenset().union(*own)
