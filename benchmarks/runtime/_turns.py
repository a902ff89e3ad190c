"""Calls per second of threads and of processes, a turn at a time."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Self

from runtime import Engine, Model

#: Makes the call that one thread repeats.
Work = Callable[[], Callable[[], object]]


def scoring(model: Model, batch: int) -> Work:
    """Calls of a model."""
    inputs = model.random_inputs(batch)
    return lambda: lambda: model(*inputs)


def throughput(work: Work, cores: Sequence[int], seconds: float) -> float:
    """Calls per second of as many threads as `cores`, each on its own."""
    counts = [0] * len(cores)
    start, stop = threading.Barrier(len(cores) + 1), threading.Event()

    def repeat(at: int) -> None:
        os.sched_setaffinity(0, {cores[at]})
        call = work()
        call()
        start.wait()
        while not stop.is_set():
            call()
            counts[at] += 1

    workers = [threading.Thread(target=repeat, args=(at,)) for at in range(len(cores))]
    for worker in workers:
        worker.start()
    start.wait()
    begin = time.perf_counter()
    time.sleep(seconds)
    stop.set()
    took = time.perf_counter() - begin
    for worker in workers:
        worker.join()
    return sum(counts) / took


class Processes:
    """One process per core, each with the model to itself."""

    def __init__(self, path: Path, batch: int, cores: Sequence[int]) -> None:
        context = multiprocessing.get_context("spawn")
        self._lines: dict[int, Connection] = {}
        self._started = []
        for core in cores:
            here, there = context.Pipe()
            process = context.Process(target=_answer, args=(there, path, batch, core), daemon=True)
            process.start()
            there.close()
            self._started.append(process)
            self._lines[core] = here
        for line in self._lines.values():
            line.recv()

    def throughput(self, cores: Sequence[int], seconds: float) -> float:
        """Calls per second of the processes on `cores`."""
        for core in cores:
            self._lines[core].send(seconds)
        return sum(float(self._lines[core].recv()) for core in cores)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End them."""
        for line in self._lines.values():
            line.close()
        for process in self._started:
            process.join()


def _answer(line: Connection, path: Path, batch: int, core: int) -> None:
    """What a process does: score for as long as it is told to, until nobody asks any more."""
    with Engine(use_records=False) as engine:
        work = scoring(engine.load(path, buckets=(batch,)), batch)
        line.send(None)
        try:
            while True:
                line.send(throughput(work, [core], line.recv()))
        except EOFError:
            pass
