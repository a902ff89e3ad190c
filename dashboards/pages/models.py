"""Models: all of them, and one: what is tuned, how fast it is, how it came to be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import Query

from dashboards.charts import Series, line_chart
from dashboards.pages.base import Context, NoParams, Page
from dashboards.pages.gains import (
    BucketGain,
    ModelGain,
    bucket_gains,
    latest_gains,
    model_gains,
)
from dashboards.pages.pace import TunedTime, tuned_times
from dashboards.text import latency
from db import LOOKUP_KINDS, StoredModelVersion
from db.schema import catalog
from db.views.kernels import Kernel, Kernels
from db.views.lookups import best_by_arch, lookups
from db.views.serving import ServedKernels, refreshes, served_kernels

#: Versions that are listed.
_VERSIONS = 50


@dataclass(frozen=True, slots=True)
class Models:
    """Every model in its latest version."""

    #: By name.
    models: Sequence[StoredModelVersion]
    #: What tuning wins, by model and CPU architecture.
    gains: Sequence[ModelGain]


@dataclass(frozen=True, slots=True)
class ModelParams:
    """Which model."""

    #: Its name.
    name: str
    #: Identifier of a version; the latest unless given.
    version: Annotated[int | None, Query()] = None


@dataclass(frozen=True, slots=True)
class Version:
    """A graph of the model; weights that are refreshed are no new version."""

    #: Identifier.
    id: int
    #: Digest of the graph.
    digest: str
    #: Where it came from last.
    source: str
    #: When the graph was added.
    added_at: datetime
    #: When it was added last.
    seen_at: datetime
    #: Processes that served it in the last day.
    processes: int
    #: Weights that these took after their first.
    refreshes: int
    #: When the last of these was told; processes tell about once a minute.
    refreshed_at: datetime | None


@dataclass(frozen=True, slots=True)
class Found:
    """What serving would find now for a bucket on a CPU architecture."""

    #: Name of the CPU architecture.
    arch: str
    #: Batch size.
    bucket: int
    #: Kernels by the lookup that serves them: ``record``, ``compatible``, ``neighbour``,
    #: ``default``.
    kinds: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class ModelPage:
    """A model in one version."""

    #: The version.
    version: StoredModelVersion
    #: All of its versions, the newest first.
    versions: Sequence[Version]
    #: What is tuned, by CPU architecture and bucket.
    buckets: Sequence[BucketGain]
    #: What share of the time tuned kernels take, by CPU architecture and bucket.
    tuned_times: Sequence[TunedTime]
    #: What tuning wins, by CPU architecture.
    gains: Sequence[ModelGain]
    #: What serving would find now.
    lookups: Sequence[Found]
    #: What lookups found in the processes that served it in the last day.
    served: Sequence[ServedKernels]
    #: Its kernels.
    kernels: Sequence[Kernel]


def _read_all(context: Context, params: NoParams) -> Models:
    models = context.source.store.models()
    traffic = {m.model: m.traffic for m in models}
    return Models(models, latest_gains(context, traffic))


def _read(context: Context, params: ModelParams) -> ModelPage:
    store = context.source.store
    found = store.model_version(params.name if params.version is None else params.version)
    archs = store.archs()

    def body(connection: sa.Connection) -> tuple[Any, ...]:
        return (
            best_by_arch(connection, [found.id]),
            _versions(connection, found.model),
            served_kernels(connection, found.id),
        )

    tuned_on, versions, served = context.source.read(body)
    of_model = _kernels(context, found)
    buckets = bucket_gains(of_model)
    would = lookups(of_model, tuned_on, archs)
    return ModelPage(
        version=found,
        versions=versions,
        buckets=buckets,
        tuned_times=tuned_times(of_model),
        gains=model_gains(buckets, {found.model: found.traffic}),
        lookups=[
            Found(arch, bucket, {kind: counts[kind] for kind in LOOKUP_KINDS})
            for (arch, bucket), counts in sorted(would.items())
        ],
        served=served,
        kernels=of_model,
    )


def _kernels(context: Context, version: StoredModelVersion) -> list[Kernel]:
    # Of a version that is the latest, they are known.
    latest = [k for k in context.kernels() if k.model_version == version.id]
    if latest:
        return latest
    named = {version.id: version.model}
    return context.source.read(lambda connection: Kernels().of(connection, named))


def _versions(connection: sa.Connection, model: str) -> list[Version]:
    versions = catalog.model_versions
    query = (
        sa.select(
            versions.c.id,
            versions.c.digest,
            versions.c.source,
            versions.c.added_at,
            versions.c.seen_at,
        )
        .join(catalog.models, catalog.models.c.id == versions.c.model_id)
        .where(catalog.models.c.name == model)
        .order_by(versions.c.seen_at.desc(), versions.c.id.desc())
        .limit(_VERSIONS)
    )
    rows = connection.execute(query).all()
    told = refreshes(connection, [row.id for row in rows])
    return [
        Version(*row, of.processes, of.refreshes, of.refreshed_at)
        if (of := told.get(row.id)) is not None
        else Version(*row, 0, 0, None)
        for row in rows
    ]


def _draw(page: ModelPage, params: ModelParams) -> Mapping[str, Any]:
    charts = []
    for arch in dict.fromkeys(b.arch for b in page.buckets):
        known = [b for b in page.buckets if b.arch == arch and b.best_secs and b.default_secs]
        if not known:
            continue
        chart = line_chart(
            [
                Series("tuned", [(b.bucket, b.best_secs or 0.0) for b in known], dots=True),
                Series("default", [(b.bucket, b.default_secs or 0.0) for b in known], dots=True),
            ],
            f"Latency of the tuned kernels over batch size on {arch}",
            x_label="batch size",
            y_label="one inference",
            y_text=latency,
            x_log=True,
            y_log=True,
            x_ticks=[b.bucket for b in known],
        )
        charts.append((arch, chart))
    weights = [(k.calls * (k.best_secs or 0.0), k) for k in page.kernels if k.tuned]
    heaviest = sorted(weights, key=lambda pair: -pair[0])[:15]
    return {
        "charts": charts,
        "heaviest": heaviest,
        "above": any((k.roofline or 0.0) > 1.0 for _, k in heaviest),
        "kinds": LOOKUP_KINDS,
        "times": {(t.arch, t.bucket): t.share for t in page.tuned_times},
    }


MODELS = Page(
    name="models",
    path="/models",
    title="Models",
    about="Every model in its latest version, and what tuning wins on it.",
    params=NoParams,
    data=Models,
    read=_read_all,
    draw=lambda page, params: {},
    live=("list",),
)

MODEL = Page(
    name="model",
    path="/models/{name}",
    title="Model",
    about="One model: what is tuned by architecture and bucket, latencies, lookups, versions.",
    params=ModelParams,
    data=ModelPage,
    read=_read,
    draw=_draw,
    live=("tuned", "served", "versions"),
    section="models",
)
