"""Versions of registered models, and the tags and aliases on them that are ours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from registry.errors import StoreDamaged, StoreUnavailable
from registry.manifest import is_digest

from .answers import mapping, members, number, pairs
from .client import Client, Refused
from .where import model_id

DIGEST_TAG: Final = "affiant.digest"
"""Of which package the version is; never changed once it is there."""
KEPT_TAG: Final = "affiant.kept"
"""Where among the version's artifacts the package is; only on versions of an MLflow store."""
_PAGE: Final = 1000
_EXISTS: Final = "RESOURCE_ALREADY_EXISTS"


@dataclass(frozen=True, slots=True)
class Version:
    """One version, as the server told it. `model` is the logged model that it points to, when it is one."""

    name: str
    number: int
    tags: Mapping[str, str]
    model: str | None

    def __str__(self) -> str:
        """As MLflow writes it."""
        return f"models:/{self.name}/{self.number}"


class Versions:
    """The model registry of a server. Every method raises StoreUnavailable as the client does."""

    def __init__(self, client: Client, prefix: str = "") -> None:
        """`prefix`: what the names of the registered models begin with; without a quote, `%` and `_`."""
        self.client = client
        self.prefix = prefix

    def of(self, digest: str) -> tuple[Version, ...]:
        """Those that say that they are of this package, the newest first. `digest` MUST be one."""
        found = (each for each in self._search(f"= '{digest}'") if each.tags[DIGEST_TAG] == digest)
        return tuple(sorted(found, key=lambda each: each.number, reverse=True))

    def all(self) -> tuple[Version, ...]:
        """Those that say that they are of any package."""
        return tuple(self._search("LIKE 'sha256:%'"))

    def get(self, name: str, which: str | int) -> Version:
        """One version. Raises NotFound."""
        told = self.client.get("model-versions/get", name=name, version=str(which)).get("model_version")
        return self._version(told)

    def create(
        self, name: str, model: str, run: str | None, tags: Mapping[str, str], description: str
    ) -> Version:
        """A new version with its tags, in one step; its registered model is made when there is none."""
        self._create_once("registered-models/create", {"name": name})
        body = {
            "name": name,
            "source": f"models:/{model}",
            "model_id": model,
            "tags": [{"key": key, "value": value} for key, value in tags.items()],
            "description": description,
        }
        if run is not None:
            body["run_id"] = run
        return self._version(self.client.post("model-versions/create", body).get("model_version"))

    def link(self, name: str, which: str | int, digest: str, kept: str | None = None) -> bool:
        """Say on a version of which package it is; False when it is another's already.

        The digest comes last: without it the other tag means nothing, whatever is interrupted.
        """
        there = self.get(name, which)
        said = there.tags.get(DIGEST_TAG)
        if said is not None and said != digest:
            return False
        if kept is not None and there.tags.get(KEPT_TAG) != kept:
            self.set_tag(there, KEPT_TAG, kept)
        if said is None:
            self.set_tag(there, DIGEST_TAG, digest)
        # MLflow has no compare-and-set: two publishers at once are told apart by what stands there afterwards.
        return self.get(name, which).tags.get(DIGEST_TAG) == digest

    def set_tag(self, version: Version, key: str, value: str) -> None:
        """Set or replace one tag."""
        body = {"name": version.name, "version": str(version.number), "key": key, "value": value}
        self.client.post("model-versions/set-tag", body)

    def delete_tag(self, version: Version, key: str) -> None:
        """Take one tag away."""
        body = {"name": version.name, "version": str(version.number), "key": key}
        self.client.delete("model-versions/delete-tag", body)

    def aliases(self, name: str) -> dict[str, int]:
        """Alias → version, of a registered model."""
        told = mapping(self.client.get("registered-models/get", name=name), "registered_model")
        return {
            str(each.get("alias")): of
            for each in members(told.get("aliases"))
            if (of := number(each.get("version"))) is not None
        }

    def set_alias(self, name: str, alias: str, which: int) -> None:
        """Set or move an alias."""
        self.client.post("registered-models/alias", {"name": name, "alias": alias, "version": str(which)})

    def delete_alias(self, name: str, alias: str) -> None:
        """Take an alias away."""
        self.client.delete("registered-models/alias", {"name": name, "alias": alias})

    def experiment(self, name: str) -> str:
        """The id of an experiment, which is made when there is none."""
        self._create_once("experiments/create", {"name": name})
        told = mapping(self.client.get("experiments/get-by-name", experiment_name=name), "experiment")
        if told.get("lifecycle_stage") != "active":
            raise StoreUnavailable(
                f"{self.client.server}: the experiment {name!r} was deleted; restore it (mlflow experiments restore)"
            )
        return str(told.get("experiment_id"))

    def _create_once(self, call: str, body: Mapping[str, Any]) -> None:
        try:
            self.client.post(call, body)
        except Refused as error:
            if error.code != _EXISTS:
                raise

    def _search(self, condition: str) -> Iterator[Version]:
        asked = f"tags.`{DIGEST_TAG}` {condition}"
        if self.prefix:
            asked = f"name LIKE '{self.prefix}%' AND {asked}"
        found = self.client.pages("model-versions/search", "model_versions", filter=asked, max_results=_PAGE)
        # SQLite and MySQL compare LIKE without case; and a server may answer anything.
        return (
            each
            for each in map(self._version, found)
            if each.name.startswith(self.prefix) and is_digest(each.tags.get(DIGEST_TAG, ""))
        )

    def _version(self, told: object) -> Version:
        said = mapping(told)
        of = number(said.get("version"))
        if of is None:
            raise StoreDamaged(f"{self.client.server}: what it says of a model's version is none")
        return Version(str(said.get("name")), of, pairs(said.get("tags")), model_id(said.get("source")))
