"""What a user may do with a topic is held against what runs as it."""

from __future__ import annotations

import pytest

from audit.doctor import rights
from audit.doctor.topics import judge_rights

ALL = rights.WRITES | {"DELETE", "ALTER", "ALTER_CONFIGS"}


def judged(given: frozenset[str], components: list[str], which: str) -> dict[str, str]:
    """What is found, by its code."""
    return {each.code: each.what for each in judge_rights("here", given, components, which)}


@pytest.mark.parametrize("component", rights.TOPICS)
def test_exactly_what_a_component_needs_is_right(component: str) -> None:
    """On each of its topics; one operation less is a finding, and so is one that it does not need."""
    for which, needed in rights.TOPICS[component].items():
        assert judged(needed, [component], which) == {}
        for each in needed:
            assert judged(needed - {each}, [component], which) == {
                "topic-rights": f"this user may not {each}"
            }
        for each in ALL - needed:
            assert set(judged(needed | {each}, [component], which)) == {"topic-rights-wide"}


def test_a_reader_that_may_write_is_told_so() -> None:
    """It could put what it likes into the log; who may delete could do worse."""
    assert (
        "WRITE, which notary needs not"
        in judged(rights.WRITES, ["notary"], rights.ENTRIES)["topic-rights-wide"]
    )
    assert "put what it likes into" in judged(rights.WRITES, ["notary"], rights.ENTRIES)["topic-rights-wide"]
    assert "remove the record from" in judged(ALL, ["notary"], rights.ENTRIES)["topic-rights-wide"]


def test_one_user_of_several_components_needs_what_all_of_them_do() -> None:
    """As on one machine; the gateway beside them needs nothing of a broker."""
    assert judged(rights.WRITES, ["gateway", "sidecar", "notary"], rights.ENTRIES) == {}
    assert judged(rights.WRITES, ["gateway", "sidecar", "notary"], rights.GOVERNANCE) == {}
    assert not rights.speaks(["gateway"])


def test_an_old_broker_that_does_not_say_is_no_finding() -> None:
    """Rights are looked at where they are told."""
    assert judged(frozenset(), ["sidecar"], rights.ENTRIES) == {}
