"""OpenAPI 3.1 of what is served, from the signatures, and one page to read it by: no script, no asset."""

from __future__ import annotations

from html import escape
from typing import Any, Final

import orjson

from registry.signature import Feature, Signature

from .errors import (
    PROBLEM_JSON,
    TABLE,
    GatewayError,
    Invalid,
    NoReceipt,
    Refused,
    Unavailable,
    WrongLabel,
)
from .labels import MAX_LABELS, schema
from .models import Plan, ServicePlan
from .protocol import v2

_REF: Final = "#/components/schemas/"


def describe(plan: Plan) -> bytes:
    """The OpenAPI document, as JSON."""
    paths: dict[str, Any] = {}
    schemas: dict[str, Any] = {"Problem": _problem(), "Label": schema()}
    for service in plan.values():
        signature = service.answering[0].loaded.signature
        schemas[f"{service.name}.row"] = row_schema(signature)
        schemas[f"{service.name}.prediction"] = _prediction(signature)
        paths |= _paths(service, signature)
    return orjson.dumps(
        {
            "openapi": "3.1.0",
            "info": {
                "title": "Affiant",
                "version": "1",
                "description": "Every prediction is recorded before it is answered: Affiant-Record names it.",
            },
            "paths": {**paths, "/v1/records/{record}/receipt": _receipt()},
            "components": {
                "schemas": schemas,
                "securitySchemes": {
                    "bearer": {"type": "http", "scheme": "bearer"},
                    "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
                },
            },
            "security": [{"bearer": []}, {"key": []}, {}],
        }
    )


def row_schema(signature: Signature) -> dict[str, Any]:
    """A row: an object by feature name, or an array in the model's order."""
    cells = [cell_schema(feature) for feature in signature.features]
    names = [feature.name for feature in signature.features]
    return {
        "oneOf": [
            {
                "type": "object",
                "properties": dict(zip(names, cells, strict=True)),
                "required": [feature.name for feature in signature.features if not feature.missing],
                "additionalProperties": False,
            },
            {"type": "array", "prefixItems": cells, "minItems": len(cells), "maxItems": len(cells)},
        ]
    }


def cell_schema(feature: Feature) -> dict[str, Any]:
    """One cell of a row."""
    kind = {"category": "string", "integer": "integer", "number": "number"}[feature.type]
    schema: dict[str, Any] = {"type": [kind, "null"] if feature.missing else kind}
    if feature.categories and feature.unknown == "refuse":
        schema["enum"] = [*feature.categories, *([None] if feature.missing else [])]
    elif feature.categories:
        schema["examples"] = list(feature.categories[:3])
    if feature.minimum is not None and feature.maximum is not None:
        schema["description"] = f"{feature.minimum:g} to {feature.maximum:g} in the training table"
    return schema


def _prediction(signature: Signature) -> dict[str, Any]:
    if signature.task == "multiclass":
        return {
            "type": "array",
            "items": {"type": "number"},
            "description": f"Probabilities of {', '.join(signature.classes)}, in this order",
        }
    about = f"Probability of {signature.positive_class}" if signature.task == "binary" else "The value"
    return {"type": "number", "description": about}


def _paths(service: ServicePlan, signature: Signature) -> dict[str, Any]:
    name = service.name
    instances = {
        "type": "object",
        "properties": {"instances": {"type": "array", "minItems": 1, "items": {"$ref": f"{_REF}{name}.row"}}},
        "required": ["instances"],
        "additionalProperties": False,
    }
    predictions = {
        "type": "object",
        "properties": {"predictions": {"type": "array", "items": {"$ref": f"{_REF}{name}.prediction"}}},
    }
    tensors = {
        "type": "object",
        "properties": {
            "id": {"type": "string", "maxLength": 128},
            "inputs": {"type": "array", "minItems": 1, "items": {"type": "object"}},
        },
        "required": ["inputs"],
    }
    any_object = {"type": "object"}
    return {
        f"/v1/models/{name}:predict": _post(f"Predict with {name}", instances, predictions),
        f"/v1/models/{name}:explain": _post(f"Explain a prediction of {name}", instances, any_object),
        f"/v2/models/{name}/infer": _post(
            f"Infer with {name}: one tensor {v2.INPUT!r} [rows, {signature.width}], or one a feature",
            tensors,
            any_object,
        ),
        f"/v1/models/{name}:label": _labels(name),
    }


_OF_PREDICTIONS: Final = (Refused, Invalid, Unavailable)
_OF_LABELS: Final = (Refused, WrongLabel, Unavailable)


def _titles(*kinds: type[GatewayError]) -> dict[int, str]:
    """Status → title of what may be wrong; of several with one status, the last of the table."""
    return {line.status: line.title for kind, line in TABLE.items() if issubclass(kind, kinds)}


def _refusals(*kinds: type[GatewayError]) -> dict[str, Any]:
    problem = {PROBLEM_JSON: {"schema": {"$ref": f"{_REF}Problem"}}}
    return {
        str(status): {"description": title, "content": problem}
        for status, title in sorted(_titles(*kinds).items())
    }


def _labels(name: str) -> dict[str, Any]:
    one = {"$ref": f"{_REF}Label"}
    many = {"type": "array", "minItems": 1, "maxItems": MAX_LABELS, "items": one}
    entry = {
        "type": "object",
        "properties": {
            "entry": {"type": "string", "description": "Id of the label's own record"},
            "record": {"type": "string"}, "request_id": {"type": "string"}, "row": {"type": "integer"},
        },
        "required": ["entry"],
    }  # fmt: skip
    answer = {"type": "object", "properties": {"accepted": {"type": "array", "items": entry}}}
    return {
        "post": {
            "summary": f"Say what came of predictions of {name}",
            "requestBody": {
                "required": True,
                "content": {"application/json": {"schema": {"oneOf": [one, many]}}},
            },
            "responses": {
                "200": {
                    "description": "Durable",
                    "content": {"application/json": {"schema": answer}},
                },
                **_refusals(*_OF_LABELS),
            },
        }
    }


def _receipt() -> dict[str, Any]:
    name = {"name": "record", "in": "path", "required": True, "schema": {"type": "string"}}
    return {
        "get": {
            "summary": "The receipt of a record: the proof, signed by the notary, that it is in the sealed log",
            "parameters": [{**name, "description": "Affiant-Record of the caller's own request"}],
            "responses": {
                "200": {
                    "description": "A .tlog-proof (c2sp.org/tlog-proof)",
                    "content": {"text/plain": {"schema": {"type": "string"}}},
                },
                **_refusals(NoReceipt),
            },
        }
    }


def _post(summary: str, request: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
    headers = {
        "Affiant-Record": {"schema": {"type": "string"}, "description": "Id of the record"},
        "Affiant-Model": {"schema": {"type": "string"}, "description": "Digest of the package"},
    }
    return {
        "post": {
            "summary": summary,
            "requestBody": {"required": True, "content": {"application/json": {"schema": request}}},
            "responses": {
                "200": {
                    "description": "Recorded and answered",
                    "headers": headers,
                    "content": {"application/json": {"schema": answer}},
                },
                **_refusals(*_OF_PREDICTIONS),
            },
        }
    }


def _problem() -> dict[str, Any]:
    text = {"type": "string"}
    return {
        "type": "object",
        "description": "RFC 9457 problem details",
        "properties": {
            "type": text, "title": text, "status": {"type": "integer"}, "detail": text, "instance": text,
            "field": text, "row": {"type": "integer"}, "error": text,
        },
        "required": ["type", "title", "status", "detail", "instance"],
    }  # fmt: skip


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
        f"<section><h2>{escape(service.name)}</h2><p>{escape(_prediction(signature)['description'])}.</p>"
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
