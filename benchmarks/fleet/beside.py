"""How much a busy builder on the other cores shifts what is measured.

    python -m benchmarks.fleet.beside --rounds 9

Kernels bound by multiply-adds, by the caches and by memory are measured as a worker measures them:
the default schedule first, then other configurations, which count beside it. All this with the
builder idle and with it compiling without a pause, in turns. What a bare loop of multiply-adds from
registers loses to the same builder is the part that is the machine's own: cores that are threads of
one, or that share a clock. The last column is what two turns with an idle builder differ by.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import tvm

from benchmarks._layers import Layer
from tuner.arch import host_arch, simd_of
from tuner.measure import LocalBuilder, LocalMeasurer, MeasureOptions
from tuner.templates import template_for
from tuner.workloads import facts_of
from workers.cores import physical_cores, plan_cores

#: Layers by what binds them: registers, the second cache level, the third or memory.
LAYERS = (Layer(64, 256, 256), Layer(16, 512, 512), Layer(16, 1024, 1024))


@contextmanager
def busy(builder: LocalBuilder, layer: Layer) -> Iterator[None]:
    """Compile on the building cores, one configuration after the other."""
    func, arch = layer.function(), host_arch()
    facts = facts_of(func)
    configs = template_for(facts).space(facts, simd_of(arch)).configs
    tir, stop = tvm.ir.save_json(func), threading.Event()

    def work() -> None:
        while not stop.is_set():
            for config in configs:
                if stop.is_set():
                    return
                builder.build(tir, arch, config=config, trace=None)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _kernels(
    builder: LocalBuilder, layer: Layer, count: int
) -> Iterator[tuple[str, str, str, str]]:
    """Name, workload, function and code of the default schedule and of some others, far apart."""
    workload, facts, arch = layer.workload(), facts_of(layer.function()), host_arch()
    template, simd = template_for(facts), simd_of(arch)
    configs = template.space(facts, simd).configs
    chosen = [configs[(i + 1) * len(configs) // (count + 1)] for i in range(count)]
    for i, config in enumerate([template.default(facts, simd), *chosen]):
        built = builder.build(workload.tir, arch, config=config, trace=None)
        if built.code is None:
            raise RuntimeError(f"{layer} does not build: {built.failure}")
        name = f"{layer}, default" if i == 0 else f"{layer}, {i}"
        yield name, workload.digest, workload.tir, built.code


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=9, help="of idle and busy, in turns")
    parser.add_argument("--configs", type=int, default=3, help="per layer, beside the default one")
    given = parser.parse_args()
    plan = plan_cores(1, physical_cores())
    if not plan.building:
        parser.error("this host has one core: there is none to build on beside it")
    options = MeasureOptions(core=plan.measuring[0], build_cores=plan.building)
    builder, measurer = LocalBuilder(options), LocalMeasurer(options)
    kernels = [one for layer in LAYERS for one in _kernels(builder, layer, given.configs)]
    idle: dict[str, list[float]] = {}
    beside: dict[str, list[float]] = {}

    def take(into: dict[str, list[float]]) -> None:
        for name, workload, tir, code in kernels:
            ran = measurer.run(workload, tir, code, best=None)
            into.setdefault(name, []).append(ran.median)
        into.setdefault("fma", []).append(1.0 / measurer.calibrate()["fma_gflops"])

    try:
        take({})
        for _ in range(given.rounds):
            take(idle)
            with busy(builder, LAYERS[0]):
                take(beside)
    finally:
        builder.close()
        measurer.close()
    print(f"{'kernel':44}{'idle us':>9}{'busy us':>9}{'of pairs':>10}{'idle alone':>12}")
    every = []
    for name, alone in idle.items():
        pairs = [b / a for a, b in zip(alone, beside[name], strict=True)]
        # What turns differ by that have the builder idle both times.
        control = [b / a for a, b in itertools.pairwise(alone)]
        if name == "fma":
            shown = f"{'multiply-adds alone':62}"
        else:
            before, after = statistics.median(alone), statistics.median(beside[name])
            shown = f"{name:44}{1e6 * before:9.2f}{1e6 * after:9.2f}"
            every += pairs
        print(f"{shown}{statistics.median(pairs) - 1:10.1%}{statistics.median(control) - 1:12.1%}")
    print(f"{'all kernels':62}{statistics.median(every) - 1:10.1%}")


if __name__ == "__main__":
    main()
