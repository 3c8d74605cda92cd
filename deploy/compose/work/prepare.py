"""Makes a fresh system ready to answer: topics, keys, root, policy, two versions judged, signed for and deployed.

    python prepare.py --examples DIR --keys DIR --client FILE --alerts DIR --controller URL

The settings are those of AFFIANT_CONFIG, the MLflow server that of MLFLOW_TRACKING_URI. Each step is a command of
Affiant's and is printed as it is typed. What is there already is left as it is, so that it may be run at each start,
and again after it broke off: the last step of a version is its deployment, and a version that was deployed is not made
again.

Who is who: lea signs for legal, omar operates and deploys, both sign the root and the policy, the pipeline signs for
gates, and the robot is the controller, whose key may roll back and nothing else. One signature, lea's, lets a package
be live: enough for an example, and warned of.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Final

from audit.config import Config, load
from audit.files import make_directory, replace_file
from audit.settings import NotarySettings
from cli.main import app, guarded
from monitoring.settings import ControllerSettings
from registry.settings import GovernanceSettings, mlflow_access
from registry.stores import configured_store
from registry.stores.mlflow import MlflowStore
from service.settings import GatewaySettings

SERVICE: Final = "credit"
PEOPLE: Final = {"lea": "legal", "omar": "operations", "pipeline": "gates", "robot": "controller"}
TWO: Final = ("lea", "omar")
"""Who signs the root and the policy: neither of them alone."""
VERSIONS: Final = {7: "the first", 8: "a better one"}
"""Seed of the training → why it is deployed."""
CLIENT: Final = "traffic"


class Failed(Exception):  # noqa: N818 - what a command did; it has said why
    """A step did not do what it should."""


def main() -> int:
    """Run it; an exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--examples", type=Path, required=True, help="the folder of the credit example")
    parser.add_argument("--keys", type=Path, required=True, help="where people's keys are kept")
    parser.add_argument("--client", type=Path, required=True, help="where the API key of the traffic goes")
    parser.add_argument("--alerts", type=Path, required=True, help="a folder for the rules of the alerts")
    parser.add_argument("--controller", required=True, help="the controller's webhook, for Alertmanager")
    options = parser.parse_args()
    sys.path.insert(0, str(options.examples))
    try:
        config = load()
        constitute(config, options.keys, options.examples / "drift-policy.yaml")
        open_doors(config, options.client, options.alerts, options.controller)
        for seed, why in VERSIONS.items():
            version(config, options.keys, seed, why)
        affiant("model", "sync-mlflow")
    except Failed as failed:
        print(f"prepare: {failed}", file=sys.stderr)
        return 1
    print("everything is there: the gateway answers for credit")
    return 0


def affiant(*arguments: str | Path, shown: bool = True, wanted: tuple[int, ...] = (0,)) -> str:
    """A command of Affiant's in this process; what it printed. `shown`: whether that is printed, too.

    Raises:
        Failed: its exit code is not among those that are wanted.
    """
    words = [str(each) for each in arguments]
    print("$ affiant " + " ".join(word if " " not in word else f"'{word}'" for word in words), flush=True)
    output = io.StringIO()
    with redirect_stdout(output):
        code = guarded(lambda: app(args=words, prog_name="affiant"), words)
    if shown or code not in wanted:
        print(output.getvalue(), end="", flush=True)
    if code not in wanted:
        raise Failed(f"affiant {words[0]} ended with {code}")
    return output.getvalue()


def constitute(config: Config, keys: Path, policy: Path) -> None:
    """The notary's key, the topics, people's keys, the root, and the policy in force."""
    notary = config.section("notary", NotarySettings)
    if not config.resolve(notary.key_file).exists():
        affiant("notary", "keygen")
    affiant("topics", "create")
    found = {person: key_of(config, keys, person) for person in PEOPLE}
    for person, key in found.items():
        if not key.exists():
            affiant("roles", "keygen", key, "--person", person)
    make_root(config, found)
    for person in unsigned():
        affiant(
            "policy", "propose", policy, "--role", "policy", "--rationale", "for the example",
            "--key", found[person], "--yes",
        )  # fmt: skip


def unsigned() -> list[str]:
    """Who has still to sign the policy: it may have broken off between the two."""
    shown = json.loads(affiant("policy", "show", "--json", shown=False, wanted=(0, 1)))
    if shown["in_force"] is not None:
        return []
    signed = {each["person"] for proposal in shown["proposals"] for each in proposal["signed"]}
    return [person for person in TWO if person not in signed]


def key_of(config: Config, keys: Path, person: str) -> Path:
    """A person's key; the controller's is where the settings look for it."""
    if person == "robot":
        return config.resolve(config.section("controller", ControllerSettings).key_file)
    return keys / f"{person}.key"


def make_root(config: Config, keys: dict[str, Path]) -> None:
    """The first root, signed by two; in its place at once or not at all, as nobody may believe a draft."""
    root = config.section("governance", GovernanceSettings).root
    if root is None:
        raise Failed("the settings name no [governance] root")
    target, draft = config.resolve(root), keys["lea"].with_name("root.draft.json")
    if target.exists():
        return
    draft.unlink(missing_ok=True)
    public = [word for key in keys.values() for word in ("--key", f"{key}.pub")]
    roles = [f"root=2:{','.join(TWO)}", f"policy=2:{','.join(TWO)}", "deploy=omar"]
    roles += [f"{role}={person}" for person, role in PEOPLE.items()]
    affiant("roles", "init", draft, *public, *(word for role in roles for word in ("--role", role)))
    for person in TWO:
        affiant("roles", "sign", draft, "--key", keys[person], "--yes")
    replace_file(target, draft.read_bytes())


def open_doors(config: Config, client: Path, alerts: Path, controller: str) -> None:
    """The controller's token, an API key for the traffic, and the alerts' rules."""
    token = config.resolve(config.section("controller", ControllerSettings).token_file)
    if not token.exists():
        affiant("controller", "token")
    file = config.section("gateway", GatewaySettings).keys_file
    if file is None:
        raise Failed("the settings name no [gateway] keys_file")
    if not client.exists():
        if config.resolve(file).exists():  # a key that nobody has: it broke off between the two files
            affiant("gateway", "keys", "remove", CLIENT)
        # The key itself is printed once, and nowhere but into its file.
        made = affiant("gateway", "keys", "add", CLIENT, shown=False)
        with open(os.open(client, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as output:  # noqa: PTH123
            output.write(made)
    make_directory(alerts)
    affiant("alerts", "render", "--out", alerts, "--controller", controller, "--token-file", token, "--force")


def version(config: Config, keys: Path, seed: int, why: str) -> None:
    """Train, publish, judge, sign for and deploy one version. MLflow's model registry gets the package, too."""
    from registry.table import read_table

    done = json.loads(affiant("history", "--json", shown=False))["services"]
    if any(event["reason"] == why for service in done for event in service["events"]):
        return
    from train import DATA, train_xgboost

    package = train_xgboost(read_table(DATA), seed, print).published.package
    digest = configured_store(config).push(package)
    MlflowStore(mlflow_access()).push(package)
    service = ("--service", SERVICE)
    affiant("gate", "run", digest, *service, "--key", keys / "pipeline.key")
    affiant("card", "attach", digest)  # what is signed from here on comes into them by itself
    affiant(
        "approve", digest, *service, "--role", "legal", "--rationale", "read by lea",
        "--key", keys / "lea.key", "--yes", shown=False,
    )  # fmt: skip
    affiant("deploy", SERVICE, digest, "--reason", why, "--key", keys / "omar.key", "--yes")


if __name__ == "__main__":
    sys.exit(main())
