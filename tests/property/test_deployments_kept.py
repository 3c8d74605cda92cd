"""A fold of deployments that was kept and goes on is the fold that never ended; what is sent again changes nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.proof.dsse import key_id
from audit.proof.errors import FormatError
from registry.approvals.root import KeyModel, RoleModel, Root, RootModel, fold_roots, sign_root
from registry.deployment import Fold, fold_deployments
from registry.deployment.change import left_behind
from registry.statement import DEPLOYMENT, Said, encode

DIGESTS = [f"sha256:{letter * 64}" for letter in "abc"]
NOW = 1_700_000_000


class Key:
    """Of one person."""

    def __init__(self, seed: int) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)
        self.public_key = self._key.public_key().public_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        """See `audit.proof.note.Signer`."""
        return self._key.sign(message)


DAN, MACHINE, EVE = (Key(seed) for seed in (1, 2, 3))
KEYS = [key_id(each.public_key) for each in (DAN, MACHINE, EVE)]


def first_root() -> Root:
    """Dan deploys, a machine is the controller, Eve is known and has no role."""
    keys = {
        key_id(key.public_key): KeyModel(public=key.public_key.hex(), person=person)
        for key, person in ((DAN, "dan"), (MACHINE, "machine"), (EVE, "eve"))
    }
    roles = {
        role: RoleModel(keys=[key], threshold=1)
        for role, key in (("root", KEYS[0]), ("deploy", KEYS[0]), ("controller", KEYS[1]))
    }
    return sign_root(RootModel(version=1, keys=keys, roles=roles), [DAN])


ROOTS = fold_roots(first_root(), ())


def event(number: int, author: str, content: dict[str, Any], *, holds: bool = True) -> Said:
    """A deployment at that offset; its bytes are those of its content."""
    digests = [each["digest"] for each in content["plan"]]
    raw = encode(digests, DEPLOYMENT, content)
    time = NOW + 60 * number
    return Said(number, 1000 * time, 0, author, holds, DEPLOYMENT, tuple(digests), content, raw)


def content(
    number: int, after: int | None, action: str, plan: list[dict[str, Any]], service: str
) -> dict[str, Any]:
    """What an event says; one that begins a canary brings steps."""
    steps = {"shares": [0.5, 1.0], "seconds": 60.0} if action == "deploy" and len(plan) > 1 else None
    said: dict[str, Any] = {
        "format": 1, "service": service, "action": action, "plan": plan, "after": after, "reason": f"reason {number}",
        "actor": "x", "at": float(NOW + 60 * number), "evidence": None,
    }  # fmt: skip
    return said if steps is None else said | {"steps": steps}


@st.composite
def logs(draw: st.DrawFn) -> list[Said]:
    """Events that mostly follow each other, of whom and what there may be; some are sent again."""
    log: list[Said] = []
    for number in range(draw(st.integers(1, 14))):
        if log and draw(st.integers(0, 4)) == 0:
            before = draw(st.sampled_from(log))
            log.append(before._replace(offset=number, logged=1000 * (NOW + 60 * number)))
            continue
        service = draw(st.sampled_from(["credit", "credit", "cards"]))
        found = fold_deployments(ROOTS, log).get(service)
        last = None if found is None or found.last is None else found.last.offset
        plan = [each.model_dump() for each in found.plan] if found is not None else []
        action = draw(st.sampled_from(["deploy", "deploy", "rollback", "step", "pause", "resume", "promote"]))
        digest, other = draw(st.permutations(DIGESTS).map(lambda each: each[:2]))
        canary = [
            {"digest": digest, "slot": "live", "weight": 0.9},
            {"digest": other, "slot": "canary", "weight": 0.1},
        ]
        half = [each | {"weight": 0.5} for each in (plan if len(plan) == 2 else canary)]
        whole = [{"digest": digest, "slot": "live", "weight": 1.0}]
        chosen = draw(st.sampled_from([plan or whole, whole, canary, half]))
        after = draw(st.sampled_from([last, last, last, None, number + 1, 0]))
        author = draw(st.sampled_from([KEYS[0], KEYS[0], KEYS[1], KEYS[2]]))
        log.append(event(number, author, content(number, after, action, chosen, service)))
    return log


@given(logs(), st.data())
@settings(max_examples=60)
def test_a_fold_that_was_kept_goes_on_as_if_it_had_never_ended(log: list[Said], data: st.DataObject) -> None:
    """Wherever it was cut; what it says is in JSON in between."""
    whole, before = Fold(), Fold()
    cut = data.draw(st.integers(0, len(log)))
    whole.take(ROOTS, log)
    before.take(ROOTS, log[:cut])
    after = Fold.resume(json.loads(json.dumps(before.kept())), ROOTS, lambda offset: log[offset])
    assert after.standing() == before.standing()
    after.take(ROOTS, log[cut:])
    assert after.standing() == whole.standing()
    assert after.plans() == whole.plans()
    assert {name: each.last for name, each in fold_deployments(ROOTS, log).items()} == {
        name: each.last for name, each in after.standing().items()
    }


@given(logs())
@settings(max_examples=60)
def test_what_a_rollback_has_left_is_told_without_the_events(log: list[Said]) -> None:
    """As those who have all of them tell it."""
    fold = Fold()
    fold.take(ROOTS, log)
    told = {name: set(each.left) for name, each in fold.standing().items()}
    assert told == {name: left_behind(each) for name, each in fold_deployments(ROOTS, log).items()}


@given(logs())
@settings(max_examples=30)
def test_what_was_live_is_told_of_each_place(log: list[Said]) -> None:
    """As a fold of what stands before it says."""
    fold = Fold()
    fold.take(ROOTS, log)
    for offset in range(len(log) + 1):
        found = fold_deployments(ROOTS, log[:offset]).get("credit")
        live = None if found is None or found.last is None else found.last.content.live
        assert fold.live_at("credit", offset) == live


def line(*plans: int) -> list[Said]:
    """Deployments that follow each other; each of that digest alone."""
    return [
        event(
            number, KEYS[0],
            content(
                number, number - 1 if number else None, "deploy",
                [{"digest": DIGESTS[each], "slot": "live", "weight": 1.0}], "credit",
            ),
        )
        for number, each in enumerate(plans)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda kept, _: kept | {"since": [9]}, "no deployment at offset 9"),
        (lambda kept, _: kept | {"since": [-1]}, "no deployment at offset -1"),
        (lambda kept, _: kept | {"since": [0, 2]}, "at offset 2 does not count"),
        (lambda kept, _: kept | {"lives": [7, 7, 7]}, "no such digest"),
        (lambda kept, _: kept | {"starts": [0]}, "no such digest"),
        (lambda kept, _: kept | {"refused": [9]}, "no deployment at offset 9"),
        (lambda kept, _: kept | {"left": {"sha256:" + "f" * 64: 1}}, "never live"),
        (lambda kept, _: kept | {"more": 1}, "not what was kept"),
        (lambda kept, log: (log.__setitem__(2, log[2]._replace(author=KEYS[2])), kept)[1], "does not count"),
        (lambda kept, log: (log.__setitem__(2, log[2]._replace(holds=False)), kept)[1], "no deployment"),
    ],
)
def test_what_contradicts_the_log_is_not_gone_on_from(change: Any, why: str) -> None:
    """The events that a service stands on are read again, with their signatures."""
    log = line(0, 1, 2)
    fold = Fold()
    fold.take(ROOTS, log)
    kept = {"credit": change(fold.kept()["credit"], log)}
    with pytest.raises(FormatError, match=why):
        Fold.resume(kept, ROOTS, lambda offset: dict(enumerate(log)).get(offset))
    with pytest.raises(FormatError):
        Fold.resume(7, ROOTS, lambda _: None)


def test_an_event_that_waits_for_the_one_before_it_does_not_come_to_count() -> None:
    """It names an offset that is still to come; sent again when that is there, it is as old as it was."""
    early = event(
        1, KEYS[0], content(1, 2, "deploy", [{"digest": DIGESTS[1], "slot": "live", "weight": 1.0}], "credit")
    )
    log = [*line(0), early]
    log.append(
        event(
            2,
            KEYS[0],
            content(2, 0, "deploy", [{"digest": DIGESTS[2], "slot": "live", "weight": 1.0}], "credit"),
        )
    )
    log.append(early._replace(offset=3, logged=early.logged + 1))
    fold = Fold()
    fold.take(ROOTS, log)
    assert fold.live_at("credit", 4) == DIGESTS[2]
