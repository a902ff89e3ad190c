"""Whole models on one thread beside PyTorch, Inductor, ONNX Runtime and OpenVINO, in one run.

Every cell is one model at one batch; all runtimes take turns in it, a few milliseconds each, and
their scores are compared first. A ratio is a peer's median time over this runtime's: above 1, this
runtime is faster. ``--db`` names a database in which the models were tuned; without it, kernels
have their default schedules.
"""

from __future__ import annotations

import argparse
import copy
import gc
import os
import statistics
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.runtime._peers import PEERS, Call
from examples import deepctr, dlrm
from examples._pt2 import export_pt2
from runtime import Engine
from tuner.arch import host_arch
from tuner.measure.process import THREADS

#: Seconds that one turn lasts.
_TURN_S = 0.004
#: Like the largest class of models in Gupta et al., "The Architectural Implications of Facebook's
#: DNN-based Personalized Recommendation", 2020, https://arxiv.org/abs/1906.03109.
_RMC = dlrm.DLRMConfig(
    tables=40, rows=50_000, hots=4, bottom=(512, 512), top=(1024, 512, 256), dim=64
)


@dataclass(frozen=True, slots=True)
class Subject:
    """A model that is timed."""

    build: Callable[[], nn.Module]
    inputs: Callable[[int], tuple[Tensor, ...]]


SUBJECTS = {
    "dlrm": Subject(dlrm.build_dlrm, lambda n: dlrm.random_inputs(dlrm.FULL_SIZE, n)),
    "rmc": Subject(lambda: dlrm.build_dlrm(_RMC), lambda n: dlrm.random_inputs(_RMC, n)),
    "deepfm": Subject(
        lambda: deepctr.build_ctr("DeepFM"), lambda n: deepctr.random_inputs(deepctr.SMALL, n)
    ),
}


class _Rows(nn.Module):
    """A bag of rows that are summed, each example's as many, in operators that ONNX has.

    A bag itself is exported as a loop over the examples, tens of times slower in every runtime.
    """

    def __init__(self, bag: nn.EmbeddingBag) -> None:
        super().__init__()
        assert bag.mode == "sum"
        self.weight = bag.weight

    def forward(self, indices: Tensor) -> Tensor:
        """Sum rows."""
        return nn.functional.embedding(indices, self.weight).sum(1)


def export_onnx(module: nn.Module, inputs: tuple[Tensor, ...], path: Path) -> None:
    """Write the model for runtimes that read ONNX; its batch stays open."""
    module = copy.deepcopy(module)
    for parent in tuple(module.modules()):
        for name, child in tuple(parent.named_children()):
            if isinstance(child, nn.EmbeddingBag):
                setattr(parent, name, _Rows(child))
    names = [f"input_{i}" for i in range(len(inputs))]
    with warnings.catch_warnings():
        # The exporter that needs no further package is the one that torch deprecates.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module, inputs, str(path), input_names=names, output_names=["scores"], dynamo=False,
            dynamic_axes={n: {0: "batch"} for n in [*names, "scores"]}, opset_version=17,
        )  # fmt: skip


def turns(calls: dict[str, Call], rounds: int) -> dict[str, list[float]]:
    """Seconds per call of each, by round; they take turns."""
    counts = {name: max(1, int(_TURN_S / _seconds(call, 3))) for name, call in calls.items()}
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            times[name].append(_seconds(call, counts[name]))
    return times


def _seconds(call: Call, count: int) -> float:
    start = time.perf_counter()
    for _ in range(count):
        call()
    return (time.perf_counter() - start) / count


def cell(subject: Subject, module: nn.Module, files: Path, engine: Engine, batch: int,
         peers: list[str], rounds: int) -> dict[str, list[float]]:  # fmt: skip
    """Times of one model at one batch; scores are compared first."""
    inputs = [x.numpy() for x in subject.inputs(batch)]
    model = engine.load(files / "model.pt2", buckets=(batch,))
    calls: dict[str, Call] = {"tunefleet": lambda: model(*inputs)}
    expected = PEERS["eager"](module, files, inputs)()
    for name in peers:
        calls[name] = PEERS[name](module, files / "model.onnx", inputs)
    for name, call in calls.items():
        worst = float(np.abs(np.asarray(call()).ravel() - expected.ravel()).max())
        assert worst < 1e-4, f"{name} differs from PyTorch by {worst}"
    return turns(calls, rounds)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="benchmarks runtime.peers", description=__doc__)
    parser.add_argument("--models", nargs="+", choices=SUBJECTS, default=list(SUBJECTS))
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 4, 16, 64, 256])
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=list(PEERS))
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--db", help="database in which the models were tuned")
    args = parser.parse_args()
    torch.set_num_threads(1)
    engine = Engine(args.db) if args.db else Engine(use_records=False)
    # Inductor's compiler and everything else that is not timed may use the other cores.
    core = max(os.sched_getaffinity(0))
    everywhere = os.sched_getaffinity(0)
    print(
        f"{host_arch().name}, one core, {'tuned' if args.db else 'default schedules'}; µs, medians"
    )
    print(f"{'model':8}{'batch':>6}{'tunefleet':>11}" + "".join(f"{p:>19}" for p in args.peers))
    best: list[float] = []
    for name in args.models:
        subject = SUBJECTS[name]
        module = subject.build().eval()
        with TemporaryDirectory() as folder:
            files = Path(folder)
            export_pt2(module, subject.inputs(2), files / "model.pt2")
            export_onnx(module, subject.inputs(2), files / "model.onnx")
            for batch in args.batches:
                os.sched_setaffinity(0, {core})
                gc.disable()
                times = cell(subject, module, files, engine, batch, args.peers, args.rounds)
                gc.enable()
                os.sched_setaffinity(0, everywhere)
                middle = {n: statistics.median(t) for n, t in times.items()}
                ours = middle.pop("tunefleet")
                shown = "".join(f"{t * 1e6:>11.1f} {t / ours:6.2f}x" for t in middle.values())
                print(f"{name:8}{batch:>6}{ours * 1e6:>11.1f}{shown}", flush=True)
                best.append(min(middle.values()) / ours)
    print(f"against the best peer of each cell: lowest {min(best):.2f}x, "
          f"geometric mean {statistics.geometric_mean(best):.2f}x")  # fmt: skip


if __name__ == "__main__":
    os.environ.update(THREADS)
    main()
