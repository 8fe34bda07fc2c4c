"""The description of the interface in OpenAPI 3.1, made from its operations."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from ainode.api.operation import JSON, PATH_PARAMETERS, Operation, Reply

_FILES = {
    "description": "One file in the field image (also file), or a field for each input, called like it. See rest.md.",
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "properties": {
                    name: {"type": "array", "items": {"type": "string", "format": "binary"}}
                    for name in ("image", "file")
                },
                "additionalProperties": {"description": "files for the input of that name; what is no file is ignored"},
                "minProperties": 1,
            }
        }
    },
}
_SCHEMES = {
    "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "bearer": {"type": "http", "scheme": "bearer"},
}


def openapi(operations: Iterable[Operation], *, version: str, root: str) -> dict[str, Any]:
    """The whole document; ``root`` is the address of the interface."""
    listed = tuple(operations)
    paths: dict[str, dict[str, Any]] = {}
    for operation in listed:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "ainode",
            "version": version,
            "description": "Predictions by the models of one node, and reviews of its results.",
        },
        "servers": [{"url": root}],
        "security": [{name: []} for name in _SCHEMES] + [{}],
        "paths": paths,
        "components": {"schemas": _schemas(listed), "securitySchemes": _SCHEMES},
    }


def _operation(operation: Operation) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "parameters": [*_path_parameters(operation.path), *_parameters(operation)],
        "responses": {str(status): _reply(reply) for status, reply in operation.replies.items()},
    }
    if operation.takes_files:
        described["requestBody"] = _FILES
    if operation.takes:
        described["requestBody"] = {"required": True, "content": {JSON: _media(operation.takes)}}
    if operation.open:
        described["security"] = []
    return described


def _path_parameters(path: str) -> list[dict[str, Any]]:
    names = re.findall(r"{(\w+)}", path)
    return [
        {"name": name, "in": "path", "required": True, "description": text, "schema": dict(schema)}
        for name in names
        for text, schema in [PATH_PARAMETERS[name]]
    ]


def _parameters(operation: Operation) -> list[dict[str, Any]]:
    return [
        {
            "name": each.name,
            "in": each.place,
            "required": each.required,
            "description": each.description,
            "schema": dict(each.schema),
        }
        for each in operation.parameters
    ]


def _reply(reply: Reply) -> dict[str, Any]:
    described: dict[str, Any] = {"description": reply.description}
    if reply.content:
        described["content"] = {kind: _media(model) for kind, model in reply.content.items()}
    if reply.headers:
        described["headers"] = {
            name: {"description": text, "schema": {"type": "string"}} for name, text in reply.headers.items()
        }
    return described


def _media(model: type[BaseModel] | None) -> dict[str, Any]:
    return {} if model is None else {"schema": {"$ref": f"#/components/schemas/{model.__name__}"}}


def _schemas(operations: Iterable[Operation]) -> Mapping[str, Any]:
    models = {
        model
        for operation in operations
        for reply in operation.replies.values()
        for model in reply.content.values()
        if model is not None
    }
    wanted = [(model, "serialization") for model in sorted(models, key=lambda model: model.__name__)]
    wanted += [(operation.takes, "validation") for operation in operations if operation.takes]
    _, schema = models_json_schema(wanted, ref_template="#/components/schemas/{model}")  # type: ignore[arg-type]
    found: Mapping[str, Any] = schema["$defs"]
    return found
