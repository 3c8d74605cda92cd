"""What `affiant model publish` is given: a model file and its table, from this machine or out of MLflow."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

import typer

from audit.authorities import authorities
from audit.config import Config, load
from registry.errors import PublishError, StoreError
from registry.settings import StoreSettings, mlflow_access

if TYPE_CHECKING:
    from registry.lineage import GitState, Run
    from registry.mlflow.client import Client
    from registry.mlflow.take import Taken

ARTIFACT: Final = "mlflow-artifact:"
"""Before a path: an artifact of the run, in place of a file."""


@dataclass(frozen=True, slots=True)
class Given:
    """A model, where its table lies, and what MLflow knows of it; `taken` is None for a file."""

    model: bytes
    file: str
    table: Path
    taken: Taken | None = None


@contextmanager
def given(
    config: Path | None, file: Path | None, address: str | None, table: str, step: Callable[[str], None]
) -> Iterator[Given]:
    """The model and its table, until the end of the block.

    Raises:
        BadParameter: not one of FILE and --from-mlflow, or a table that is not there.
        PickleRefused: a pickle; before anything else is asked for.
        PublishError: MLflow does not have it, or it cannot be published.
    """
    from registry.formats import refuse_pickle

    if (file is None) == (address is None):
        raise typer.BadParameter("either a file or --from-mlflow is wanted", param_hint="FILE")
    if file is not None:
        model = file.read_bytes()
        refuse_pickle(model, file.name)
        yield Given(model, file.name, _here(table))
        return
    from registry.mlflow.take import take

    assert address is not None
    client = mlflow_client(load(config))
    try:
        step("asking MLflow")
        taken = take(client, address, step)
        with TemporaryDirectory() as scratch:
            yield Given(taken.model, taken.file, _table(client, taken, table, Path(scratch)), taken)
    finally:
        client.close()


def runs_of(said: Sequence[str] | None, taken: Taken | None) -> tuple[Run, ...]:
    """The runs that were said, and MLflow's as the training's.

    Raises:
        PublishError: another one was said to be the training's.
    """
    from registry.lineage import Run, parse_run

    runs = [parse_run(text) for text in said or ()]
    training = [run for run in runs if run.stage == "training"]
    if taken is None or taken.run is None:
        return tuple(runs)
    if any(run.id != taken.run for run in training):
        raise PublishError(f"--run training={training[0].id}: MLflow says that it was run {taken.run}")
    return tuple(runs if training else [*runs, Run("training", taken.run)])


def commit_of(code: Path | None, file: Path | None, source: Given) -> GitState | None:
    """The commit of the code that made the model, and who says so; None: nobody.

    Args:
        code: the directory that was named.
        file: the model's file; None: it comes out of MLflow, whose run says more than where one stands.
        source: what is published.

    Raises:
        PublishError: `code` is no work tree, or MLflow says another commit than its.
    """
    from registry.lineage import code_state

    files = [] if file is None else [file, source.table]
    found = code_state(code, files, Path.cwd())
    told = source.taken.git if source.taken is not None else None
    if found is not None and told is not None and told.commit != found.commit:
        raise PublishError(
            f"--code {code}: is at {found.commit}; MLflow says that the run was at {told.commit}"
        )
    return told or found


def mlflow_client(config: Config) -> Client:
    """A client of the server of the settings' store, when that is MLflow's, else of MLFLOW_TRACKING_URI."""
    from registry.mlflow.client import Client

    settings = config.section("store", StoreSettings)
    believed = authorities(config, settings.ca_file, "[store] ca_file")
    access = mlflow_access(settings.tracking_uri, authorities=believed)
    return Client(access, timeout=settings.timeout_seconds)


def say_in_mlflow(config: Path | None, taken: Taken, digest: str) -> str | None:
    """Tag the version that the package was taken from with its digest; why not, when it was not done.

    MUST NOT fail the publishing: the package is in its store, and MLflow's tags are for people.
    """
    from registry.mlflow.versions import Versions

    if taken.version is None:
        return None
    client = mlflow_client(load(config))
    try:
        done = Versions(client).link(*taken.version, digest)
    except StoreError as error:
        return f"the version in MLflow could not be tagged: {error}"
    finally:
        client.close()
    return (
        None if done else "the version in MLflow is tagged with another package already, and keeps that tag"
    )


def _table(client: Client, taken: Taken, table: str, scratch: Path) -> Path:
    if not table.startswith(ARTIFACT):
        return _here(table)
    from registry.mlflow.take import run_file

    path = table.removeprefix(ARTIFACT)
    if taken.run is None:
        raise PublishError(f"{table}: MLflow knows no run of this model")
    copy = scratch / (PurePosixPath(path).name or "table")
    copy.write_bytes(run_file(client, taken.run, path))
    return copy


def _here(table: str) -> Path:
    if table.startswith(ARTIFACT):
        raise typer.BadParameter(f"{ARTIFACT}PATH goes with --from-mlflow", param_hint="--table")
    path = Path(table)
    if not path.is_file():
        raise typer.BadParameter(f"File {table!r} does not exist.", param_hint="--table")
    return path
