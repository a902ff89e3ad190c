"""Servers to put load on: processes on one core, each with one thread that scores."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch

from benchmarks.runtime.peers import export_onnx
from benchmarks.serving._bundles import SERVED_SEED, two_versions
from examples.dlrm import build_dlrm
from runtime import Engine
from tests.debian import run
from tests.host import build

#: Cores of the servers, and of whoever puts load on them.
SERVER_CORE, LOAD_CORE = 0, 1


@dataclass(frozen=True, slots=True)
class Load:
    """Requests for `tunefleet-load`, which all have one body."""

    program: Path
    #: File of the body, and how much of it is JSON.
    body: Path
    head: int
    connections: int

    def put(self, port: int, rate: float, seconds: float) -> dict[str, float]:
        """Send requests at a rate, 0 for as fast as connections are free; returns figures."""
        printed = run(
            *_pinned(LOAD_CORE), self.program, str(port), "/v2/models/dlrm/infer", self.body,
            str(self.head), str(self.connections), str(rate), str(seconds),
        )  # fmt: skip
        return {name: float(number) for name, number in map(str.split, printed.splitlines())}


@dataclass(frozen=True, slots=True)
class Servers:
    """Programs that serve one bundle, alike but for what scores."""

    #: With the programs.
    build: Path
    bundle: Path
    #: The same model for ONNX Runtime.
    onnx: Path
    #: For logs.
    folder: Path

    @contextlib.contextmanager
    def start(self, name: str, *options: str | int) -> Iterator[int]:
        """Start ``host``, ``onnxruntime`` or ``empty``; gives the port."""
        log = self.folder / f"{name}.log"
        words = [*_pinned(SERVER_CORE), *self._program(name), "--port", 0, "--threads", 1]
        words += [*options, f"dlrm={self.bundle}"]
        with log.open("w") as errors:
            process = subprocess.Popen([str(word) for word in words], stderr=errors)
        with process:
            try:
                while not (lines := [json.loads(x) for x in log.read_text().splitlines()]) or (
                    lines[-1]["event"] != "listening"
                ):
                    assert process.poll() is None, log.read_text()
                yield int(lines[-1]["port"])
            finally:
                process.terminate()

    def _program(self, name: str) -> list[Path | str]:
        if name == "host":
            return [self.build / "tunefleet-serve"]
        if name == "empty":
            return [self.build / "tunefleet-peer", name]
        return [self.build / "tunefleet-peer", name, _onnxruntime(), self.onnx]


@dataclass(frozen=True, slots=True)
class Asked:
    """What every request asks for, of the example DLRM."""

    names: list[str]
    inputs: list[np.ndarray]
    #: As the Python runtime scores them.
    scores: np.ndarray


def example(folder: Path, buckets: Sequence[int], batch: int) -> tuple[Servers, Asked]:
    """The example DLRM for each server, and a request of `batch` rows."""
    with Engine(use_records=False) as engine:
        model, bundle = two_versions(engine, folder, tuple(buckets))
        inputs = model.random_inputs(batch)
        asked = Asked([spec.name for spec in model.input_specs], inputs, model(*inputs))
    onnx = folder / "dlrm.onnx"
    export_onnx(build_dlrm(seed=SERVED_SEED), tuple(map(torch.from_numpy, inputs)), onnx)
    return Servers(build(), bundle, onnx, folder), asked


def stolen_seconds() -> float:
    """Seconds that this machine's cores wanted to run so far, and its hypervisor did not let them.

    Of Linux's ``/proc/stat``, per core on average.
    """
    kinds = Path("/proc/stat").read_text().splitlines()[0].split()
    return int(kinds[8]) / os.sysconf("SC_CLK_TCK") / (os.cpu_count() or 1)


def _onnxruntime() -> Path:
    """The library that ONNX Runtime's own wheel brings."""
    spec = find_spec("onnxruntime")
    assert spec is not None
    assert spec.origin is not None
    (found,) = (Path(spec.origin).parent / "capi").glob("libonnxruntime.so.*")
    return found


def _pinned(core: int) -> list[str]:
    return ["taskset", "--cpu-list", str(core)]
