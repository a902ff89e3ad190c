"""Runs the fastest configurations of each space in turns."""

from __future__ import annotations

from collections.abc import Iterable

from benchmarks._finals import final_uid, finalists
from benchmarks._spaces import Space
from db import Measurement, Store
from tuner.arch import toolchain
from tuner.measure import Builder, LocalBuilder, LocalMeasurer, MeasureOptions
from workers.host import cpu_model, host_name


def settle(store: Store, found: Iterable[Space], options: MeasureOptions) -> None:
    """Run those spaces' finalists in turns whose finalists did not yet."""
    builder, measurer = LocalBuilder(options), LocalMeasurer(options)
    try:
        for space in found:
            if not space.settled:
                store.add_measurements(_finals(space, builder, measurer))
    finally:
        builder.close()
        measurer.close()


def _finals(space: Space, builder: Builder, measurer: LocalMeasurer) -> list[Measurement]:
    workload, arch = space.workload, space.arch
    codes: dict[str, str] = {}
    for digest in finalists(space.measured):
        config = space.measured[digest].config
        built = builder.build(workload.tir, arch, config=config, trace=None)
        if built.code is None:
            raise RuntimeError(f"{digest} was built once: {built.failure}")
        codes[digest] = built.code
    results = measurer.compare(workload.digest, workload.tir, list(codes.values()))
    return [
        Measurement(
            uid=final_uid(arch, digest),
            job_id=None,
            attempt=2,
            workload=workload.digest,
            arch=arch.name,
            toolchain=toolchain().key,
            candidate=digest,
            strategy="autotvm",
            config=space.measured[digest].config,
            trace=space.measured[digest].trace,
            run_secs=ran.run_secs,
            error_kind=ran.failure.kind if ran.failure else None,
            error_text=ran.failure.text if ran.failure else None,
            host=host_name(),
            cpu=cpu_model(),
            core=measurer.core,
        )
        for digest, ran in zip(codes, results, strict=True)
    ]
