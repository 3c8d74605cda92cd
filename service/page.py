"""The documentation page of what is served, from the signatures: no script, no asset."""

from __future__ import annotations

from html import escape
from typing import Any, Final

import orjson

from registry.signature import Feature, Signature

from .models import Plan, ServicePlan
from .openapi import prediction_schema

_STYLE: Final = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1b1b1b;"
    "background:#fff}code,pre{font:14px/1.45 ui-monospace,monospace;background:#f3f3f3;padding:.1em .3em}"
    "pre{padding:.8em;overflow-x:auto}table{border-collapse:collapse;width:100%}"
    "td,th{border-bottom:1px solid #ccc;padding:.3em .6em;text-align:left;vertical-align:top}"
)


def page(plan: Plan) -> bytes:
    """The documentation page."""
    parts = [_service_html(service) for service in plan.values()] or ["<p>No model is loaded.</p>"]
    html = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Affiant</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body><main>'
        "<h1>Affiant</h1><p>Every prediction is recorded before it is answered: <code>Affiant-Record</code> "
        "names its record, <code>Affiant-Model</code> the package that gave it. "
        'The description for machines is <a href="/openapi.json">/openapi.json</a>.</p>'
        f"{''.join(parts)}</main></body></html>"
    )
    return html.encode()


def _service_html(service: ServicePlan) -> str:
    loaded = service.answering[0].loaded
    signature = loaded.signature
    rows = "".join(_feature_html(feature) for feature in signature.features)
    example = orjson.dumps({"instances": [example_row(signature)]}, option=orjson.OPT_INDENT_2).decode()
    versions = "".join(
        f"<li><code>{escape(served.loaded.digest)}</code> {escape(served.loaded.model.runtime)}</li>"
        for served in service.answering
    )
    return (
        f"<section><h2>{escape(service.name)}</h2><p>{escape(prediction_schema(signature)['description'])}.</p>"
        f"<ul>{versions}</ul><p><code>POST /v1/models/{escape(service.name)}:predict</code>, "
        f"<code>:explain</code>, <code>:label</code>, <code>POST /v2/models/{escape(service.name)}/infer</code></p>"
        f"<pre>{escape(example)}</pre>"
        "<table><thead><tr><th>feature</th><th>type</th><th>missing</th><th>values</th></tr></thead>"
        f"<tbody>{rows}</tbody></table></section>"
    )


def _feature_html(feature: Feature) -> str:
    values = ", ".join(feature.categories)
    if not values and feature.minimum is not None and feature.maximum is not None:
        values = f"{feature.minimum:g} to {feature.maximum:g} in the training table"
    missing = "null" if feature.missing else "no"
    cells = (feature.name, feature.type, missing, values)
    return "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>"


def example_row(signature: Signature) -> dict[str, Any]:
    """A row that the model takes."""
    row: dict[str, Any] = {}
    for feature in signature.features:
        middle = ((feature.minimum or 0.0) + (feature.maximum or 0.0)) / 2
        row[feature.name] = (
            feature.categories[0]
            if feature.type == "category"
            else round(middle)
            if feature.type == "integer"
            else round(middle, 3)
        )
    return row
