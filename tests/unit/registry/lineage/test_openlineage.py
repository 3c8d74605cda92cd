"""The lineage as OpenLineage events: read by the classes of OpenLineage's own client, each field of them."""

from __future__ import annotations

import json
import types
import typing
from enum import Enum
from pathlib import Path
from typing import Any

import attr
import pytest
from openlineage.client import event_v2, facet_v2
from openlineage.client.generated import base
from openlineage.client.serde import Serde

from audit.proof.errors import FormatError
from registry.graph.openlineage import Event, Export
from registry.lineage import DataSet
from tests.components.lineage import LineageSite

MD5, SHA = "md5:" + "1" * 32, "b" * 64
ROWS = DataSet("rows.csv", MD5, "dvc", True, SHA, 10, "rows.csv.dvc")
PROFILE = {
    "rows": 7, "duplicates": 0, "columns": [{"name": "x", "type": "number", "missing": 2, "distinct": 5}],
}  # fmt: skip
RUN = "0123456789abcdef0123456789abcdef"
ORIGIN = {
    "data": [{**ROWS.told(), "profile": PROFILE}],
    "runs": [
        {"stage": "ingestion", "id": "airflow 7"}, {"stage": "preprocessing", "id": "p"},
        {"stage": "training", "id": RUN},
    ],
    "links": [["airflow 7", "p"]],
    "image": "reg/credit@sha256:" + "a" * 64,
    "command": "python train.py",
    "requirements": None,
}  # fmt: skip
FACETS = {
    "run": {
        "tags": facet_v2.tags_run.TagsRunFacet,
        "executionParameters": facet_v2.execution_parameters_run.ExecutionParametersRunFacet,
        "jobDependencies": facet_v2.job_dependencies_run.JobDependenciesRunFacet,
    },
    "job": {
        "jobType": facet_v2.job_type_job.JobTypeJobFacet,
        "sourceCode": facet_v2.source_code_job.SourceCodeJobFacet,
        "ownership": facet_v2.ownership_job.OwnershipJobFacet,
    },
    "dataset": {
        "version": facet_v2.dataset_version_dataset.DatasetVersionDatasetFacet,
        "schema": facet_v2.schema_dataset.SchemaDatasetFacet,
        "tags": facet_v2.tags_dataset.TagsDatasetFacet,
    },
    "inputFacets": {
        "dataQualityMetrics": facet_v2.data_quality_metrics_input_dataset.DataQualityMetricsInputDatasetFacet,
    },
    "outputFacets": {
        "outputStatistics": facet_v2.output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet,
    },
}


def read(kind: Any, content: Any) -> Any:
    """What the client's class takes it for. A key that it does not have, and a value that it does not take, fail."""
    origin = typing.get_origin(kind)
    if origin in (typing.Union, types.UnionType):
        return read(next(each for each in typing.get_args(kind) if each is not types.NoneType), content)
    if origin is list:
        return [read(typing.get_args(kind)[0], each) for each in content]
    if origin is dict:
        return {key: read(typing.get_args(kind)[1], each) for key, each in content.items()}
    if isinstance(kind, type) and attr.has(kind):
        hints = typing.get_type_hints(kind)
        given = {
            key.lstrip("_"): value for key, value in content.items() if key not in ("_schemaURL", "schemaURL")
        }
        assert set(given) <= {each.name.lstrip("_") for each in attr.fields(kind)}, (kind, given)
        hints = {name.lstrip("_"): hint for name, hint in hints.items()}
        return kind(**{key: read(hints[key], value) for key, value in given.items()})
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind(content)
    if kind in (str, int, bool):
        assert type(content) is kind, (kind, content)
    return content


def facets(where: str, content: dict[str, Any]) -> dict[str, Any]:
    return {name: read(FACETS[where][name], facet) for name, facet in content.items()}


def as_the_client_has_it(event: Event) -> Event:
    """The event read by the client, and written again by it."""

    def dataset(kind: type, each: dict[str, Any], more: str) -> Any:
        own = {more: facets(more, each[more])} if more in each else {}
        return kind(each["namespace"], each["name"], facets=facets("dataset", each["facets"]), **own)

    run, job = event["run"], event["job"]
    made = event_v2.RunEvent(
        eventType=event_v2.RunState(event["eventType"]),
        eventTime=event["eventTime"],
        producer=event["producer"],
        run=event_v2.Run(run["runId"], facets("run", run["facets"])),
        job=event_v2.Job(job["namespace"], job["name"], facets("job", job["facets"])),
        inputs=[dataset(event_v2.InputDataset, each, "inputFacets") for each in event["inputs"]],
        outputs=[dataset(event_v2.OutputDataset, each, "outputFacets") for each in event["outputs"]],
    )
    assert isinstance(made, base.RunEvent)
    written: Event = json.loads(Serde.to_json(made))
    return written


def without_empty(value: Any) -> Any:
    """As the client writes: it leaves out what is None or empty in its own places."""
    if isinstance(value, dict):
        return {key: without_empty(item) for key, item in value.items() if item not in ({}, [], None)}
    return [without_empty(each) for each in value] if isinstance(value, list) else value


@pytest.fixture
def site(tmp_path: Path) -> LineageSite:
    return LineageSite(tmp_path)


def exported(site: LineageSite, namespace: str = "affiant") -> list[Event]:
    writer = Export("https://affiant.dev/affiant/0", namespace)
    with site.lineage() as lineage:
        lineage.refresh()
        places = {each.digest: each.serves for each in lineage.packages()}
        names, events = {}, []
        for document in lineage.documents():
            names[document.digest] = document.name
            events += writer.package(document, lineage.deprecations(), places[document.digest])
        return [*events, *writer.services([one for each in places.values() for one in each], names)]


def test_every_event_is_what_openlineage_s_own_client_reads(site: LineageSite) -> None:
    """Read into its classes and written again, each is the same: every field, every facet, every schema's address."""
    mlflow = {"run": {"id": "m", "started_ms": 1_700_000_000_000, "ended_ms": 1_700_000_060_500}}
    made = site.publish(
        "credit", origin=ORIGIN, actor="zoe", git={"commit": "c" * 40, "dirty": True}, mlflow=mlflow
    )
    other = site.publish(
        "other", [DataSet("table", f"sha256:{table_hash(made)}", "file", True, table_hash(made))]
    )
    site.deploy("dan", made.digest, other.digest)
    site.deprecate(MD5)
    events = exported(site)
    assert len(events) == 3 * 2 + 2 + 1
    for event in events:
        assert without_empty(as_the_client_has_it(event)) == without_empty(event)


def table_hash(package: Any) -> str:
    return str(package.lineage["training_table"]["sha256"])


def test_runs_follow_each_other_as_the_publisher_said(site: LineageSite) -> None:
    """Ingestion and preprocessing are linked; that the training took theirs nobody said."""
    site.publish("credit", origin=ORIGIN)
    events = [each for each in exported(site) if each["eventType"] == "COMPLETE"]
    assert [each["job"]["name"] for each in events] == [
        "credit.ingestion",
        "credit.preprocessing",
        "credit.training",
    ]
    upstream = [each["run"]["facets"].get("jobDependencies", {}).get("upstream", []) for each in events]
    assert [[one["run"]["runId"] for one in each] for each in upstream] == [
        [],
        [events[0]["run"]["runId"]],
        [],
    ]
    assert [len(each["inputs"]) for each in events] == [0, 0, 2]
    assert events[2]["run"]["runId"] == "01234567-89ab-cdef-0123-456789abcdef"


def test_the_training_reads_the_data_and_makes_the_package(site: LineageSite) -> None:
    """Versions, schema, counts, parameters, metrics, commit and what is deprecated are in their facets."""
    git = {"commit": "c" * 40, "dirty": False}
    made = site.publish("credit", origin=ORIGIN, git=git, parameters={"depth": 3}, metrics={"auc": 0.8})
    site.deprecate(MD5)
    site.deploy("dan", made.digest)
    start, complete, serves = exported(site)[4:]
    assert (start["eventType"], start["outputs"]) == ("START", [])
    rows, table = complete["inputs"]
    assert rows["facets"]["version"]["datasetVersion"] == MD5
    assert {"key": "deprecated", "value": "consent withdrawn", "source": "affiant"} in rows["facets"]["tags"][
        "tags"
    ]
    assert rows["facets"]["schema"]["fields"] == [{"name": "x", "type": "number"}]
    assert rows["inputFacets"]["dataQualityMetrics"]["rowCount"] == 7
    assert [each["name"] for each in table["facets"]["schema"]["fields"]] == ["a", "b", "c", "y"]
    assert table["inputFacets"]["dataQualityMetrics"]["rowCount"] == 400
    assert table["inputFacets"]["dataQualityMetrics"]["columnMetrics"]["c"]["nullCount"] == 45
    (model,) = complete["outputs"]
    assert (model["name"], model["facets"]["version"]["datasetVersion"]) == ("models/credit", made.digest)
    tags = {each["key"]: each["value"] for each in complete["run"]["facets"]["tags"]["tags"]}
    assert "publisher.python" in tags
    assert "python" not in tags  # the training's is not known
    assert (tags["git.commit"], tags["git.dirty"], tags["metric.auc"]) == ("c" * 40, "False", "0.8")
    assert complete["run"]["facets"]["executionParameters"]["parameters"] == [{"key": "depth", "value": "3"}]
    assert complete["job"]["facets"]["sourceCode"]["sourceCode"] == "python train.py"
    assert (serves["eventType"], serves["job"]["name"]) == ("START", "serve.credit")
    assert [each["facets"]["version"]["datasetVersion"] for each in serves["inputs"]] == [made.digest]


def test_the_same_lineage_gives_the_same_events(site: LineageSite) -> None:
    """So that they may be sent again; another namespace is another place."""
    made = site.publish("credit", [ROWS])
    site.deploy("dan", made.digest)
    assert exported(site) == exported(site)
    assert {each["job"]["namespace"] for each in exported(site, "bank")} == {"bank"}


def test_one_run_of_several_stages_is_several_runs(site: LineageSite) -> None:
    """A consumer knows a run by its id alone."""
    runs = [{"stage": stage, "id": RUN} for stage in ("ingestion", "preprocessing", "training")]
    site.publish("credit", origin=ORIGIN | {"runs": runs, "links": [[RUN, RUN]]})
    assert len({each["run"]["runId"] for each in exported(site)}) == 3


def test_lineage_of_any_form_is_exported(site: LineageSite) -> None:
    """What is not of the form that we write is left out, not guessed and not a crash."""
    strange = {
        "runs": [1, {"stage": "x", "id": "y"}, {"stage": "training", "id": 7}],
        "links": 3,
        "data": None,
    }
    site.publish(
        "credit", origin=strange, git=[1], parameters=7, metrics={"\ud800": None, "x": [1]}, mlflow={"run": 1}
    )
    site.publish(
        "more", origin=ORIGIN, training_table={"sha256": SHA, "profile": {"columns": [{"name": 1}, 3]}}
    )
    for event in exported(site):
        json.dumps(event)
        assert event["job"]["name"] in {
            "credit.training", "more.ingestion", "more.preprocessing", "more.training",
        }  # fmt: skip


def test_a_time_that_is_none_is_refused(site: LineageSite) -> None:
    """Everybody else's parser would."""
    site.publish("credit", [ROWS])
    with site.lineage() as lineage:
        lineage.refresh()
        (document,) = lineage.documents()
    for created in ("yesterday", "2026-01-02T03:04:05"):
        import dataclasses

        broken = dataclasses.replace(document, created=created)
        with pytest.raises(FormatError, match="no time"):
            list(Export("x").package(broken, {}))
