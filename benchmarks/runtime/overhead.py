"""What a call costs beyond its kernels, from Python: microseconds, in turns on one core.

A call is timed against its own kernels: the same code, run in the same order on the same staged
inputs and weights, by a loop in C++. The difference is everything else: the Python of a call, the
conversion of its arrays, the check and copy of its inputs, the copy of its scores. It is the same
few microseconds whatever the kernels take, so it is seen best beside small ones.
"""

from __future__ import annotations

import argparse
import gc
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
import tvm
from torch import Tensor, nn

from runtime import Engine, Model
from runtime.arenas import ARENAS
from runtime.program import Program
from tuner.arch import host_arch
from tuner.measure.process import THREADS

#: Seconds that one turn lasts.
_TURN_S = 0.002


class ThreeInputs(nn.Module):
    """A small model of three inputs: floats, row numbers, and weights of examples."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.EmbeddingBag(1000, 32, mode="sum")
        self.dense = nn.Linear(13 + 32, 16)
        self.score = nn.Linear(16, 1)

    def forward(self, dense: Tensor, ids: Tensor, factor: Tensor) -> Tensor:
        """Score a batch."""
        x = torch.cat([dense, self.table(ids)], 1)
        return torch.sigmoid(self.score(torch.relu(self.dense(x))) * factor)


def load(engine: Engine, batches: list[int]) -> dict[str, Model]:
    """The models that are timed, by name."""
    from examples.dlrm import export_dlrm

    batch = torch.export.Dim("batch", min=1)
    example = (torch.randn(4, 13), torch.ones(4, 8, dtype=torch.int64), torch.ones(4, 1))
    with torch.no_grad():
        small = torch.export.export(
            ThreeInputs().eval(), example, dynamic_shapes=tuple({0: batch} for _ in example)
        )
    with TemporaryDirectory() as folder:
        path = Path(folder) / "dlrm.pt2"
        export_dlrm(path)
        dlrm = engine.load(path, buckets=batches)
    return {
        "3 inputs, small kernels": engine.load(small, buckets=batches),
        "example DLRM, 2 inputs": dlrm,
    }


def times(model: Model, batch: int, rounds: int) -> tuple[list[float], list[float]]:
    """Seconds per call, and per run of its kernels alone, by round."""
    inputs = model.random_inputs(batch)
    model(*inputs)
    program = model._served.buckets[batch].runner
    assert isinstance(program, Program)
    table = program.table(model._served.weights)
    arena = ARENAS.take(program.arena_bytes)
    outputs = [spec.empty(batch) for spec in model._outputs]
    # Stages the inputs that the kernels are then run on.
    assert program.score(*inputs, table, arena[0], *outputs, 0) == 0
    count = max(1, int(_TURN_S / _seconds(lambda: model(*inputs), 20)))
    kernels = program.module.time_evaluator("kernels", tvm.cpu(), number=count, repeat=1)
    calls, alone = [], []
    for _ in range(rounds):
        calls.append(_seconds(lambda: model(*inputs), count))
        alone.append(float(kernels(table, arena[0]).results[0]))
    return calls, alone


def _seconds(call: Callable[[], object], count: int) -> float:
    start = time.perf_counter()
    for _ in range(count):
        call()
    return (time.perf_counter() - start) / count


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="benchmarks runtime.overhead", description=__doc__)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--rounds", type=int, default=200, help="turns of call and kernels")
    args = parser.parse_args()
    torch.set_num_threads(1)
    models = load(Engine(use_records=False), args.batches)
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    gc.disable()
    print(f"{host_arch().name}, one core, default schedules; µs, medians (fastest)")
    print(f"{'model':26}{'batch':>6}{'call':>18}{'kernels':>18}{'beyond':>16}")
    worst = 0.0
    for name, model in models.items():
        for batch in args.batches:
            calls, alone = times(model, batch, args.rounds)
            beyond = [c - k for c, k in zip(calls, alone, strict=True)]
            cells = [
                f"{statistics.median(v) * 1e6:.1f} ({min(v) * 1e6:.1f})" for v in (calls, alone)
            ]
            rest = statistics.median(beyond), min(calls) - min(alone)
            if len(model.input_specs) == 3:
                worst = max(worst, rest[0])
            last = f"{rest[0] * 1e6:.1f} ({rest[1] * 1e6:.1f})"
            print(f"{name:26}{batch:>6}{cells[0]:>18}{cells[1]:>18}{last:>16}")
    print(f"beyond kernels with three inputs, worst median: {worst * 1e6:.1f} µs")


if __name__ == "__main__":
    os.environ.update(THREADS)
    main()
