"""Gates, signatures and deployments of a real governance log, as a data scientist sees them in a real MLflow server."""

from __future__ import annotations

import time
import uuid
from typing import Any

import pytest

from audit.governance import Governance
from audit.log import configured_governance_log
from registry.deployment import Deployment, Placed, encode_deployment, fold_deployments
from registry.mlflow.client import Client
from registry.mlflow.versions import DIGEST_TAG, Versions
from registry.mlflow.write_back import Written, write_back
from registry.package import Package
from registry.settings import mlflow_access
from registry.statement import append
from registry.stores.mlflow import MlflowStore
from tests.components.approvals import House, affiant
from tests.components.mlflow import MlflowServer
from tests.components.packages import credit_package

pytestmark = pytest.mark.mlflow


class Scene:
    """A governed house whose two packages are versions of one registered model."""

    def __init__(self, house: House, server: MlflowServer, name: str, packages: list[Package]) -> None:
        self.house = house
        self.name = name
        self.versions = Versions(Client(mlflow_access(server.address)))
        self.digests = [package.digest for package in packages]
        self.later = 0.0
        """Seconds from now on, of the next look."""

    def sync(self) -> Written:
        """What the command does."""
        board = self.house.board()
        written = write_back(
            board.said,
            board.roots,
            self.versions,
            publisher=lambda _: "somebody",
            now=time.time() + self.later,
        )
        assert written.problems == []
        return written

    def tags(self, place: int = 0) -> dict[str, str]:
        """Ours, of the version of a package, without the finding aids."""
        (version,) = self.versions.of(self.digests[place])
        return {
            key.removeprefix("affiant."): value
            for key, value in version.tags.items()
            if key not in (DIGEST_TAG, "affiant.kept")
        }

    def aliases(self) -> dict[str, int]:
        """Alias → place of the package, from 1."""
        return self.versions.aliases(self.name)

    def admit(self, place: int, service: str = "credit") -> None:
        """Gates and signatures that its policy wants."""
        digest = self.digests[place]
        self.house.gates(digest=digest, service=service)
        for person, role in (("dan", "legal"), ("bob", "compliance"))[: 2 if service == "credit" else 1]:
            assert self.house.sign("approve", person, role, service=service, digest=digest).code == 0

    def stages(self, place: int = 0) -> dict[str, str]:
        """Of its tags, those of stages."""
        return {key: value for key, value in self.tags(place).items() if key.startswith("stage")}

    def deploy(self, *plan: tuple[int, str, float], who: str = "dan", service: str = "credit") -> None:
        """Append a deployment event: (place, slot, weight)."""
        board = self.house.board()
        before = fold_deployments(board.roots, board.said).get(service)
        event = Deployment(
            service=service, action="deploy", reason="time for it", actor=who, at=time.time(),
            plan=[Placed(digest=self.digests[at], slot=slot, weight=share) for at, slot, share in plan],  # type: ignore[arg-type]
            after=before.last.offset if before and before.last else None,
        )  # fmt: skip
        append(
            Governance(configured_governance_log(self.house.loaded), self.house.signer(who)),
            [encode_deployment(event)],
        )


@pytest.fixture(scope="module")
def packages() -> list[Package]:
    """Two of one model, whose digests no other test has."""
    name = f"loans {uuid.uuid4().hex[:8]}"
    return [credit_package(name, form) for form in ("ubj", "json")]


@pytest.fixture(scope="module")
def built(packages: list[Package], tmp_path_factory: pytest.TempPathFactory) -> House:
    """Keys, root, policy."""
    return House.build(tmp_path_factory.mktemp("house"), packages)


@pytest.fixture
def scene(
    built: House,
    packages: list[Package],
    mlflow_server: MlflowServer,
    tmp_path: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> Scene:
    """A copy of the house, and versions of its own in MLflow."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow_server.address)
    prefix = f"{uuid.uuid4().hex[:8]} "
    store = MlflowStore(mlflow_access(mlflow_server.address), prefix=prefix)
    for package in packages:
        store.push(package)
    scene = Scene(built.copy(tmp_path / "house"), mlflow_server, prefix + packages[0].name, packages)
    scene.versions.prefix = prefix
    return scene


def test_gates_and_signatures_are_tags(scene: Scene) -> None:
    """What failed and why, who signed and until when; taken away when it is revoked."""
    failing = [
        {"name": "documentation", "verdict": "passed", "reason": ""},
        {"name": "size", "verdict": "failed", "reason": "51 megabytes; 50 are allowed"},
    ]
    scene.house.gates(results=failing)
    scene.sync()
    assert scene.tags() == {
        "gates.credit": "failed: size",
        "gate.credit.documentation": "passed",
        "gate.credit.size": "failed: 51 megabytes; 50 are allowed",
    }
    scene.house.gates()
    assert scene.house.sign("approve", "dan", "legal", rationale="read the card").code == 0
    assert scene.house.sign("reject", "bob", "compliance", rationale="by age, no").code == 0
    scene.sync()
    tags = scene.tags()
    assert tags["gates.credit"] == "passed"
    assert tags["approved.credit.legal"].startswith("dan, 20")
    assert " until 20" in tags["approved.credit.legal"]
    assert tags["approved.credit.legal"].endswith(": read the card")
    assert tags["rejected.credit.compliance"].endswith(": by age, no")
    assert scene.house.sign("approve", "bob", "compliance", rationale="looked again").code == 0
    scene.sync()
    assert "rejected.credit.compliance" not in scene.tags()
    assert scene.house.sign("revoke", "ann", rationale="biased after all").code == 0
    scene.sync()
    assert scene.tags().keys() == {"revoked.credit"}
    assert scene.tags()["revoked.credit"].endswith(": biased after all")
    assert scene.tags(1) == {}


def test_a_deployment_moves_stages_and_aliases(scene: Scene) -> None:
    """Live, canary, shadow, and what was there before; an alias leads to one version."""
    for place, service in ((0, "credit"), (1, "credit"), (0, "cards"), (1, "cards")):
        scene.admit(place, service)
    scene.deploy((0, "live", 1.0))
    scene.sync()
    assert scene.stages() == {"stage": "production", "stage.credit": "production"}
    assert scene.aliases() == {"production": 1, "production-credit": 1}
    scene.deploy((0, "live", 0.9), (1, "canary", 0.1))
    scene.sync()
    assert scene.aliases() == {"production": 1, "production-credit": 1, "canary": 2, "canary-credit": 2}
    scene.deploy((1, "live", 1.0))
    scene.deploy((0, "live", 0.9), (1, "canary", 0.1), service="cards")
    scene.sync()
    assert scene.stages(0) == {"stage": "production", "stage.credit": "retired", "stage.cards": "production"}
    assert scene.stages(1) == {"stage": "production", "stage.credit": "production", "stage.cards": "canary"}
    # Two versions are in production, each for a service: no alias says that it is one of them.
    assert scene.aliases() == {"production-credit": 2, "production-cards": 1, "canary": 2, "canary-cards": 2}
    scene.deploy((1, "live", 1.0), (0, "shadow", 0.5), service="cards")
    scene.sync()
    assert scene.tags(0)["stage"] == "staging"
    assert scene.aliases() == {
        "production": 2, "production-credit": 2, "production-cards": 2, "staging": 1, "staging-cards": 1,
    }  # fmt: skip


def test_what_may_not_answer_is_not_in_production(scene: Scene) -> None:
    """Deployed, and not admitted: gateways do not serve it, and no alias leads to it; nor once it is revoked."""
    scene.deploy((0, "live", 1.0))
    scene.sync()
    assert (scene.stages(), scene.aliases()) == ({"stage": "refused", "stage.credit": "refused"}, {})
    scene.admit(0)
    scene.sync()
    assert scene.aliases() == {"production": 1, "production-credit": 1}
    # The policy lets what is live go on when its approvals end; but they are none any more.
    scene.later = 11 * 86_400
    scene.sync()
    assert scene.stages()["stage"] == "production"
    assert [key for key in scene.tags() if key.startswith("approved")] == []
    scene.later = 0.0
    assert scene.house.sign("revoke", "ann", rationale="biased").code == 0
    scene.sync()
    assert (scene.stages(), scene.aliases()) == ({"stage": "refused", "stage.credit": "refused"}, {})


def test_the_second_time_nothing_is_written(scene: Scene) -> None:
    """And what somebody changed by hand is put right."""
    scene.admit(0)
    scene.deploy((0, "live", 1.0))
    assert scene.sync().changes != []
    assert scene.sync().changes == []
    (version,) = scene.versions.of(scene.digests[0])
    scene.versions.set_tag(version, "affiant.approved.credit.officer", "dan, today: trust me")
    scene.versions.set_tag(version, "affiant.stage", "canary")
    scene.versions.set_alias(scene.name, "production", 2)
    assert len(scene.sync().changes) == 3
    assert scene.tags()["stage"] == "production"
    assert "approved.credit.officer" not in scene.tags()
    assert scene.aliases()["production"] == 1


def test_what_is_other_peoples_stays(scene: Scene) -> None:
    """Their tags, their aliases, and an alias of a like name on a version of no package."""
    (version,) = scene.versions.of(scene.digests[0])
    scene.versions.set_tag(version, "team", "risk")
    scene.versions.set_alias(scene.name, "champion", 1)
    plain = scene.versions.create(scene.name, str(version.model), None, {}, "not ours")
    scene.versions.set_alias(scene.name, "canary-mine", plain.number)
    scene.admit(0)
    scene.deploy((0, "live", 1.0))
    scene.sync()
    assert scene.aliases() == {"champion": 1, "canary-mine": 3, "production": 1, "production-credit": 1}
    assert scene.tags()["team"] == "risk"


def test_whoever_may_not_say_so_writes_nothing(scene: Scene) -> None:
    """A stranger's gates, an approval by a key without the role, a deployment by somebody who may not."""
    scene.house.gates("eve")
    scene.house.gates("bob")
    policy = scene.house.board().policy
    assert policy is not None
    content = {
        "service": "credit",
        "role": "legal",
        "rationale": "fine",
        "policy": policy.digest,
        "at": time.time(),
    }
    scene.house.say("bob", "https://affiant.dev/approval/v1", content)
    scene.house.say("dan", "https://affiant.dev/approval/v1", content | {"policy": "sha256:" + "0" * 64})
    scene.deploy((0, "live", 1.0), who="bob")
    assert scene.sync().changes == []
    assert scene.tags() == {}


def test_the_command_writes_it_and_fails_nothing_else(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 3 when the server is away, and an approval is made all the same."""
    scene.house.gates()
    done = affiant("model", "sync-mlflow", "--json", *scene.house.config)
    assert (done.code, done.json["problems"]) == (0, [])
    assert len([each for each in done.json["changes"] if scene.name in each]) == 3
    again = affiant("model", "sync-mlflow", *scene.house.config)
    assert (again.code, "; 0 changes" in again.out) == (0, True)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    assert scene.house.sign("approve", "dan", "legal").code == 0
    away = affiant("model", "sync-mlflow", *scene.house.config)
    assert (away.code, "does not answer" in away.err) == (3, True)
    board = scene.house.board()
    nobody = Versions(Client(mlflow_access("http://127.0.0.1:1")))
    written = write_back(board.said, board.roots, nobody, publisher=lambda _: None, now=time.time())
    assert (written.away, len(written.problems), written.changes) == (True, 1, [])
