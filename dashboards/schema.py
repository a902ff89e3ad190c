"""The JSON twins' schema: OpenAPI, its descriptions taken from the fields' own comments."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any, get_args, get_type_hints


@cache
def field_comments(cls: type) -> dict[str, str]:
    """What the ``#:`` comments above the fields of a dataclass say, by field.

    A comment above several fields in a row is that of each of them.
    """
    lines = textwrap.dedent(inspect.getsource(cls)).splitlines()
    body = next(n for n in ast.parse("\n".join(lines)).body if isinstance(n, ast.ClassDef)).body
    found: dict[str, str] = {}
    said = ""
    for node in body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            said = _above(lines, node.lineno - 1) or said
            found[node.target.id] = said
    return found


def _above(lines: list[str], number: int) -> str:
    comment: list[str] = []
    while number > 0 and lines[number - 1].strip().startswith("#:"):
        number -= 1
        comment.insert(0, lines[number].strip().removeprefix("#:").strip())
    return " ".join(comment)


def dataclasses_in(cls: Any, seen: set[type] | None = None) -> Iterator[type]:
    """`cls` and every dataclass that its fields mention."""
    seen = set() if seen is None else seen
    if isinstance(cls, type) and is_dataclass(cls):
        if cls in seen:
            return
        seen.add(cls)
        yield cls
        hints = get_type_hints(cls)
        for field in fields(cls):
            yield from dataclasses_in(hints[field.name], seen)
    for argument in get_args(cls):
        yield from dataclasses_in(argument, seen)


def described(document: dict[str, Any], roots: list[type]) -> dict[str, Any]:
    """Put descriptions into the schemas of an OpenAPI document."""
    schemas = document["components"]["schemas"]
    for cls in dict.fromkeys(c for root in roots for c in dataclasses_in(root)):
        schema = schemas.get(cls.__name__)
        if schema is None:
            continue
        schema["description"] = (inspect.getdoc(cls) or "").partition("\n\n")[0]
        comments = field_comments(cls)
        for name, told in schema.get("properties", {}).items():
            told["description"] = comments[name]
    return document
