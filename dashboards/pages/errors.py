"""Errors: grouped by what they say, first and last seen, one full example."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import Query

from dashboards.pages.base import Context, Page
from db import ErrorKind, Measurement, NotFound
from db.views.errors import ErrorGroup, Setbacks, error_groups, setbacks

#: Groups that are shown; the others are counted.
SHOWN = 200
#: Seconds that the groups are remembered.
_GROUPS_S = 2.0


@dataclass(frozen=True, slots=True)
class ErrorsParams:
    """Which errors."""

    #: Only of this kind.
    kind: Annotated[ErrorKind | None, Query()] = None


@dataclass(frozen=True, slots=True)
class Errors:
    """What goes wrong."""

    #: Kinds to choose from.
    kinds: Sequence[str]
    #: Candidates that failed, of the groups.
    failed: int
    #: Groups, also those that are not shown.
    total: int
    #: Groups of candidates that failed alike, the one seen last first.
    groups: Sequence[ErrorGroup]
    #: Jobs that failed or were lost alike, the latest first.
    setbacks: Sequence[Setbacks]


@dataclass(frozen=True, slots=True)
class ErrorParams:
    """Which group."""

    #: Its name.
    signature: str


@dataclass(frozen=True, slots=True)
class ErrorPage:
    """One group, with its last case in full."""

    #: The group.
    group: ErrorGroup
    #: The last candidate that failed so.
    example: Measurement
    #: Command that tries it again.
    command: str


def _groups(context: Context) -> list[ErrorGroup]:
    return context.cache.get("errors", _GROUPS_S, lambda: context.source.read(error_groups))


def _read(context: Context, params: ErrorsParams) -> Errors:
    found = [g for g in _groups(context) if params.kind is None or g.kind == params.kind]

    def body(connection: sa.Connection) -> list[Setbacks]:
        return setbacks(connection)

    return Errors(
        kinds=[str(kind) for kind in ErrorKind],
        failed=sum(g.count for g in found),
        total=len(found),
        groups=found[:SHOWN],
        setbacks=context.source.read(body)[:SHOWN],
    )


def _read_one(context: Context, params: ErrorParams) -> ErrorPage:
    group = next((g for g in _groups(context) if g.signature == params.signature), None)
    if group is None:
        raise NotFound(f"no errors of the name {params.signature[:64]!r}; they may be pruned")
    example = context.source.store.measurement(group.example)
    return ErrorPage(group, example, f"tunefleet measure {example.uid}")


def _nothing(page: object, params: object) -> Mapping[str, Any]:
    return {}


ERRORS = Page(
    name="errors",
    path="/errors",
    title="Errors",
    about="Errors of candidates and jobs, grouped by what they say.",
    params=ErrorsParams,
    data=Errors,
    read=_read,
    draw=_nothing,
    live=("groups", "setbacks"),
)

ERROR = Page(
    name="error",
    path="/errors/{signature}",
    title="Error",
    about="One group of errors, with one full example.",
    params=ErrorParams,
    data=ErrorPage,
    read=_read_one,
    draw=_nothing,
    section="errors",
)
