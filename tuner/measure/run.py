"""Runs in the measurer's child: checks a kernel's numbers, then times it."""

from __future__ import annotations

import statistics
from dataclasses import dataclass

import numpy as np
import tvm

from db import ErrorKind
from tuner.arch import host_arch
from tuner.measure.compile import build_kernel, failure_line, load_kernel
from tuner.measure.data import make_arguments
from tuner.measure.types import Failure, MeasureOptions, RunResult
from tuner.workloads.facts import facts_of


@dataclass(slots=True)
class _Bench:
    """Data and reference of one workload."""

    workload: str
    arguments: list[tvm.runtime.Tensor]
    output: int
    reference: np.ndarray
    scale: float
    nbytes: int


#: Most recently used last.
_benches: dict[str, _Bench] = {}
#: Room for the data of workloads that are tuned in turns.
_ROOM = 2 << 30


def _bench_of(workload: str, tir: str) -> _Bench:
    """Data of a workload; those used last are kept, because a job goes back and forth."""
    bench = _benches.pop(workload, None)
    if bench is None:
        facts = facts_of(tvm.ir.load_json(tir))
        plain = build_kernel(tir, host_arch(), None, None)
        if plain.code is None:
            raise RuntimeError(f"the reference does not compile: {plain.failure}")
        for positive in (False, True):
            arguments = make_arguments(facts, positive=positive)
            load_kernel(plain.code)["main"](*arguments)
            reference = arguments[facts.output].numpy().astype(np.float64)
            if np.isfinite(reference).all():
                break
        finite = reference[np.isfinite(reference)]
        scale = float(np.abs(finite).max()) if finite.size else 0.0
        size = sum(a.nbytes for a in facts.arguments)
        bench = _Bench(workload, arguments, facts.output, reference, scale or 1.0, size)
        while _benches and size + sum(b.nbytes for b in _benches.values()) > _ROOM:
            del _benches[next(iter(_benches))]
    _benches[workload] = bench
    return bench


def run_kernel(
    workload: str, tir: str, code: str, best: float | None, options: MeasureOptions
) -> RunResult:
    """See `tuner.measure.base.Measurer.run`."""
    bench = _bench_of(workload, tir)
    kernel = load_kernel(code)
    failure, error = _check(bench, kernel, options)
    if failure is not None:
        return RunResult(failure=failure, error=error)
    number = _number(bench, kernel, options)
    first = _time(bench, kernel, number)
    if best is not None and first > options.give_up_factor * best:
        return RunResult((first,), error)
    rest = [_time(bench, kernel, number) for _ in range(options.repeats - 1)]
    return RunResult((first, *rest), error)


def compare_kernels(
    workload: str, tir: str, codes: list[str], options: MeasureOptions
) -> list[RunResult]:
    """See `tuner.measure.base.Measurer.compare`."""
    bench = _bench_of(workload, tir)
    kernels = [load_kernel(code) for code in codes]
    checks = [_check(bench, kernel, options) for kernel in kernels]
    sound = [i for i, (failure, _) in enumerate(checks) if failure is None]
    numbers = {i: _number(bench, kernels[i], options) for i in sound}
    secs: dict[int, list[float]] = {i: [] for i in sound}
    for _ in range(options.repeats):
        for i in sound:
            secs[i].append(_time(bench, kernels[i], numbers[i]))
    return [
        RunResult(tuple(secs.get(i, ())), error, failure)
        for i, (failure, error) in enumerate(checks)
    ]


def _check(
    bench: _Bench, kernel: tvm.runtime.Module, options: MeasureOptions
) -> tuple[Failure | None, float | None]:
    """Compare one call with the reference."""
    output = bench.arguments[bench.output]
    # What an earlier candidate computed must not pass for this one's result.
    np.from_dlpack(output)[...] = _poison(np.from_dlpack(output).dtype)
    try:
        kernel["main"](*bench.arguments)
    except Exception as error:
        return Failure(ErrorKind.RUN_ERROR, failure_line(error)), None
    distance = _distance(output.numpy().astype(np.float64), bench.reference) / bench.scale
    if not distance <= options.tolerance:
        text = f"largest error {distance:.3g} of the largest value, allowed {options.tolerance:g}"
        return Failure(ErrorKind.WRONG_RESULT, text), distance
    return None, distance


def _distance(value: np.ndarray, reference: np.ndarray) -> float:
    """Largest difference; what is not finite has to be so on both sides."""
    finite = np.isfinite(reference)
    if not np.array_equal(value[~finite], reference[~finite], equal_nan=True):
        return float("inf")
    if not finite.any():
        return 0.0
    return float(np.abs(value[finite] - reference[finite]).max())


def _poison(dtype: np.dtype) -> float | int | bool:
    if np.issubdtype(dtype, np.floating):
        return float("nan")
    return True if dtype.kind == "b" else int(np.iinfo(dtype).max)


def _number(bench: _Bench, kernel: tvm.runtime.Module, options: MeasureOptions) -> int:
    """Calls per repeat, so that one lasts `min_repeat_s`."""
    once = max(_time(bench, kernel, 1), 1e-8)
    few = max(1, min(1000, int(options.min_repeat_s / 10 / once)))
    once = max(statistics.median([_time(bench, kernel, few) for _ in range(3)]), 1e-9)
    return max(1, int(options.min_repeat_s / once))


def _time(bench: _Bench, kernel: tvm.runtime.Module, number: int) -> float:
    evaluator = kernel.time_evaluator("main", tvm.cpu(), number=number, repeat=1)
    return float(evaluator(*bench.arguments).results[0])
