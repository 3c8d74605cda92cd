"""A Great Expectations suite, evaluated on a table in memory: no project, no files, nobody asked.

Of each expectation the report has its type, its column, whether it holds and how many cells do not; GX's own results
hold samples of the cells, which MUST NOT come into a log that forgets nothing.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any, Final

from .base import CannotJudge, Suite

_MAX_EXPECTATIONS: Final = 1000

# It logs with tracebacks what is told here in one line.
logging.getLogger("great_expectations").setLevel(logging.CRITICAL)


def evaluate(suite: Suite, frame: Any) -> tuple[list[str], dict[str, Any], dict[str, str]]:
    """Failures, figures and versions. `frame`: a pandas table.

    Every expectation counts, whatever its severity. Both forms of the JSON are read: `type` of GX 1, and
    `expectation_type` of those before it.

    Raises:
        CannotJudge: it is no suite, it has no expectations, or one has a `row_condition`: pandas runs its text.
        ModuleNotFoundError: great-expectations is not installed.
    """
    name, wanted = _read(suite.content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its imports: nothing that a user could change
        results = _results(name, wanted, frame)
    told = sorted(
        map(_told, results), key=lambda each: (each["type"], each["column"])
    )  # GX has its own order
    failures = [
        f"suite {name!r}: {each['type']}{' of ' + repr(each['column']) if each['column'] else ''} does not hold"
        f"{': ' + each['said'] if each['said'] else ''}"
        for each in told
        if not each["held"]
    ]
    figures = {
        "name": name,
        "digest": suite.digest,
        "expectations": len(told),
        "held": sum(each["held"] for each in told),
        "results": told,
    }
    return failures, figures, {"great-expectations": version("great-expectations")}


def _read(content: Mapping[str, Any]) -> tuple[str, list[dict[str, Any]]]:
    name = content.get("name", content.get("expectation_suite_name"))
    listed = content.get("expectations")
    if not isinstance(name, str) or not isinstance(listed, list):
        raise CannotJudge("the suite is not one of Great Expectations: a name and expectations are wanted")
    if not 0 < len(listed) <= _MAX_EXPECTATIONS:
        raise CannotJudge(
            f"the suite {name!r} has {len(listed)} expectations; 1 to {_MAX_EXPECTATIONS} are wanted"
        )
    wanted = []
    for place, each in enumerate(listed, 1):
        kind = each.get("type", each.get("expectation_type")) if isinstance(each, dict) else None
        arguments = each.get("kwargs", {}) if isinstance(each, dict) else None
        if not isinstance(kind, str) or not isinstance(arguments, dict):
            raise CannotJudge(
                f"the suite {name!r}: expectation {place} has no type, or its kwargs are no mapping"
            )
        if "row_condition" in arguments:
            raise CannotJudge(
                f"the suite {name!r}: expectation {place} has a row_condition: it would be run as code"
            )
        wanted.append({"type": kind, "kwargs": arguments})
    return name, wanted


def _results(name: str, wanted: list[dict[str, Any]], frame: Any) -> list[dict[str, Any]]:
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    asset = context.data_sources.add_pandas("table").add_dataframe_asset("table")
    batch = asset.add_batch_definition_whole_dataframe("table").get_batch({"dataframe": frame})
    try:
        found: Any = batch.validate(
            gx.ExpectationSuite(name=name, expectations=wanted), result_format="BASIC"
        )
    # Its own exceptions, and those of the pydantic that it brings.
    except Exception as error:
        said = " ".join(str(error).split())[:300]
        raise CannotJudge(f"the suite {name!r} cannot be evaluated: {said}") from error
    results: list[dict[str, Any]] = found.to_json_dict()["results"]
    # What it does not know it leaves out, and only logs that.
    if len(results) != len(wanted):
        left = {each["type"] for each in wanted} - {each["expectation_config"]["type"] for each in results}
        raise CannotJudge(
            f"the suite {name!r}: {len(results)} of {len(wanted)} expectations can be evaluated; not "
            f"{', '.join(sorted(left)) or 'all'}"
        )
    return results


def _told(result: Mapping[str, Any]) -> dict[str, Any]:
    """Without a cell's value."""
    wanted, found = result["expectation_config"], result.get("result") or {}
    arguments = wanted["kwargs"]
    column = arguments.get("column") or arguments.get("column_list") or arguments.get("column_set")
    pair = [arguments[key] for key in ("column_A", "column_B") if key in arguments]
    return {
        "type": wanted["type"],
        "column": ", ".join(map(str, column)) if isinstance(column, list) else str(column or ", ".join(pair)),
        "held": bool(result["success"]),
        "said": _counted(found) if found else "" if result["success"] else "it could not be evaluated",
    }


def _counted(found: Mapping[str, Any]) -> str:
    count, of = found.get("unexpected_count"), found.get("element_count")
    if isinstance(count, int) and isinstance(of, int):
        return f"{count:,} of {of:,} unexpected"
    value = found.get("observed_value")
    return f"{value:g} observed" if isinstance(value, int | float) and not isinstance(value, bool) else ""
