"""Runs in the measurer's child: checks a kernel's numbers, then times it."""

from __future__ import annotations

import functools
import statistics
import time
from dataclasses import dataclass, field

import numpy as np
import tvm

from db import ErrorKind
from tuner.measure.compile import failure_line, load_kernel
from tuner.measure.data import fresh_lookups, looks_up
from tuner.measure.quiet import Pacemaker, Timer, in_turns, quietest
from tuner.measure.reference import Case, make_cases
from tuner.measure.types import Failure, MeasureOptions, RunResult
from tuner.workloads.facts import Facts, facts_of


@dataclass(slots=True)
class _Bench:
    """Data and reference of one workload."""

    workload: str
    facts: Facts
    #: The first is measured, all are checked.
    cases: list[Case]
    nbytes: int
    #: Draws the rows that are looked up next.
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(2))
    #: What candidates run beside.
    pace: Pacemaker | None = None

    @property
    def arguments(self) -> list[tvm.runtime.Tensor]:
        """What kernels are timed with."""
        return self.cases[0].arguments


#: Most recently used last.
_benches: dict[str, _Bench] = {}
#: A kernel that wins is loaded for its next comparisons, too.
_loaded = functools.lru_cache(maxsize=16)(load_kernel)
#: Index sets drawn for one window.
_MOST_LOOKUPS = 10_000
#: Room for the data of workloads that are tuned in turns.
_ROOM = 2 << 30


def _bench_of(workload: str, tir: str, options: MeasureOptions) -> _Bench:
    """Data of a workload; those used last are kept, because a job goes back and forth."""
    bench = _benches.pop(workload, None)
    if bench is None:
        func = tvm.ir.load_json(tir)
        facts = facts_of(func)
        # The second case shares the tables.
        size = sum(a.nbytes * (1 if a.table else 2) for a in facts.arguments)
        bench = _Bench(workload, facts, make_cases(func, facts, options.tolerance), size)
        while _benches and size + sum(b.nbytes for b in _benches.values()) > _ROOM:
            del _benches[next(iter(_benches))]
    _benches[workload] = bench
    return bench


def run_kernel(
    workload: str, tir: str, code: str, best: float | None, options: MeasureOptions
) -> RunResult:
    """See `tuner.measure.base.Measurer.run`."""
    bench = _bench_of(workload, tir, options)
    kernel = _loaded(code)
    failure, error = _check(bench, kernel)
    if failure is not None:
        return RunResult(failure=failure, error=error)
    run = _timer(bench, kernel, options)
    timing = quietest(run, bench.pace, best, options)
    if bench.pace is None or timing.fastest < bench.pace.floor:
        bench.pace = Pacemaker(run, timing.fastest)
    return RunResult(timing.secs, error)


def compare_kernels(
    workload: str, tir: str, codes: list[str], options: MeasureOptions
) -> list[RunResult]:
    """See `tuner.measure.base.Measurer.compare`."""
    bench = _bench_of(workload, tir, options)
    kernels = [_loaded(code) for code in codes]
    checks = [_check(bench, kernel) for kernel in kernels]
    sound = [i for i, (failure, _) in enumerate(checks) if failure is None]
    columns = in_turns([_timer(bench, kernels[i], options) for i in sound], options)
    secs = dict(zip(sound, columns, strict=True))
    return [
        RunResult(tuple(secs.get(i, ())), error, failure)
        for i, (failure, error) in enumerate(checks)
    ]


def _check(bench: _Bench, kernel: tvm.runtime.Module) -> tuple[Failure | None, float | None]:
    """Compare one call on each case with what has to come out."""
    largest = 0.0
    for case in bench.cases:
        try:
            wrong, error = case.check(kernel)
        except Exception as raised:
            return Failure(ErrorKind.RUN_ERROR, failure_line(raised)), None
        if wrong:
            return Failure(ErrorKind.WRONG_RESULT, wrong), error
        largest = max(largest, error or 0.0)
    return None, largest


def _timer(bench: _Bench, kernel: tvm.runtime.Module, options: MeasureOptions) -> Timer:
    """What runs a kernel for a window of `min_repeat_s`."""
    once = max(_time(bench, kernel, 1), 1e-8)
    few = max(1, min(1000, int(options.min_repeat_s / 10 / once)))
    once = max(statistics.median([_time(bench, kernel, few) for _ in range(3)]), 1e-9)
    number = max(1, int(options.min_repeat_s / once))
    return lambda: _time(bench, kernel, number)


def _time(bench: _Bench, kernel: tvm.runtime.Module, number: int) -> float:
    if looks_up(bench.facts):
        return _time_lookups(bench, kernel, number)
    evaluator = kernel.time_evaluator("main", tvm.cpu(), number=number, repeat=1)
    return float(evaluator(*bench.arguments).results[0])


def _time_lookups(bench: _Bench, kernel: tvm.runtime.Module, number: int) -> float:
    """Time calls that each look up other rows; the cost of the calls themselves is taken off."""
    number = min(number, _MOST_LOOKUPS)
    calls = fresh_lookups(bench.facts, bench.arguments, number, bench.rng)
    run, empty = kernel["main"], tvm.get_global_func("testing.nop")
    start = time.perf_counter()
    for call in calls:
        empty(*call)
    middle = time.perf_counter()
    for call in calls:
        run(*call)
    end = time.perf_counter()
    return max((end - middle) - (middle - start), 1e-9) / number
