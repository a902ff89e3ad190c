"""What a second measuring slot adds, beside what a second core adds; and how busy slots are.

    python -m benchmarks.fleet.slots --builds /tmp/builds

Slots are timed on candidates that were built before, because on a small host builds compete with
measurements for the same cores: one slot on one core, then two on two, in turns. Two bare loops,
on one core and on two, tell what this machine allows. Then the whole, builds included, as
``tunefleet tune`` runs here.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import pickle
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import tvm

from benchmarks._layers import Layer
from benchmarks.fleet._campaign import queue, shares, valid_per_second
from db import CpuArch, open_store
from tuner.arch import host_arch, simd_of
from tuner.measure import Builder, BuildResult, LocalBuilder, MeasureOptions
from tuner.templates import template_for
from tuner.workloads import facts_of
from workers.cores import physical_cores
from workers.pool import BuilderPool
from workers.tools import LocalTools, Tools
from workers.worker import serve_campaign

#: A job for each slot.
JOBS = ([Layer(64, 256, 512)], [Layer(64, 512, 256)])

_FRESH = multiprocessing.get_context("spawn")


class Prebuilt(Builder):
    """Returns what was built before; a candidate that was not is a `KeyError`."""

    def __init__(self, built: Mapping[tuple[str, str], BuildResult]) -> None:
        self._built = built

    def build(
        self, tir: str, arch: CpuArch, *, config: Mapping[str, int] | None, trace: str | None
    ) -> BuildResult:
        """See `Builder.build`."""
        if config is None:
            return next(b for (of, _), b in self._built.items() if of == tir and b.trace == trace)
        return self._built[tir, _key(config)]


def _key(config: Mapping[str, int]) -> str:
    return json.dumps(dict(config), sort_keys=True)


def build_all(file: Path) -> None:
    """Build every configuration of every layer, once for all runs."""
    arch, cores = host_arch(), physical_cores()
    wanted = []
    for layer in (layer for job in JOBS for layer in job):
        func = layer.function()
        facts = facts_of(func)
        space = template_for(facts).space(facts, simd_of(arch))
        wanted += [(layer.workload().tir, config) for config in space.configs]
    pool = BuilderPool([LocalBuilder(MeasureOptions(build_cores=core)) for core in cores])
    with ThreadPoolExecutor(pool.at_once) as threads:
        made = threads.map(lambda w: pool.build(w[0], arch, config=w[1], trace=None), wanted)
        built = {(tir, _key(c)): b for (tir, c), b in zip(wanted, made, strict=True)}
    pool.close()
    file.write_bytes(pickle.dumps(built))


def slots(count: int, seconds: float, builds: Path | None) -> tuple[float, float, float]:
    """Tune on `count` slots: valid measurements per second, share measuring, utilisation.

    Parameters
    ----------
    builds
        What was built before: then each slot has one core to itself and nothing else. Without, the
        whole host tunes as it does by default.
    """
    everything = os.sched_getaffinity(0)
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/slots.db"
        try:
            if builds is not None:
                os.sched_setaffinity(0, {core[0] for core in physical_cores()[-count:]})
            with open_store(url) as store:
                campaign = queue(store, [*JOBS[:count]], trials=None, seconds=seconds)
                # As in a fleet, each slot is a process of its own.
                served = [
                    _FRESH.Process(target=_serve, args=(url, campaign, count, builds))
                    for _ in range(count)
                ]
                for process in served:
                    process.start()
                for process in served:
                    process.join()
                assert not store.campaign_progress(campaign).unfinished
                return (
                    valid_per_second(url, campaign),
                    statistics.mean(shares(store, "measuring")),
                    statistics.mean(shares(store, "utilisation")),
                )
        finally:
            os.sched_setaffinity(0, everything)


def _serve(url: str, campaign: int, count: int, builds: Path | None) -> None:
    with open_store(url) as store:
        tools = LocalTools(MeasureOptions(), count)()
        if builds is not None:
            tools = Tools(
                Prebuilt(pickle.loads(builds.read_bytes())),
                tools.measurer,
                core=tools.core,
                claim=tools.claim,
            )
        serve_campaign(store, campaign, archs=[host_arch().name], tools=tools)


def scaling(loop: Callable[[int, float], float], seconds: float = 3.0) -> float:
    """What two cores do of a loop, over what one does; each alone on its core."""
    cores = [core[0] for core in physical_cores()]
    with _FRESH.Pool(2, maxtasksperchild=1) as pool:
        alone = statistics.mean(pool.apply(loop, (core, seconds)) for core in cores[-2:])
        both = sum(pool.starmap(loop, [(core, seconds) for core in cores[-2:]], chunksize=1))
    return both / alone


def fma_loop(core: int, seconds: float) -> float:
    """Multiply-adds from registers: GFLOP/s on average."""
    from tuner.measure.calibration import fma_gflops

    os.sched_setaffinity(0, {core})
    fma_gflops(0.1)
    rates = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        rates.append(fma_gflops(0.0))
    return statistics.harmonic_mean(rates)


def compile_loop(core: int, seconds: float) -> float:
    """LLVM, which is bound by caches and branches as most programs are: compiles per second."""
    from tuner.measure.compile import build_kernel

    os.sched_setaffinity(0, {core})
    layer, arch = Layer(4, 64, 64), host_arch()
    tir = tvm.ir.save_json(layer.function())
    build_kernel(tir, arch, {}, None)
    count, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        build_kernel(tir, arch, None, None)
        count += 1
    return count / (time.perf_counter() - start)


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options.add_argument("--seconds", type=float, default=8.0, help="of each run on one slot")
    options.add_argument("--rounds", type=int, default=2, help="of one slot and two, in turns")
    options.add_argument("--builds", type=Path, help="file of candidates; made if not there")
    options.add_argument("--build-only", action="store_true", help="make that file and end")
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        builds: Path = given.builds or Path(folder) / "builds"
        if not builds.exists():
            build_all(builds)
        if given.build_only:
            return
        print(f"a second core adds   x{scaling(fma_loop):.2f} to multiply-adds from registers")
        print(f"                     x{scaling(compile_loop):.2f} to compiling")
        rounds = [
            [slots(count, given.seconds, builds) for count in (1, 2)] for _ in range(given.rounds)
        ]
    print("\nslots  valid/s  measuring  utilisation   (candidates built before)")
    for number in (0, 1):
        runs = zip(*(made[number] for made in rounds), strict=True)
        rate, measuring, busy = (statistics.median(values) for values in runs)
        print(f"{number + 1:5}{rate:9.2f}{measuring:11.1%}{busy:13.1%}")
    ratio = statistics.median(two[0] / one[0] for one, two in rounds)
    print(f"a second slot adds   x{ratio:.2f}")
    rate, measuring, busy = slots(1, 2 * given.seconds, None)
    print(f"\none slot, builds on the other core: {rate:.2f} valid/s,", end=" ")
    print(f"{measuring:.1%} measuring, {busy:.1%} at work")


if __name__ == "__main__":
    main()
