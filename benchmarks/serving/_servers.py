"""Servers to put load on: each a process on one core, with one thread that scores."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from urllib.request import urlopen

import numpy as np

#: Cores of the server, and of whoever puts load on it.
SERVER_CORE, LOAD_CORE = 1, 0


@contextlib.contextmanager
def host(program: Path, bundle: Path, folder: Path, *options: object) -> Iterator[int]:
    """`tunefleet-serve`; gives the port."""
    words = [program, "--port", 0, "--threads", 1, *options, f"dlrm={bundle}"]
    log = folder / "serve.log"
    with log.open("w") as errors:
        process = subprocess.Popen(_pinned([str(word) for word in words]), stderr=errors)
    with process:
        while not (lines := [json.loads(x) for x in log.read_text().splitlines()]) or (
            lines[-1]["event"] != "listening"
        ):
            assert process.poll() is None, log.read_text()
        yield int(lines[-1]["port"])
        process.terminate()


@contextlib.contextmanager
def python(kind: str, model: Path, buckets: Sequence[int]) -> Iterator[int]:
    """The application of `tunefleet serve` over a model; ``kind`` says who scores."""
    words = [sys.executable, "-m", "benchmarks.serving._servers", kind, str(model)]
    words += map(str, buckets)
    with subprocess.Popen(_pinned(words), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        while True:
            with contextlib.suppress(OSError), urlopen(f"http://127.0.0.1:{port}/v2"):
                break
        yield port
        process.terminate()


def _pinned(words: list[str]) -> list[str]:
    return ["taskset", "--cpu-list", str(SERVER_CORE), *words]


def main() -> None:
    """Serve with ``onnxruntime`` or ``tunefleet``, by one application."""
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=["onnxruntime", "tunefleet"])
    parser.add_argument("model", type=Path)
    parser.add_argument("buckets", type=int, nargs="+")
    args = parser.parse_args()

    import uvicorn

    from runtime import Engine
    from runtime.serving import ServedModel, create_app
    from scheduler.cli.listening import listen

    with Engine(use_records=False) as engine:
        model = engine.load(args.model, args.buckets)
        served = ServedModel.of(model, "dlrm")
        if args.kind == "onnxruntime":
            served = ServedModel(
                "dlrm", "0", served.inputs, served.outputs, _onnx(args.model.with_suffix(".onnx"))
            )
        with listen("127.0.0.1", 0) as taken:
            print(taken.getsockname()[1], flush=True)
            config = uvicorn.Config(create_app(served), log_level="warning", access_log=False)
            uvicorn.Server(config).run(sockets=[taken])


def _onnx(path: Path) -> Callable[[Sequence[np.ndarray]], Sequence[np.ndarray]]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names = [tensor.name for tensor in session.get_inputs()]

    def score(inputs: Sequence[np.ndarray]) -> Sequence[np.ndarray]:
        scores: Sequence[np.ndarray] = session.run(None, dict(zip(names, inputs, strict=True)))
        return scores

    return score


if __name__ == "__main__":
    from tuner.measure.process import THREADS

    os.environ.update(THREADS)
    main()
