"""Whole configuration spaces of a model, measured once and searched as often as one likes.

A search that is replayed from a recording takes milliseconds and gives the same answer on a noisy
host; only the recording needs a quiet one.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import tvm

from benchmarks._finals import with_finals
from db import (
    CpuArch,
    Lesson,
    Measured,
    Measurement,
    Store,
    Workload,
    measurement_uid,
)
from scheduler.campaigns import prepared_model
from tuner.arch import simd_of, toolchain
from tuner.cost_model import CostModel, dataset, fit
from tuner.graph.bucket import bucket_module
from tuner.measure import Builder, BuildResult, LocalBuilder, LocalMeasurer, MeasureOptions
from tuner.strategy.base import config_digest
from tuner.templates import template_for
from tuner.workloads import Facts, extract_workloads, facts_of
from workers.host import cpu_model, host_name

#: Part of a space that has to be measured for its best to count as known.
_COVERED = 0.95
#: Candidates built ahead of the one being measured.
_AHEAD = 3
#: A workload, where to run it, and one of its configurations with the candidate's digest.
_Todo = tuple[Workload, CpuArch, str, dict[str, int]]


@dataclass(frozen=True, slots=True)
class Space:
    """The measured space of one workload on one architecture."""

    workload: Workload
    arch: CpuArch
    facts: Facts
    #: By candidate digest.
    measured: dict[str, Measured]
    #: Seconds to build and measure a candidate, on average.
    trial_secs: float
    #: Whether the fastest were measured again, in turns.
    settled: bool

    @property
    def best(self) -> float:
        """Seconds of the fastest configuration."""
        return min(m.median for m in self.measured.values() if m.median is not None)


def collect(
    store: Store,
    model: Path,
    archs: Sequence[CpuArch],
    buckets: Sequence[int],
    seconds: float,
    options: MeasureOptions,
) -> int:
    """Measure every configuration of a model's workloads, one workload after the other.

    Returns
    -------
    Configurations that are left after `seconds`.
    """
    prepared = prepared_model(model)
    key = store.add_toolchain(toolchain())
    todo: list[_Todo] = []
    for bucket in buckets:
        uses = extract_workloads(bucket_module(prepared, bucket))
        store.add_workloads([u.workload for u in uses])
        for arch in archs:
            store.add_arch(arch)
            for use in uses:
                known = store.measured(use.workload.digest, arch.name, key)
                todo += [
                    (use.workload, arch, digest, config)
                    for digest, config in _configs(use.workload, arch).items()
                    if digest not in known
                ]
    best: dict[tuple[str, str], float] = {}
    builder, measurer = LocalBuilder(options), LocalMeasurer(options)
    end = time.monotonic() + seconds
    left = len(todo)
    try:
        for (workload, arch, digest, config), built in _built_ahead(builder, todo):
            if time.monotonic() > end:
                break
            left -= 1
            ran = None
            if built.code is not None:
                so_far = best.get((workload.digest, arch.name))
                ran = measurer.run(workload.digest, workload.tir, built.code, best=so_far)
                if ran.run_secs:
                    fastest = min(ran.median, so_far or ran.median)
                    best[workload.digest, arch.name] = fastest
            failure = built.failure or (ran.failure if ran else None)
            store.add_measurements(
                [
                    Measurement(
                        uid=measurement_uid(0, 1, f"{arch.name}/{digest}"),
                        job_id=None,
                        attempt=1,
                        workload=workload.digest,
                        arch=arch.name,
                        toolchain=key,
                        candidate=digest,
                        strategy="autotvm",
                        config=config,
                        trace=built.trace,
                        run_secs=ran.run_secs if ran and failure is None else (),
                        error_kind=failure.kind if failure else None,
                        error_text=failure.text if failure else None,
                        host=host_name(),
                        cpu=cpu_model(),
                        core=measurer.core,
                        build_secs=built.secs,
                    )
                ]
            )
    finally:
        builder.close()
        measurer.close()
    return left


def _built_ahead(builder: Builder, todo: Sequence[_Todo]) -> Iterator[tuple[_Todo, BuildResult]]:
    """Build on the other core while what was built is measured."""
    waiting = iter(todo)
    with ThreadPoolExecutor(1) as pool:
        started = deque((one, pool.submit(_build, builder, one)) for one in islice(waiting, _AHEAD))
        try:
            while started:
                one, build = started.popleft()
                yield one, build.result()
                started.extend(
                    (more, pool.submit(_build, builder, more)) for more in islice(waiting, 1)
                )
        finally:
            pool.shutdown(cancel_futures=True)


def _build(builder: Builder, one: _Todo) -> BuildResult:
    workload, arch, _, config = one
    return builder.build(workload.tir, arch, config=config, trace=None)


def _configs(workload: Workload, arch: CpuArch) -> dict[str, dict[str, int]]:
    """Every configuration by the digest of its candidate."""
    facts = facts_of(tvm.ir.load_json(workload.tir))
    template = template_for(facts)
    configs = template.space(facts, simd_of(arch)).configs
    return {config_digest(workload.digest, template.name, c): c for c in configs}


def spaces(store: Store, *, smallest: int) -> Iterator[Space]:
    """Spaces of at least `smallest` configurations of which nearly all were measured."""
    for arch in store.archs():
        for digest, key in store.measured_keys(arch.name):
            if key != toolchain().key:
                continue
            workload = store.workloads([digest])[digest]
            known = store.measured(digest, arch.name, key)
            configs = _configs(workload, arch)
            measured = {d: known[d] for d in configs if d in known}
            ran = any(m.median is not None for m in measured.values())
            if len(configs) < smallest or len(measured) < _COVERED * len(configs) or not ran:
                continue
            facts = facts_of(tvm.ir.load_json(workload.tir))
            top = store.top_measurements(digest, arch.name, key, limit=20)
            builds = [m.build_secs for m in top if m.build_secs is not None]
            trial = sum(builds) / len(builds) if builds else 0.0
            measured, settled = with_finals(store, arch, measured)
            yield Space(workload, arch, facts, measured, trial, settled)


def lessons_without(
    store: Store, space: Space, *, elsewhere: bool = False, limit: int = 100_000
) -> list[Lesson]:
    """All that is known of a kind but of one workload; `elsewhere`: of it on this CPU alone."""
    kind, flops = space.workload.op_kind, space.workload.flops
    return [
        one
        for one in store.lessons(kind, flops, limit=limit)
        if one.workload != space.workload.digest or (elsewhere and one.arch != space.arch.name)
    ]


def model_without(
    store: Store, space: Space, *, limit: int, elsewhere: bool = False
) -> CostModel | None:
    """The model that a night would have on its first sight of a workload.

    With `elsewhere` its first sight on this CPU: what other CPUs taught of it counts.
    """
    data = dataset(store, lessons_without(store, space, elsewhere=elsewhere)[:limit])
    return fit(data.table, data.secs, data.groups) if data.groups else None
