"""The lineage as OpenLineage events, so that Marquez, DataHub and their like can read it. Pure.

Source: OpenLineage 2-0-2, https://openlineage.io/spec/2-0-2/OpenLineage.json, and its facets.

    ingestion → preprocessing → training      a run each, as far as the publisher said; the training reads the data
                                              sets and writes the package, whose version is its digest
    serve.SERVICE                             a run that began with the newest deployment; reads the packages

Nothing is guessed: what a run before the training read or wrote nobody said, so it has neither inputs nor outputs.
When a run was nobody said either, but MLflow of the training: other events bear the time at which the package was made.
The same lineage gives the same events, with the same run ids: sent twice they are taken once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from registry.lineage.deprecation import Deprecation
from registry.lineage.origin import STAGES
from registry.lineage.versions import DataUse, data_of

from .fold import Document
from .results import Place
from .runs import instant, items, linked, made_id, mlflow_times, part, run_ids, said_runs, time_of

SCHEMA: Final = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
_FACETS: Final = {
    "version": "1-0-1/DatasetVersionDatasetFacet",
    "schema": "1-2-0/SchemaDatasetFacet",
    "dataQualityMetrics": "1-0-3/DataQualityMetricsInputDatasetFacet",
    "outputStatistics": "1-0-2/OutputStatisticsOutputDatasetFacet",
    "dataset tags": "1-0-0/TagsDatasetFacet",
    "run tags": "1-0-0/TagsRunFacet",
    "executionParameters": "1-0-0/ExecutionParametersRunFacet",
    "jobDependencies": "1-0-1/JobDependenciesRunFacet",
    "jobType": "2-0-3/JobTypeJobFacet",
    "sourceCode": "1-0-1/SourceCodeJobFacet",
    "ownership": "1-0-1/OwnershipJobFacet",
}

Event = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Export:
    """How events are written."""

    producer: str
    """A URI: of this software."""
    namespace: str = "affiant"
    """Of jobs and data sets: those of the same name in it are the same."""

    def package(
        self, document: Document, deprecated: Mapping[str, Deprecation], places: Sequence[Place] = ()
    ) -> Iterator[Event]:
        """The runs that a package came from, each with its START and its COMPLETE.

        Args:
            document: manifest and lineage, held to the package's digest.
            deprecated: versions of data that are.
            places: where the package serves now.

        Raises:
            FormatError: the time at which the package was made is none.
        """
        lineage, at = document.lineage, time_of(document)
        runs = said_runs(lineage)
        ids = run_ids(document, runs)
        before: str | None = None
        for stage in STAGES:
            if stage not in ids:
                continue
            training = stage == "training"
            job = self._job(f"{document.name}.{stage}", stage.upper(), "BATCH")
            facets = {}
            if before is not None and linked(lineage, runs.get(before), runs.get(stage)):
                facets["jobDependencies"] = self._facet(
                    "jobDependencies",
                    upstream=[
                        {
                            "job": {"namespace": self.namespace, "name": f"{document.name}.{before}"},
                            "run": {"runId": ids[before]},
                        }
                    ],
                )
            inputs, outputs = [], []
            if training:
                job["facets"] |= self._made_by(lineage)
                facets |= self._ran(lineage)
                inputs = [self._input(use, lineage, deprecated) for use in data_of(lineage)]
                outputs = [self._output(document, places)]
            run = {"runId": ids[stage], "facets": facets}
            started, ended = mlflow_times(lineage) if training else (None, None)
            yield self._event("START", started or at, run, job, inputs, [])
            yield self._event("COMPLETE", ended or at, run, job, inputs, outputs)
            before = stage

    def services(self, places: Iterable[Place], names: Mapping[str, str]) -> Iterator[Event]:
        """For each service that an event deployed, the run in which it serves now: it has begun, and goes on.

        Args:
            places: of all packages.
            names: digest → the package's name.
        """
        services: dict[str, list[Place]] = {}
        for each in places:
            if each.offset is not None and each.digest in names:
                services.setdefault(each.service, []).append(each)
        for service, serving in sorted(services.items()):
            first = serving[0]
            at = instant(first.since or 0)
            run = {"runId": made_id("serve", f"{service} {first.offset}"), "facets": {}}
            inputs = [
                self._dataset(_model(names[each.digest]), {
                    "version": self._facet("version", datasetVersion=each.digest),
                    "tags": self._tags("dataset tags", {"slot": each.slot, "weight": f"{each.weight:g}"}),
                })
                for each in sorted(serving, key=lambda place: (place.slot, place.digest))
            ]  # fmt: skip
            job = self._job(f"serve.{service}", "SERVICE", "STREAMING")
            yield self._event("START", at, run, job, inputs, [self._dataset(f"predictions/{service}", {})])

    def _event(
        self, kind: str, at: str, run: Event, job: Event, inputs: list[Event], outputs: list[Event]
    ) -> Event:
        return {
            "eventType": kind,
            "eventTime": at,
            "producer": self.producer,
            "schemaURL": SCHEMA,
            "run": run,
            "job": job,
            "inputs": inputs,
            "outputs": outputs,
        }

    def _facet(self, facet: str, **content: Any) -> Event:
        """A facet of the specification; the part of its schema's address behind the slash is its name."""
        place = _FACETS[facet]
        url = f"https://openlineage.io/spec/facets/{place}.json#/$defs/{place.partition('/')[2]}"
        return {"_producer": self.producer, "_schemaURL": url, **content}

    def _job(self, name: str, kind: str, processing: str) -> Event:
        facet = self._facet("jobType", processingType=processing, integration="AFFIANT", jobType=kind)
        return {"namespace": self.namespace, "name": name, "facets": {"jobType": facet}}

    def _dataset(self, name: str, facets: Event, **more: Event) -> Event:
        return {"namespace": self.namespace, "name": name, "facets": facets, **more}

    def _tags(self, facet: str, tags: Mapping[str, object]) -> Event:
        told = [
            {"key": key, "value": str(value), "source": "affiant"}
            for key, value in tags.items()
            if value is not None
        ]
        return self._facet(facet, tags=told)

    def _made_by(self, lineage: Mapping[str, Any]) -> Event:
        """Job facets of the training: its command, its owner."""
        origin, actor = part(lineage, "origin"), lineage.get("actor")
        facets: Event = {}
        if isinstance(command := origin.get("command"), str) and command:
            facets["sourceCode"] = self._facet("sourceCode", language="shell", sourceCode=command)
        if isinstance(actor, str) and actor:
            owner = {"name": actor, "type": "publisher"}
            facets["ownership"] = self._facet("ownership", owners=[owner])
        return facets

    def _ran(self, lineage: Mapping[str, Any]) -> Event:
        """Run facets of the training: parameters; and code, image, runs and metrics as tags."""
        git, origin, mlflow = (part(lineage, name) for name in ("git", "origin", "mlflow"))
        parameters = [
            {"key": name, "value": _words(value)} for name, value in part(lineage, "parameters").items()
        ]
        tags = {
            "git.commit": git.get("commit"),
            "git.dirty": git.get("dirty"),
            "image": origin.get("image"),
            "mlflow.run": part(mlflow, "run").get("id"),
            "publisher.python": part(lineage, "environment").get("python"),
            **{f"metric.{name}": value for name, value in part(lineage, "metrics").items()},
        }
        facets = {"tags": self._tags("run tags", tags)}
        if parameters:
            facets["executionParameters"] = self._facet("executionParameters", parameters=parameters)
        return facets

    def _input(
        self, use: DataUse, lineage: Mapping[str, Any], deprecated: Mapping[str, Deprecation]
    ) -> Event:
        facets = {"version": self._facet("version", datasetVersion=use.version)}
        why = next((deprecated[name].reason for name in use.versions if name in deprecated), None)
        tags = {"sha256": use.sha256, "source": use.source, "checked": use.checked, "deprecated": why}
        facets["tags"] = self._tags("dataset tags", tags)
        profile = _profile(use, lineage)
        if profile is None:
            return self._dataset(use.name, facets)
        columns = [each for each in items(profile.get("columns")) if isinstance(each.get("name"), str)]
        fields = [{"name": each["name"], "type": str(each.get("type"))} for each in columns]
        metrics = {
            each["name"]: {"nullCount": each["missing"], "distinctCount": each["distinct"]}
            for each in columns
            if type(each.get("missing")) is int and type(each.get("distinct")) is int
        }
        rows = {"rowCount": profile["rows"]} if type(profile.get("rows")) is int else {}
        facets["schema"] = self._facet("schema", fields=fields)
        quality = self._facet("dataQualityMetrics", columnMetrics=metrics, **rows)
        return self._dataset(use.name, facets, inputFacets={"dataQualityMetrics": quality})

    def _output(self, document: Document, places: Sequence[Place]) -> Event:
        serves = {f"serves.{each.service}": f"{each.slot} {each.weight:g}" for each in places}
        facets = {
            "version": self._facet("version", datasetVersion=document.digest),
            "tags": self._tags("dataset tags", {"model_type": document.model_type, **serves}),
        }
        size = self._facet("outputStatistics", size=document.size, fileCount=6)
        return self._dataset(_model(document.name), facets, outputFacets={"outputStatistics": size})


def _profile(use: DataUse, lineage: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The training table's own, or that of the data set; None: it has none."""
    table = part(lineage, "training_table")
    if use.sha256 is not None and use.sha256 == f"sha256:{table.get('sha256')}":
        return {**part(table, "profile"), "rows": table.get("rows")}
    named = (
        each for each in items(part(lineage, "origin").get("data")) if each.get("version") == use.version
    )
    return next((part(each, "profile") for each in named if "profile" in each), None)


def _model(name: str) -> str:
    return f"models/{name}"


def _words(value: object) -> str:
    return value if isinstance(value, str) else str(value)
