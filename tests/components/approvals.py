"""A governed house in a real directory: settings, a store with packages, people with keys, a root, a policy in force.

Everything is done through the command, as people do it; only gate results are appended by the pipeline's key here.
"""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Iterable, Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from audit.config import Config, load
from audit.governance import Governance
from audit.log import configured_governance_log
from cli.main import app as command
from cli.main import guarded
from registry.approvals.board import Board, first_root_of, read_board
from registry.approvals.keys import KeySigner, read_signer
from registry.policy import load_policy
from registry.statement import GATES, append, encode
from registry.stores import LayoutStore, configured_store

POLICY: Final = """\
format: 1
change: {roles: {compliance: 1, legal: 1}}
services:
  credit:
    gates: {documentation: {}, size: {megabytes: 50}}
    approvals: {roles: {legal: 1, compliance: 1}, valid_days: 10}
    break_glass: {roles: {officer: 2}, valid_hours: 1}
    canary: {gates: [documentation], roles: {legal: 1}, rollout: {}}
    shadow: {}
  cards:
    gates: {documentation: {}}
    approvals: {roles: {legal: 1}}
"""
PEOPLE: Final = ("ann", "bob", "cyd", "dan", "eve", "pipeline")
ROLES: Final = (
    "root=2:ann,bob", "policy=cyd", "gates=pipeline", "legal=ann,dan", "compliance=bob,ann", "officer=ann,bob,dan",
    "deploy=dan,ann", "controller=pipeline", "publish=pipeline", "retention=dan",
    "erasure=bob",
)  # fmt: skip


def swapped(text: str, *pairs: tuple[str, str]) -> str:
    """The text with each `old` as `new`; an `old` that it no longer holds fails here, not as something else later."""
    for old, new in pairs:
        assert old in text, (old, text)
        text = text.replace(old, new)
    return text


@dataclass(frozen=True)
class Done:
    """What a command printed, and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The output, parsed."""
        return json.loads(self.out)


def affiant(*arguments: object) -> Done:
    """Run the command in this process."""
    words = [str(each) for each in arguments]
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = guarded(lambda: command(args=words, prog_name="affiant"), words)
    return Done(code, out.getvalue(), err.getvalue())


class House:
    """See above. `digest` is a package of the store."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.digest = ""

    @classmethod
    def build(
        cls,
        directory: Path,
        packages: Iterable[Any],
        people: Mapping[str, str] = MappingProxyType({}),
        settings: str = "",
        policy: str = POLICY,
        kinds: Mapping[str, str] = MappingProxyType({}),
    ) -> House:
        """Make it: keys, a signed root, a policy in force. `people`: key file → another name for its person.
        `settings`: more of affiant.toml; with a log of its own kind, its topics are made. `policy`: policy.yaml.
        `kinds`: key file → the key's kind, where it is not Ed25519.
        """
        house = cls(directory)
        (directory / "affiant.toml").write_text(
            '[data]\ndirectory = "data"\n\n[governance]\nroot = "root.json"\n' + settings
        )
        (directory / "policy.yaml").write_text(policy)
        if settings:
            house.ok("topics", "create", *house.config)
        store = LayoutStore(directory / "data" / "store")
        for package in packages:
            store.push(package)
            house.digest = house.digest or package.digest
        for person in PEOPLE:
            name, kind = people.get(person, person), kinds.get(person, "Ed25519")
            house.ok("roles", "keygen", house.key(person), "--person", name, "--kind", kind)
        keys = [
            word for person in PEOPLE if person != "eve" for word in ("--key", f"{house.key(person)}.pub")
        ]
        named = [
            f"{head}={count + colon}{','.join(people.get(each, each) for each in rest.split(','))}"
            for head, _, tail in (each.partition("=") for each in ROLES)
            for count, colon, rest in [tail.partition(":") if ":" in tail else ("", "", tail)]
        ]
        roles = [word for role in named for word in ("--role", role)]
        house.ok("roles", "init", house.file("root.json"), *keys, *roles)
        for person in ("ann", "bob"):
            house.ok("roles", "sign", house.file("root.json"), "--key", house.key(person), "--yes")
        house.ok(
            "policy", "propose", house.file("policy.yaml"), "--role", "policy", "--rationale", "the first",
            "--key", house.key("cyd"), "--yes", *house.config,
        )  # fmt: skip
        return house

    def copy(self, directory: Path) -> House:
        """The same house, elsewhere: what is done to it is not done to this one."""
        shutil.copytree(self.directory, directory, dirs_exist_ok=True)
        found = House(directory)
        found.digest = self.digest
        return found

    @property
    def config(self) -> tuple[str, str]:
        """The option."""
        return "--config", str(self.file("affiant.toml"))

    @property
    def loaded(self) -> Config:
        """The settings."""
        return load(self.file("affiant.toml"))

    def file(self, name: str) -> Path:
        """A file of it."""
        return self.directory / name

    def key(self, person: str) -> Path:
        """A person's key file."""
        return self.file(f"{person}.key")

    def signer(self, person: str) -> KeySigner:
        """A person's key."""
        return read_signer(self.key(person), str)

    def ok(self, *arguments: object) -> Done:
        """A command that must end well."""
        done = affiant(*arguments)
        assert done.code == 0, (arguments, done)
        return done

    def board(self) -> Board:
        """The governance log now."""
        return read_board(configured_governance_log(self.loaded, create=False), first_root_of(self.loaded))

    def say(self, person: str, type_: str, predicate: dict[str, Any], digest: str | None = None) -> None:
        """Append a statement as anybody could who can write to the log."""
        governance = Governance(configured_governance_log(self.loaded), self.signer(person))
        append(governance, [encode(digest or self.digest, type_, predicate)])

    def gates(self, person: str = "pipeline", digest: str | None = None, **changed: Any) -> None:
        """Gate results: all passed, unless `changed` says otherwise."""
        policy = load_policy(self.file("policy.yaml"))
        results = [{"name": name, "verdict": "passed", "reason": ""} for name in ("documentation", "size")]
        now = datetime.now(UTC).isoformat()
        # Two runs are not made at the same time: the very same bytes would count where they stood first.
        made = {"service": "credit", "policy": policy.digest, "results": results, "made": now}
        content = made | changed
        self.say(person, GATES, content, digest)

    def sign(self, verb: str, person: str, role: str | None = None, *more: object, **changed: str) -> Done:
        """approve, reject or revoke."""
        options: dict[str, Any] = {
            "service": "credit",
            "rationale": "looked at it",
            "digest": self.digest,
        } | changed
        words = ["--role", role] if role is not None else []
        return affiant(
            verb, options["digest"], "--service", options["service"], "--rationale", options["rationale"],
            "--key", self.key(person), "--yes", "--json", *words, *more, *self.config,
        )  # fmt: skip

    def data(self, verb: str) -> Done:
        """`affiant data deprecate` or `restore`, of the table that its package was trained on, by cyd: a second root
        gives cyd the role.
        """
        if self.board().roots.now.version == 1:
            root = self.file("root2.json")
            self.ok("roles", "edit", self.file("root.json"), root, "--role", "data=cyd")
            for person in ("ann", "bob"):
                self.ok("roles", "sign", root, "--key", self.key(person), "--yes")
            self.ok("roles", "publish", root, "--key", self.key("ann"), "--yes", *self.config)
        table = configured_store(self.loaded).pull(self.digest).lineage["training_table"]["sha256"]
        words = ("--reason", "consent withdrawn", "--key", self.key("cyd"), "--yes", "--json")
        return self.ok("data", verb, f"sha256:{table}", *words, *self.config)

    def status(self, *more: object, digest: str | None = None) -> Done:
        """`affiant status DIGEST --service credit --json`."""
        return affiant("status", digest or self.digest, "--service", "credit", "--json", *more, *self.config)
