"""A pytest plugin: the gates of a policy as tests of people's own pipelines, one test a gate.

    pytest -p registry.pytest_gates --affiant-digest sha256:… tests/

It collects files named `gates.yaml` or `NAME.gates.yaml`; paths in them are relative to them:

    policy: policy.yaml          # as for `affiant gate run`
    service: credit
    store: data/store            # a directory of packages
    digest: sha256:…             # or --affiant-digest, which goes first
    holdout: holdout.csv         # and target, training, documents, suite, live: what the gates need

and gives tests of one's own the fixture `affiant_gates`, which runs such a file and returns its GateReport.

It is named with -p (or in `addopts`, or as `pytest_plugins` of the topmost conftest.py) and has no entry point: with
one, every pytest in an environment that has this package would load it, and take files of that name for its own.
Nothing is signed, and no log is read or written here: `affiant gate run --key` does. So the gates `lineage` (which data
is deprecated stands in the governance log) and `drift` (distances are the monitor's) MUST fail here, and say so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from audit.errors import ConfigError
from registry.errors import RegistryError
from registry.gates import Datasets, GateReport, GateResult, run_gates
from registry.gates.inputs import Files, read_datasets
from registry.gates.run import run_gate
from registry.package import Package
from registry.policy import Policy, load_policy
from registry.signing.kept import LayoutSignatures
from registry.stores import LayoutStore

_NAME: Final = "gates.yaml"
_OPTION: Final = "--affiant-digest"


class _File(BaseModel):
    """What a gates.yaml holds."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    policy: Path
    service: str
    store: Path
    digest: str | None = Field(default=None, pattern=r"^sha256:[0-9a-f]{64}$")
    live: str | None = Field(default=None, pattern=r"^sha256:[0-9a-f]{64}$")
    target: str | None = None
    holdout: Path | None = None
    training: Path | None = None
    documents: Path | None = None
    suite: Path | None = None


class _Ready(NamedTuple):
    """All that the gates of one file look at."""

    package: Package
    datasets: Datasets
    policy: Policy
    service: str


class GateFailed(AssertionError):  # noqa: N818 - the name says what happened
    """A gate has failed."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """See the module."""
    group = parser.getgroup("affiant", "the gates of a policy")
    group.addoption(
        _OPTION, metavar="sha256:…", help="The package to judge, in place of the digest in gates.yaml."
    )


def pytest_collect_file(parent: pytest.Collector, file_path: Path) -> GatesFile | None:
    """Files of that name."""
    if file_path.name != _NAME and not file_path.name.endswith(f".{_NAME}"):
        return None
    return GatesFile.from_parent(parent, path=file_path)


class GatesFile(pytest.File):
    """A gates.yaml: one item for each gate that its policy has for its service."""

    def collect(self) -> Iterator[GateItem]:
        """Raises CollectError: the file or the policy is not one."""
        try:
            found = _read(self.path, self.config.getoption(_OPTION))
            policy, service = _policy(self.path, found)
        except ConfigError as error:
            raise self.CollectError(str(error)) from error
        gates = policy.services[service].gates
        for name in gates.required:
            yield GateItem.from_parent(self, name=name, limits=getattr(gates, name))

    @cached_property
    def ready(self) -> _Ready:
        """Read when the first gate runs, and once. Raises ConfigError, RegistryError."""
        return _ready(self.path, self.config.getoption(_OPTION))


class GateItem(pytest.Item):
    """One gate."""

    parent: GatesFile
    result: GateResult | None = None

    def __init__(self, *, limits: Any, **options: Any) -> None:
        """`limits`: the gate's section of the policy."""
        super().__init__(**options)
        self.limits = limits

    def runtest(self) -> None:
        """Raises GateFailed: it has failed, or could not run."""
        ready = self.parent.ready
        self.result = run_gate(self.name, ready.package, ready.datasets, self.limits)
        self.user_properties.append(("figures", self.result.figures))
        if self.result.verdict != "passed":
            raise GateFailed(self.result.reason)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], *args: Any, **options: Any) -> Any:
        """Our own failures are one line; others are shown as Python's."""
        if excinfo.errisinstance((GateFailed, ConfigError, RegistryError)):
            return f"gate {self.name}: {excinfo.value}"
        return super().repr_failure(excinfo, *args, **options)

    def reportinfo(self) -> tuple[Path, None, str]:
        """Where it is from, for the heading of a failure."""
        return self.path, None, f"gate {self.name}"


@pytest.fixture
def affiant_gates(request: pytest.FixtureRequest) -> Callable[[Path], GateReport]:
    """Run all gates of a gates.yaml: `affiant_gates(path)` returns the report, passed or not."""

    def run(path: Path) -> GateReport:
        ready = _ready(path, request.config.getoption(_OPTION))
        return run_gates(ready.package, ready.datasets, ready.policy, ready.service, now=datetime.now(UTC))

    return run


def _ready(path: Path, digest: str | None) -> _Ready:
    found = _read(path, digest)
    policy, service = _policy(path, found)
    store = LayoutStore(path.parent / found.store)
    if found.digest is None:
        raise ConfigError(f"{path}: there is no digest, and {_OPTION} was not given")
    package = store.pull(found.digest)
    live = None if found.live is None else store.pull(found.live)
    places = {
        name: path.parent / place
        for name in ("holdout", "training", "documents", "suite")
        if (place := getattr(found, name)) is not None
    }
    asked = policy.services[service].gates.model_signing is not None
    signatures = LayoutSignatures(path.parent / found.store).kept(package.digest) if asked else None
    files = Files(target=found.target, **places)
    return _Ready(package, read_datasets(files, package, live, signatures=signatures), policy, service)


def _read(path: Path, digest: str | None) -> _File:
    try:
        content = yaml.safe_load(path.read_bytes())
        return _File.model_validate({**content, **({"digest": digest} if digest else {})})
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise ConfigError(f"{path}:{'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    except (yaml.YAMLError, TypeError, ValueError) as error:
        raise ConfigError(f"{path} is not a mapping in YAML: {str(error).splitlines()[0]}") from error


def _policy(path: Path, found: _File) -> tuple[Policy, str]:
    policy = load_policy(path.parent / found.policy)
    if found.service not in policy.services:
        known = ", ".join(policy.services)
        raise ConfigError(f"{path}: the policy has no service {found.service!r}; it has {known}")
    return policy, found.service
