"""From a training run to a signed approval, and what it is worth at the gateway: DVC, MLflow, gates, three signatures.

    python examples/credit/governed.py [--directory DIR]

1  people make keys; a root says who may what; the policy is signed (policy.yaml here)
2  a DVC pipeline trains with MLflow, publishes and judges: the first model fails on fairness
3  it cannot be deployed, and a gateway whose settings name it does not serve it
4  a second model, without the protected columns and with a threshold by a rule fixed beforehand, passes
5  three roles sign; it is deployed; it answers
6  from one answer back to the commit, the data and the people
7  cards, and a certificate that is checked without any of this

Everything happens under examples/credit/var-governed. DVC and MLflow come with an environment of their own.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parent))

from audited import VERIFIER, Step
from screen import SCREEN, done, fresh, heading, shown, tell, working
from system import Gateway, affiant, command, write_settings
from traffic import Answer, Connection, Request, by_name, rows_of
from train import DATA, features
from workshop import ComponentAway, Mlflow, Workshop, environment

from registry.table import read_table

HERE: Final = Path(__file__).resolve().parent
POLICY: Final = HERE / "policy.yaml"
PROTECTED: Final = ["age_in_years", "personal_status_and_sex", "foreign_worker"]
PEOPLE: Final = {
    "ann": "data-science", "lea": "legal", "cora": "compliance", "omar": "operations", "pipeline": "gates",
}  # fmt: skip
LAWYERS: Final = ("cora", "lea")
"""Who signs the policy: one of them alone could have written any."""
TRAINER: Final = "tim"
FOLLOW_SECONDS: Final = 30.0


class Story:
    """What the steps share. `good` is whether everything was as it should be."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.config = directory / "affiant.toml"
        self.good = True

    def run(self, *arguments: str, wanted: Sequence[int] = (0,), show: int = 12, quiet: bool = False) -> str:
        """A command of Affiant's as it is typed, and the first lines of what it said; its whole output."""
        ran = affiant(*arguments)
        said = ran.stdout + ran.stderr
        good = ran.returncode in wanted
        self.good &= good
        if not quiet or not good:
            typed = "affiant " + " ".join(each if " " not in each else f'"{each}"' for each in arguments)
            lines = said.rstrip().splitlines()
            rest = [f"… {len(lines) - show} more lines"] if len(lines) > show else []
            tell(Step(typed.replace(f"{self.directory}/", ""), "\n".join([*lines[:show], *rest]), good))
        return ran.stdout

    def key(self, person: str) -> str:
        """A person's key file."""
        return str(self.directory / f"{person}.key")


def main() -> int:
    """Run it; returns an exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--directory", type=Path, default=HERE / "var-governed", help="made anew at each run")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: what was started is ended
    began = time.perf_counter()
    try:
        good = tell_story(options.directory.resolve())
    except KeyboardInterrupt:
        SCREEN.print("\ninterrupted; everything that was started has ended")
        return 130
    except ComponentAway as error:
        SCREEN.print(str(error), markup=False)
        return 3
    done(f"this demo took {time.perf_counter() - began:.0f} s") if good else SCREEN.print(
        "[bold red]not as it should be[/]"
    )
    return 0 if good else 1


def tell_story(directory: Path) -> bool:
    """Each step, in order; whether all was as it should be."""
    fresh(directory)
    story = Story(directory)
    with working("making the training environment (DVC, MLflow, XGBoost; once)"):
        tools = environment()
    write_settings(story.config, {}, {"governance": {"root": "root.json"}})
    os.environ["AFFIANT_CONFIG"] = str(story.config)
    constitute(story)
    with working("starting MLflow"):
        server = Mlflow(directory / "mlflow", tools).__enter__()
    try:
        more = {
            "MLFLOW_TRACKING_URI": server.address, "GATES_KEY": story.key("pipeline"), "LOGNAME": TRAINER,
        }  # fmt: skip
        os.environ["MLFLOW_TRACKING_URI"] = server.address
        workshop = Workshop(directory / "workshop", tools, more)
        first = fail(story, workshop)
        second, commit = succeed(story, workshop)
        approve(story, second)
        asyncio.run(serve(story, first, second, commit))
        story.run("model", "sync-mlflow")
        hand_over(story, workshop, second)
        next_steps(story, second)
    finally:
        server.__exit__()
    return story.good


def constitute(story: Story) -> None:
    """Keys, the root, the policy."""
    heading("1  Who may what")
    keys: list[str] = []
    for person in PEOPLE:
        story.run("roles", "keygen", story.key(person), "--person", person, quiet=True)
        keys += ["--key", f"{story.key(person)}.pub"]
    roles = ["root=2:lea,omar", f"policy=2:{','.join(LAWYERS)}", "deploy=omar", "publish=pipeline"]
    roles += [f"{role}={person}" for person, role in PEOPLE.items()]
    root = str(story.directory / "root.json")
    story.run(
        "roles", "init", root, *keys, *(word for role in roles for word in ("--role", role)), quiet=True
    )
    for person in ("lea", "omar"):
        story.run("roles", "sign", root, "--key", story.key(person), "--yes", quiet=True)
    for person in LAWYERS:
        story.run(
            "policy", "propose", str(POLICY), "--role", "policy", "--rationale", "read by both",
            "--key", story.key(person), "--yes", quiet=person != LAWYERS[-1], show=7,
        )  # fmt: skip
    story.run("roles", "show", show=20)


def fail(story: Story, workshop: Workshop) -> str:
    """The first model, which has age and sex among its features; its digest."""
    heading("2  The first model: all columns, threshold 0.5")
    with working("git, DVC"):
        workshop.begin(TRAINER)
    with working("dvc repro: ingest, split, train, publish, judge"):
        ran = workshop.run("dvc", "repro")
    digest = judged(workshop)
    show_gates(story, digest)
    failed = [each["name"] for each in results(workshop) if each["verdict"] != "passed"]
    story.good &= ran.returncode != 0 and failed == ["fairness"]
    done(f"`dvc repro` ended with {ran.returncode}: a gate that fails halts the pipeline")
    heading("3  What has not passed is not signed for, not deployed, not served")
    signed = ("--service", "credit", "--rationale", "we are in a hurry", "--yes")
    story.run("approve", digest, *signed, "--role", "legal", "--key", story.key("lea"), wanted=[1])
    story.run(
        "deploy",
        "credit",
        digest,
        "--reason",
        "we are in a hurry",
        "--key",
        story.key("omar"),
        "--yes",
        wanted=[1],
    )
    return digest


def succeed(story: Story, workshop: Workshop) -> tuple[str, str]:
    """The second model: its digest, and the commit that it comes from."""
    heading("4  The second model: without the protected columns, threshold by a rule fixed beforehand")
    workshop.change(features={"without": PROTECTED}, threshold="parity")
    commit = workshop.commit(
        "Without age, sex and foreign_worker; the threshold keeps approval rates together"
    )
    done(f"committed as {commit[:12]}")
    with working("dvc repro: what follows from the change"):
        ran = workshop.run("dvc", "repro")
    digest = judged(workshop)
    show_gates(story, digest)
    story.good &= ran.returncode == 0
    if ran.returncode:
        SCREEN.print(ran.stdout[-3000:] + ran.stderr[-3000:], markup=False)
    done(f"every gate has passed; for people: {shown(workshop.directory / 'gates.html')}")
    return digest, commit


def approve(story: Story, digest: str) -> None:
    """Three people, three roles."""
    heading("5  Three roles sign, and it is deployed")
    for person in ("ann", "lea", "cora"):
        story.run(
            "approve", digest, "--service", "credit", "--role", PEOPLE[person], "--rationale", f"read by {person}",
            "--key", story.key(person), "--yes", quiet=person != "cora", show=40,
        )  # fmt: skip
    story.run("status", digest, "--service", "credit", show=30)


async def serve(story: Story, first: str, second: str, commit: str) -> None:
    """The settings name the first model; the gateway answers with the one that is deployed."""
    with story.config.open("a") as settings:
        settings.write(f'\n[[plan]]\nservice = "credit"\ndigest = "{first}"\n')
    request = by_name("credit", rows_of(features(read_table(DATA)).drop(columns=PROTECTED))[:1])
    with Gateway.up(story.config) as gateway:
        await listening(gateway)
        answer = await ask(gateway, request)
        story.good &= answer.status in (404, 503)
        done(f"the settings' plan names {first[:19]}…, which nobody approved: answered {answer.status}")
        reason = ("--reason", "three roles have signed", "--key", story.key("omar"), "--yes")
        story.run("deploy", "credit", second, *reason)
        began = time.perf_counter()
        while answer.status != 200 and time.perf_counter() - began < FOLLOW_SECONDS:
            await asyncio.sleep(0.05)
            answer = await ask(gateway, request)
        story.good &= answer.status == 200 and answer.headers["affiant-model"] == second
        record = answer.headers["affiant-record"]
        seconds = time.perf_counter() - began
        done(f"{seconds:.1f} s later it answers {json.loads(answer.body)} by {second[:19]}…")
    heading("6  From one answer to the commit, the data and the people")
    told = story.run("audit", "trace", record, show=60)
    story.good &= commit in told and all(person in told for person in ("ann", "lea", "cora"))
    story.run("history", "credit")


async def ask(gateway: Gateway, request: Request) -> Answer:
    """One request, on a connection of its own."""
    async with Connection(gateway.host, gateway.port) as connection:
        return await connection.send(request)


async def listening(gateway: Gateway) -> None:
    """Wait until it answers at all: it is not ready, since nothing may answer."""
    deadline = asyncio.get_running_loop().time() + FOLLOW_SECONDS * 2
    while True:
        try:
            await asyncio.to_thread(gateway.get, "/livez")
        except OSError:
            if asyncio.get_running_loop().time() > deadline:
                raise RuntimeError(f"it does not listen:\n{gateway.tail()}") from None
            await asyncio.sleep(0.1)
        else:
            return


def hand_over(story: Story, workshop: Workshop, digest: str) -> None:
    """What is given to those who ask: cards for people, a certificate for somebody who believes nothing."""
    heading("7  For those who ask")
    documents = str(workshop.directory / "documents.yaml")
    story.run("card", "attach", digest, "--documents", documents)
    certificate = str(story.directory / "certificate.zip")
    story.run("certificate", digest, "--service", "credit", "--out", certificate, show=40)
    ran = subprocess.run(
        [sys.executable, "-c", VERIFIER, "certificate", certificate, "--root-digest", root_digest(),
         "--key", (story.directory / "notary.pub").read_text().strip()],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    said = "\n".join(ran.stdout.splitlines()[-3:]) + ran.stderr
    story.good &= ran.returncode == 0
    tell(
        Step(
            "affiant-verify certificate certificate.zip --root-digest … --key VKEY",
            said,
            ran.returncode == 0,
        )
    )


def root_digest() -> str:
    """Of the first root, by which everybody believes everything else."""
    found: str = json.loads(affiant("roles", "show", "--json").stdout)[0]["digest"]
    return found


def judged(workshop: Workshop) -> str:
    """The digest that the pipeline has published."""
    path = workshop.directory / "package.json"
    if not path.exists():
        raise RuntimeError(
            "the pipeline did not come as far as a package: " + workshop.run("dvc", "repro").stderr[-2000:]
        )
    digest: str = json.loads(path.read_text())["digest"]
    return digest


def results(workshop: Workshop) -> list[dict[str, Any]]:
    """What the gates said."""
    found: list[dict[str, Any]] = json.loads((workshop.directory / "gates.json").read_text())["report"][
        "results"
    ]
    return found


def show_gates(story: Story, digest: str) -> None:
    """From the governance log."""
    story.run("gate", "show", digest, wanted=[0, 1], show=30)


def next_steps(story: Story, digest: str) -> None:
    """Commands that work as they are printed, in this directory."""
    heading("Try next")
    lea = shown(Path(story.key("lea")))
    SCREEN.print(f"  export AFFIANT_CONFIG={shown(story.config)}", markup=False, soft_wrap=True)
    for arguments, why in (
        (f"lineage show {digest[:19]}", "everything that it came from"),
        (f"status {digest[:19]} --service credit", "who signed, and until when"),
        ("policy show", "what is in force"),
        (
            f'revoke {digest[:19]} --service credit --rationale "a flaw" --key {lea}',
            "take it off",
        ),
    ):
        SCREEN.print(f"  {command()} {arguments}    # {why}", markup=False, soft_wrap=True)


if __name__ == "__main__":
    sys.exit(main())
