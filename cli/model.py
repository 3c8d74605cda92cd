"""`affiant model`: packages into the store, and out of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table as Grid

from audit.config import load
from registry.errors import NotFound, PublishError
from registry.package import Package
from registry.stores import LayoutStore, Listing, Store, configured_store

from .errors import WRONG
from .model_options import DigestArgument, JsonOption, StoreOption
from .model_printed import ERRORS, SHORT, facts, judge_difference, predictions, tell, wide
from .model_publication import DEFAULT_RATIONALE, PublisherKeyOption, publisher_of, said, sign_publication
from .model_sign import attach_signature, sign
from .model_signatures import PublicKeysOption, pulled, signatures, verify_signature
from .model_source import commit_of, given, runs_of, say_in_mlflow
from .model_sync import sync_mlflow
from .options import ConfigOption
from .text import json_text, printable

__all__ = ["DigestArgument", "StoreOption", "app"]

app = typer.Typer(
    no_args_is_help=True,
    help="Model packages: publish, list, show, pull and verify.\n\nExample: affiant model list",
)
_STEPS = 6  # of registry.publish.publish


@app.command()
def publish(  # noqa: PLR0917 - a command takes its options one by one
    table: Annotated[
        str,
        typer.Option(
            help="The training table: .csv or .parquet; mlflow-artifact:PATH is an artifact of the MLflow run."
        ),
    ],
    target: Annotated[str, typer.Option(help="The table's target column.")],
    name: Annotated[
        str | None, typer.Option(help="The model's name; MLflow's, where it is registered there.")
    ] = None,
    file: Annotated[
        Path | None,
        typer.Argument(help="XGBoost .ubj or .json, or ONNX; never a pickle.", exists=True, dir_okay=False),
    ] = None,
    from_mlflow: Annotated[
        str | None,
        typer.Option(
            "--from-mlflow",
            help="In place of FILE: models:/NAME/VERSION, models:/NAME@ALIAS, models:/m-ID or runs:/RUN/PATH of the "
            "server at MLFLOW_TRACKING_URI.",
        ),
    ] = None,
    positive: Annotated[str | None, typer.Option(help="The positive class of a binary target.")] = None,
    threshold: Annotated[
        float | None, typer.Option(min=0, max=1, help="The score from which the decision is positive [0.5].")
    ] = None,
    unknown: Annotated[
        Literal["refuse", "missing"], typer.Option(help="A category that the table does not have is …")
    ] = "refuse",
    labels: Annotated[
        str | None, typer.Option(help="Classes in the order of the model's scores, with commas between.")
    ] = None,
    compare_predictions: Annotated[
        Path | None,
        typer.Option(
            help="The source model's scores on the rows: .csv or .parquet.", exists=True, dir_okay=False
        ),
    ] = None,
    max_difference: Annotated[
        float | None, typer.Option(min=0, help="Refuse when a score differs more from the source model's.")
    ] = None,
    data: Annotated[
        list[Path] | None,
        typer.Option(help="A data set that it came from: a file, or a .dvc file; repeat it for others."),
    ] = None,
    run: Annotated[
        list[str] | None,
        typer.Option(help="A run: ingestion=ID, preprocessing=ID or training=ID; repeat it for others."),
    ] = None,
    image: Annotated[
        str | None, typer.Option(help="The training image, by digest: registry/name@sha256:…")
    ] = None,
    command: Annotated[
        str | None,
        typer.Option(help="The training command, as it was typed; all can read it, so no secrets."),
    ] = None,
    requirements: Annotated[
        Path | None, typer.Option(help="The locked requirements of the training.", dir_okay=False)
    ] = None,
    code: Annotated[
        Path | None,
        typer.Option(
            help="A directory of the code that made it, whose git commit it gets. Else the current one's counts where "
            "the model or its table lies in its work tree; MLflow's run is asked before.",
            exists=True,
            file_okay=False,
        ),
    ] = None,
    holdout: Annotated[
        Path | None,
        typer.Option(
            help="A table of rows that the model has not seen: scores of live requests are held to those of it.",
            exists=True,
            dir_okay=False,
        ),
    ] = None,
    key: PublisherKeyOption = None,
    config: ConfigOption = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a package from a model file and its training table, check it, and put it into the store.

    Its lineage takes the git commit of the code (of --code, or of the work tree in which the model or its table lies),
    the data's versions (of DVC where it has them, held against the bytes) and what the options say; what nobody says is
    told as unknown, never guessed. Drift of scores is told from those of --holdout, else from those of the training
    table, of which a model is surer than of anything else. Its environment is this machine's, told as the publisher's.
    A scikit-learn model is published from Python (registry.convert.publish_sklearn): no pickle is read.
    From MLflow come the model (its xgboost or onnx flavor), the run with its parameters, metrics, tags, data sets and
    parents, the git commit, the signature and the digests of all artifacts.
    With --key the governance log says by signature who published it, and when (`affiant model sign-publication`).

    Exit codes: 0 published; 1 refused, such as a pickle, or a key without the role publish; 2 wrong usage; 3 the store,
    the log or MLflow does not answer.

    Example: affiant model publish credit.ubj --table german_credit.csv --target creditability --name credit
    --positive bad
    """
    from registry.infer import Wanted
    from registry.lineage import Origin, data_set
    from registry.publish import publish as make
    from registry.table import read_table

    signer = None if key is None else publisher_of(load(config), key)
    place = _open(config, store)
    steps = _STEPS + (6 if from_mlflow else 2)
    with (
        _progress("publishing", steps) as step,
        given(config, file, from_mlflow, table, step) as source,
    ):
        taken = source.taken
        called = name or (taken.version[0] if taken and taken.version else None)
        if called is None:
            raise typer.BadParameter("what is the model called?", param_hint="--name")
        classes = tuple(labels.split(",")) if labels else ()
        wanted = Wanted(called, target, positive, threshold, unknown, classes)
        step("reading the table")
        training = read_table(source.table)
        origin = Origin(
            data=(
                data_set(source.table, profiled=False),
                *map(data_set, data or ()),
                *([] if holdout is None else [data_set(holdout, "hold-out")]),
            ),
            runs=runs_of(run, taken),
            image=image,
            command=command,
            requirements=requirements,
        )
        if origin.data[0].sha256 != training.sha256:
            raise PublishError(f"{table}: changed while it was read; publish again")
        scores = predictions(compare_predictions) if compare_predictions else None
        published = make(
            source.model,
            training,
            wanted,
            file=source.file,
            source_scores=scores,
            source=compare_predictions.name if compare_predictions else None,
            progress=step,
            origin=origin,
            mlflow=taken.lineage if taken else None,
            git=commit_of(code, file, source),
            holdout=None if holdout is None else read_table(holdout),
        )
        judge_difference(published, max_difference)
        step("putting it into the store")
        place.push(published.package)
        problem = say_in_mlflow(config, taken, published.package.digest) if taken else None
    if problem:
        ERRORS.print(f"[yellow]note:[/] {escape(printable(problem))}")
    if signer is not None:
        said(load(config), signer, published.package.digest, DEFAULT_RATIONALE)
    tell(published, as_json)


@app.command("list")
def list_packages(
    config: ConfigOption = None, store: StoreOption = None, as_json: JsonOption = False
) -> None:
    """List the store's packages, newest first. What is damaged is named on the error output.

    Exit codes: 0 listed; 1 listed, and a manifest is wrong, or the store's index is; 2 wrong usage or settings; 3 the
    store does not answer.

    Example: affiant model list --json
    """
    found = _open(config, store).list()
    if as_json:
        typer.echo(json_text([asdict(item) for item in found]))
    else:
        _print(found)
    for flaw in found.flaws:
        typer.echo(printable(f"WRONG  package {flaw.digest}: {flaw.problem}"), err=True)
    if found.flaws:
        raise typer.Exit(WRONG)


def _print(found: Listing) -> None:
    if not found:
        typer.echo("no packages yet; `affiant model publish --help` shows how to make one")
        return
    grid = Grid("name", "digest", "kind", "bytes", "published", box=None, pad_edge=False)
    for item in found:
        grid.add_row(
            escape(printable(item.name)), item.digest, item.model_type, f"{item.size:,}", item.created
        )
    wide().print(grid)


@app.command()
def show(
    digest: DigestArgument,
    config: ConfigOption = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show a package: its files, its signature, where it came from, and its card.

    Exit codes: 0 shown; 1 the store does not have it, or a byte is wrong; 2 wrong usage or settings; 3 the store does
    not answer.

    Example: affiant model show sha256:5e66a605fa8c
    """
    package = _find(_open(config, store), digest)
    if as_json:
        content = {
            **facts(package),
            "files": [
                {"file": layer.annotations.title, "digest": layer.digest, "bytes": layer.size}
                for layer in package.parsed.layers
            ],
            "signature": package.signature.model_dump(mode="json"),
            "lineage": dict(package.lineage),
            "reference": {
                "rows": package.reference.rows,
                "score_rows": package.reference.scored,
                "radius": package.reference.radius,
            },
            "golden_rows": len(package.golden.rows),
        }
        typer.echo(json_text(content))
        return
    from rich.markdown import Markdown

    grid = Grid("file", "digest", "bytes", box=None, pad_edge=False)
    for layer in package.parsed.layers:
        grid.add_row(layer.annotations.title, layer.digest, f"{layer.size:,}")
    console = wide()
    console.print(
        f"{package.digest}  published {package.created} by {escape(printable(str(package.lineage.get('actor'))))}\n"
    )
    console.print(grid)
    console.print()
    console.print(Markdown("\n".join(map(printable, package.card.split("\n")))))


@app.command()
def pull(
    digest: DigestArgument,
    output: Annotated[Path, typer.Option("--output", "-o", help="A directory that is made for the files.")],
    public_key: PublicKeysOption = None,
    config: ConfigOption = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Copy a package's files, verified, into a directory of their own.

    With --public-key only if it has an OpenSSF signature by that key (`affiant model verify-signature`).

    Exit codes: 0 written; 1 the store does not have it, a byte is wrong, or no such signature counts; 2 wrong usage,
    settings or keys, or the directory is there already; 3 the store does not answer.

    Example: affiant model pull sha256:5e66a605fa8c --output credit-model
    """
    with _progress("pulling", 2) as step:
        step("reading and verifying")
        package = _find(_open(config, store), digest)
        by = pulled(config, store, package, public_key)
        step("writing")
        # A directory that is there already is not written into: its files could be taken for the package's.
        try:
            output.mkdir(parents=True)
        except FileExistsError:
            raise typer.BadParameter("it is there already", param_hint="--output") from None
        (output / "manifest.json").write_bytes(package.manifest)
        for layer in package.parsed.layers:
            (output / layer.annotations.title).write_bytes(package.blobs[layer.digest])
    if as_json:
        typer.echo(json_text({**facts(package), "directory": str(output), "signed_by": by}))
        return
    typer.echo(f"{package.digest}\n{len(package.parsed.layers) + 1} files in {output}")


@app.command()
def verify(
    digests: Annotated[
        list[str] | None, typer.Argument(help="sha256:… of each; all when none is said.")
    ] = None,
    golden: Annotated[
        bool, typer.Option("--golden", help="Load each and ask its golden rows as well.")
    ] = False,
    public_key: PublicKeysOption = None,
    config: ConfigOption = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check every byte of packages in the store.

    With --public-key one is wrong, too, that has no OpenSSF signature by that key (`affiant model verify-signature`).

    Exit codes: 0 all are whole; 1 one is wrong, or is not there; 2 wrong usage, settings or keys; 3 the store does not
    answer.

    Example: affiant model verify --golden
    """
    place = _open(config, store)
    wanted = [_whole(place, digest) for digest in digests] if digests else place.list().digests
    signed = (lambda package: pulled(config, store, package, public_key)) if public_key else None
    results = []
    with _progress("verifying", len(wanted)) as step:
        for digest in wanted:
            step(digest[:SHORT])
            results.append(_verified(place, digest, golden, signed))
    if as_json:
        typer.echo(json_text(results))
    else:
        for result in results:
            typer.echo(
                f"{result['digest']}  {'whole' if result['holds'] else 'WRONG: ' + str(result['problem'])}"
            )
        typer.echo(f"{sum(bool(result['holds']) for result in results)} of {len(results)} packages are whole")
    if not all(result["holds"] for result in results):
        raise typer.Exit(WRONG)


app.command()(sign)
app.command("sign-publication")(sign_publication)
app.command("verify-signature")(verify_signature)
app.command()(signatures)
app.command("attach-signature")(attach_signature)
app.command()(sync_mlflow)


def _verified(
    store: Store, digest: str, golden: bool, signed: Callable[[Package], str | None] | None
) -> dict[str, object]:
    """One package's result; a store that does not answer is not a wrong package, and ends the command."""
    from registry.errors import PackageError, StoreDamaged

    try:
        package = store.pull(digest)
        result: dict[str, object] = {"digest": digest, "name": package.name, "holds": True}
        if signed is not None:
            result["signed_by"] = signed(package)
        if golden:
            from registry.runtimes import load as load_model

            result["batching"] = asdict(load_model(package).batching)
    except (PackageError, StoreDamaged, NotFound) as error:
        return {"digest": digest, "holds": False, "problem": str(error)}
    return result


def _open(config: Path | None, store: Path | None) -> Store:
    return LayoutStore(store) if store is not None else configured_store(load(config))


def _find(store: Store, digest: str) -> Package:
    return store.pull(_whole(store, digest))


def _whole(store: Store, digest: str) -> str:
    """A digest from its beginning, with or without `sha256:`; names are not digests. Raises NotFound."""
    text = digest if digest.startswith("sha256:") else f"sha256:{digest}"
    if len(text) == 7 + 64:
        return text
    if len(text) < 7 + 6:
        raise NotFound(f"{digest!r} is too short: at least six digits of a digest are needed")
    # A damaged one too: who asks for it is told what is wrong with it, and who means another is asked for more digits.
    found = [each for each in store.list().digests if each.startswith(text)]
    if len(found) != 1:
        many = f"{len(found)} packages begin so" if found else "no package begins so"
        raise NotFound(f"{digest!r} names none: {many}")
    return found[0]


@contextmanager
def _progress(what: str, steps: int) -> Iterator[Any]:
    """A bar on the error output while it is a terminal; the function given takes the next step's text."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:.0f}/{task.total:.0f}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=ERRORS, transient=True, disable=not ERRORS.is_terminal) as bar:
        task = bar.add_task(what, total=steps)
        began = False

        def step(text: str) -> None:
            nonlocal began
            bar.update(task, description=text, advance=1 if began else 0)
            began = True

        yield step
