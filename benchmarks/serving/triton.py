"""The HTTP client of Triton's own package against each server, one request at a time and sixteen.

The client is Python, and has a core of its own: with one request at a time most of what is measured
is the client. Servers are those of `serving.load`, and ``python``, which is `tunefleet serve`; they
take turns, on the other core, with one scoring thread each.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import gevent
import numpy as np
import tritonclient.http as triton

from benchmarks.serving._bundles import SERVED_SEED
from benchmarks.serving._servers import LOAD_CORE, SERVER_CORE, Asked, example
from db import open_store
from runtime.serving.datatype import datatype
from tuner.arch import host_arch
from tuner.measure.process import THREADS

_IN_FLIGHT = (1, 16)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(prog="benchmarks serving.triton", description=__doc__)
    parser.add_argument("--batch", type=int, default=16, help="rows of each request")
    parser.add_argument("--buckets", type=int, nargs="+", default=[1, 16, 64, 256])
    parser.add_argument("--rounds", type=int, default=5, help="turns of each server")
    parser.add_argument("--seconds", type=float, default=2.0, help="of each turn")
    args = parser.parse_args()
    with TemporaryDirectory() as text, ExitStack() as stack:
        folder = Path(text)
        servers, asked = example(folder, args.buckets, args.batch)
        ports = {n: stack.enter_context(servers.start(n)) for n in ("host", "onnxruntime")}
        file = folder / f"dlrm-{SERVED_SEED}.pt2"
        ports["python"] = stack.enter_context(_python(file, args.buckets, folder))
        os.sched_setaffinity(0, {LOAD_CORE})
        clients = {
            name: stack.enter_context(
                triton.InferenceServerClient(f"127.0.0.1:{port}", concurrency=max(_IN_FLIGHT))
            )
            for name, port in ports.items()
        }
        print(f"{host_arch().name}, example DLRM, {args.batch} rows a request; servers on core "
              f"{SERVER_CORE}, tritonclient on core {LOAD_CORE}")  # fmt: skip
        tensors = _tensors(asked)
        for client in clients.values():
            scores = client.infer("dlrm", tensors).as_numpy("output_0")
            np.testing.assert_allclose(scores, asked.scores, rtol=1e-4, atol=1e-5)
        for in_flight in _IN_FLIGHT:
            times: dict[str, list[list[float]]] = {name: [] for name in clients}
            for _ in range(args.rounds):
                for name, client in clients.items():
                    times[name].append(_times(client, tensors, in_flight, args.seconds))
            for name, turns in times.items():
                rate = statistics.median(len(turn) / args.seconds for turn in turns)
                tails = ", ".join(
                    f"p{part} {statistics.median(np.percentile(t, part) for t in turns) * 1e3:.2f}"
                    for part in (50, 99, 99.9)
                )
                print(f"{in_flight:2} in flight: {name:11} {rate:.0f} requests/s, ms: {tails}",
                      flush=True)  # fmt: skip


def _tensors(asked: Asked) -> list[triton.InferInput]:
    made = []
    for name, array in zip(asked.names, asked.inputs, strict=True):
        tensor = triton.InferInput(name, list(array.shape), datatype(array.dtype))
        tensor.set_data_from_numpy(array)
        made.append(tensor)
    return made


def _times(
    client: triton.InferenceServerClient,
    tensors: list[triton.InferInput],
    in_flight: int,
    seconds: float,
) -> list[float]:
    """Seconds of each request; so many greenlets send the next when the last is answered."""
    times = []
    end = time.perf_counter() + seconds

    def ask() -> None:
        while (begin := time.perf_counter()) < end:
            client.infer("dlrm", tensors)
            times.append(time.perf_counter() - begin)

    gevent.joinall([gevent.spawn(ask) for _ in range(in_flight)], raise_error=True)
    return times


@contextlib.contextmanager
def _python(file: Path, buckets: list[int], folder: Path) -> Iterator[int]:
    url = f"sqlite:///{folder}/empty.db"
    open_store(url).close()
    words = ["taskset", "--cpu-list", str(SERVER_CORE), sys.executable, "-m", "scheduler.cli"]
    words += ["--db", url, "serve", str(file), "--name", "dlrm", "--port", "0"]
    words += ["--buckets", ",".join(map(str, buckets))]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        address = next(line for line in process.stderr if line.startswith("http://")).strip()
        try:
            yield int(address.split(":")[2].split("/")[0])
        finally:
            process.terminate()


if __name__ == "__main__":
    os.environ.update(THREADS)
    main()
