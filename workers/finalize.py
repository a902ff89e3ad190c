"""Decides the best record of a workload: finalists run in turns, and must win by more than noise."""

from __future__ import annotations

import statistics

from db import CpuArch, Promotion, Store
from tuner.measure import Builder, Measurer
from workers.task import TaskState, beats


def finalize(
    store: Store,
    builder: Builder,
    measurer: Measurer,
    state: TaskState,
    arch: CpuArch,
    toolchain: str,
    *,
    finalists: int,
) -> bool:
    """Confirm the fastest candidates of a workload and promote the winner.

    The present record and the default schedule run in the same turns: a new record is faster
    than both, and the default is promoted where nothing beats it.

    Returns
    -------
    True if there is a new best record.
    """
    digest, tir = state.digest, state.task.workload.tir
    top = store.top_measurements(digest, arch.name, toolchain, limit=finalists)
    present = store.best_records([digest], arch.name, toolchain).get(digest)
    if not top or (present and present.measurement_uid == top[0].uid):
        return False
    traces = [m.trace for m in top]
    default = builder.build(tir, arch, config=state.default_config, trace=None)
    extra = [default.trace] + ([present.trace] if present else [])
    codes: list[str] = []
    order: list[str] = []
    for trace in dict.fromkeys([*traces, *extra]):
        if trace is None:
            continue
        built = default if trace == default.trace else builder.build(
            tir, arch, config=None, trace=trace
        )
        if built.code is not None:
            codes.append(built.code)
            order.append(trace)
    runs = dict(zip(order, measurer.compare(digest, tir, codes), strict=True))
    sound = {t: r for t, r in runs.items() if r.failure is None and r.run_secs}
    winners = [m for m in top if m.trace in sound]
    if not winners:
        return False
    winner = min(winners, key=lambda m: sound[m.trace or ""].median)
    run = sound[winner.trace or ""]
    base = sound.get(default.trace or "")
    if present and present.trace in sound and not beats(run.run_secs, sound[present.trace].run_secs):
        return False
    default_secs = statistics.median(base.run_secs) if base else None
    known_default = base is not None and not beats(run.run_secs, base.run_secs)
    if known_default and winner.trace != default.trace:
        same = [m for m in store.top_measurements(digest, arch.name, toolchain, limit=1000)
                if m.trace == default.trace]  # fmt: skip
        if same:
            winner, run = same[0], base  # type: ignore[assignment]
    return store.promote(
        Promotion(
            workload=digest,
            arch=arch.name,
            toolchain=toolchain,
            regime="warm",
            measurement_uid=winner.uid,
            trace=winner.trace,
            config=winner.config,
            strategy=winner.strategy,
            run_secs_median=run.median,
            default_secs=default_secs,
            validation={
                "passed": True,
                "largest_error": run.error,
                "turns": len(run.run_secs),
                "against": len(order) - 1,
            },
        )
    )
