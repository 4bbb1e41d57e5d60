"""The JSON Schema of the canonical transcript, made from its dataclasses.

``python -m speechpipe.formats.schema > speechpipe/transcript.schema.json`` publishes it anew.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Mapping
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from speechpipe.transcript_data import READABLE_VERSIONS, SCHEMA_VERSION, TranscriptData

#: What the types do not say, by dataclass and field.
BOUNDS: Mapping[tuple[str, str], Mapping[str, Any]] = {
    ("Word", "start_ms"): {"minimum": 0},
    ("Word", "end_ms"): {"minimum": 0},
    ("Word", "confidence"): {"minimum": 0, "maximum": 1},
    ("Segment", "start_ms"): {"minimum": 0},
    ("Segment", "end_ms"): {"minimum": 0},
    ("Event", "start_ms"): {"minimum": 0},
    ("Event", "end_ms"): {"minimum": 0},
}
_PLAIN = {int: "integer", float: "number", str: "string", bool: "boolean", NoneType: "null"}


def schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of what ``Transcript.to_dict`` gives and ``from_dict`` takes."""
    definitions: dict[str, Any] = {}
    top = _object(TranscriptData, definitions)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:speechpipe:transcript:{SCHEMA_VERSION}",
        "title": "speechpipe transcript",
        **top,
        "properties": {"schema_version": {"enum": list(READABLE_VERSIONS)}, **top["properties"]},
        "required": ["schema_version", *top["required"]],
        "$defs": definitions,
    }


def _object(kind: type, definitions: dict[str, Any]) -> dict[str, Any]:
    hints = get_type_hints(kind)
    fields = dataclasses.fields(kind)
    return {
        "description": " ".join((kind.__doc__ or "").split()),
        "type": "object",
        "properties": {
            field.name: {**_of(hints[field.name], definitions), **BOUNDS.get((kind.__name__, field.name), {})}
            for field in fields
        },
        "required": [
            field.name
            for field in fields
            if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        ],
        "additionalProperties": False,
    }


def _of(kind: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    origin, arguments = get_origin(kind), get_args(kind)
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        if kind.__name__ not in definitions:
            definitions[kind.__name__] = _object(kind, definitions)
        return {"$ref": f"#/$defs/{kind.__name__}"}
    if origin in (Union, UnionType):
        choices = [_of(argument, definitions) for argument in arguments]
        if all(choice.keys() == {"type"} for choice in choices):
            return {"type": [choice["type"] for choice in choices]}
        return {"anyOf": choices}
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin is tuple:
        return {"type": "array", "items": _of(arguments[0], definitions)}
    return {"type": _PLAIN.get(kind, "object")}


def text() -> str:
    """The published file."""
    return json.dumps(schema(), ensure_ascii=False, indent=2) + "\n"


if __name__ == "__main__":
    sys.stdout.write(text())
