"""OpenAPI 3.1 of what is served, from the signatures; service/page.py is one page to read it by."""

from __future__ import annotations

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


def _header(name: str, most: int, about: str) -> dict[str, Any]:
    return {
        "name": name, "in": "header", "required": False, "schema": {"type": "string", "maxLength": most},
        "description": about,
    }  # fmt: skip


PARAMETERS: Final = {
    "request-id": _header("X-Request-Id", 128, "The client's own id of the request; kept in the record"),
    "subject": _header(
        "Affiant-Subject",
        128,
        "Whom the request is about, by the client's own id; the record has a pseudonym of it",
    ),
    "split": _header(
        "Affiant-Split", 128, "A key of the caller's choice: equal ones fall to the same package"
    ),
}
"""Headers that a request may have (docs/gateway.md)."""


def _may_have(*names: str) -> list[dict[str, str]]:
    return [{"$ref": f"#/components/parameters/{name}"} for name in names]


def describe(plan: Plan) -> bytes:
    """The OpenAPI document, as JSON."""
    paths: dict[str, Any] = {}
    schemas: dict[str, Any] = {"Problem": _problem(), "Label": schema()}
    for service in plan.values():
        signature = service.answering[0].loaded.signature
        schemas[f"{service.name}.row"] = row_schema(signature)
        schemas[f"{service.name}.prediction"] = prediction_schema(signature)
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
                "parameters": PARAMETERS,
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


def prediction_schema(signature: Signature) -> dict[str, Any]:
    """What a row is answered with."""
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
            "parameters": _may_have("subject"),
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
            "parameters": _may_have("request-id", "subject", "split"),
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
