"""From a model to a campaign: workloads of every bucket, one job per architecture and bucket."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path

from db import CampaignSpec, CpuArch, JobSpec, ModelVersion, Store, StoredModelVersion, Task
from tuner.arch import resolve
from tuner.errors import ModelError, TunerError
from tuner.graph.bucket import bucket_module
from tuner.graph.prepare import PreparedModel, prepare
from tuner.importers import import_model
from tuner.workloads import extract_workloads

DEFAULT_BUCKETS = (1, 16, 64, 256)


@functools.lru_cache(maxsize=4)
def _prepared(path: str, _changed: tuple[int, int]) -> PreparedModel:
    return prepare(import_model(path))


def prepared_model(path: str | Path) -> PreparedModel:
    """Import a model once per content of its file.

    Raises
    ------
    ModelError
        If it cannot be imported.
    """
    file = Path(path).resolve()
    try:
        stat = file.stat()
    except OSError as error:
        raise ModelError(f"{path} does not exist; give a .pt2 or .onnx file") from error
    return _prepared(str(file), (stat.st_mtime_ns, stat.st_size))


def add_model(
    store: Store,
    path: str | Path,
    *,
    name: str | None = None,
    buckets: Sequence[int] = DEFAULT_BUCKETS,
    traffic: Mapping[int, float] | None = None,
) -> StoredModelVersion:
    """Register a model file as a version of a model.

    Parameters
    ----------
    name
        Defaults to the file's name without its suffix.
    buckets
        Batch sizes to tune by default.
    traffic
        Share of the calls by batch size; its keys are then the buckets.
    """
    prepared = prepared_model(path)
    shares = dict(traffic) if traffic else {b: 1.0 / len(buckets) for b in buckets}
    store.add_model_version(
        ModelVersion(
            model=name or Path(path).stem,
            digest=prepared.model.digest,
            source=str(Path(path).resolve()),
            input_schema={s.name: f"{s.dtype}[{', '.join(map(str, s.shape))}]"
                          for s in prepared.model.inputs},
            traffic=shares,
        )
    )  # fmt: skip
    return store.model_version(name or Path(path).stem)


def register_tasks(
    store: Store, version: StoredModelVersion, archs: Sequence[CpuArch], buckets: Sequence[int]
) -> dict[int, list[str]]:
    """Find the workloads of a model's buckets and store them as tasks of each architecture.

    Returns
    -------
    Digests of the workloads, by bucket.

    Raises
    ------
    ModelError
        If the model cannot be imported any more.
    """
    prepared = prepared_model(version.source)
    for arch in archs:
        store.add_arch(arch)
    found = {}
    for bucket in sorted(set(buckets)):
        uses = extract_workloads(bucket_module(prepared, bucket))
        store.add_workloads([u.workload for u in uses])
        traffic = version.traffic.get(bucket, 1.0)
        for arch in archs:
            store.set_tasks(
                version.id, arch.name, bucket, [Task(u.workload, u.calls, traffic) for u in uses]
            )
        found[bucket] = [u.workload.digest for u in uses]
    return found


def start_campaign(
    store: Store,
    version: StoredModelVersion,
    *,
    archs: Sequence[str],
    buckets: Sequence[int],
    strategy: str,
    searcher: str | None = None,
    trials: int | None,
    seconds: float | None,
    seed: int = 0,
    name: str | None = None,
) -> tuple[int, bool]:
    """Queue one job per CPU architecture and bucket, or take up an unfinished campaign of them.

    Parameters
    ----------
    archs
        As `tuner.arch.resolve` takes them.
    searcher
        A key of `tuner.strategy.SEARCHERS`; None for the default.
    trials, seconds
        Budget of each job; one of them has to be given.

    Returns
    -------
    The campaign, and True if it existed and is resumed.
    """
    if trials is None and seconds is None:
        raise TunerError("a campaign needs a budget: give --trials or --seconds")
    if not buckets or min(buckets) < 1:
        raise TunerError(f"buckets are batch sizes of at least 1, not {list(buckets)}")
    resolved = [resolve(a) for a in archs]
    names = list(dict.fromkeys(a.name for a in resolved))
    unfinished = store.find_campaign(version.id, names, list(buckets), strategy)
    if unfinished is not None:
        return unfinished, True
    register_tasks(store, version, resolved, buckets)
    spec = CampaignSpec(
        name=name or version.model,
        strategy=strategy,
        searcher=searcher,
        trials=trials,
        seconds=seconds,
        seed=seed,
    )
    # Large batches first: their kernels take longest to measure and matter most to throughput.
    jobs = [
        JobSpec(version.id, arch_name, bucket, priority=bucket)
        for arch_name in names
        for bucket in sorted(set(buckets))
    ]
    return store.create_campaign(spec, jobs), False
