"""Load on loopback: throughput, tails and refusals, from a fifth of the saturated rate to beyond.

Each server is one process on one core with one scoring thread; the load comes from another core.
Requests are due at random times, at a set rate, and are timed from when they are due, whether or
not the server has kept up until then. The saturated rate is what the server answers when every
connection sends its next request as soon as the last one is answered.

``host`` is `tunefleet-serve`. ``python`` and ``onnxruntime`` share one application (that of
`tunefleet serve`, on uvicorn), which scores by the Python runtime or by ONNX Runtime.
"""

from __future__ import annotations

import argparse
import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from benchmarks.runtime.peers import export_onnx
from benchmarks.serving._bundles import two_versions
from benchmarks.serving._servers import LOAD_CORE, host, python
from examples.dlrm import build_dlrm
from runtime import Engine
from tests.debian import run
from tests.host import build
from tests.integration.serving.server import binary_request
from tuner.arch import host_arch
from tuner.measure.process import THREADS

_SERVERS = ("host", "python", "onnxruntime")


def main() -> None:
    """Print a table for each server."""
    parser = argparse.ArgumentParser(prog="benchmarks serving.load", description=__doc__)
    parser.add_argument("--servers", nargs="+", choices=_SERVERS, default=list(_SERVERS))
    parser.add_argument("--batch", type=int, default=16, help="rows of each request")
    parser.add_argument("--buckets", type=int, nargs="+", default=[1, 16, 64, 256])
    parser.add_argument("--shares", type=int, nargs="+", default=[20, 40, 60, 80, 100, 120],
                        help="of the saturated rate, in percent")  # fmt: skip
    parser.add_argument("--seconds", type=float, default=3.0, help="at each rate")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--max-wait-ms", type=int, default=2, help="of the host's admission")
    args = parser.parse_args()
    load = build() / "tunefleet-load"
    print(f"{host_arch().name}, example DLRM, {args.batch} rows a request, "
          f"{args.connections} connections")  # fmt: skip
    with TemporaryDirectory() as text:
        folder = Path(text)
        with Engine(use_records=False) as engine:
            model, bundle = two_versions(engine, folder, tuple(args.buckets))
            inputs = model.random_inputs(args.batch)
            names = [spec.name for spec in model.input_specs]
        # Scores matter to nobody here: weights of any seed cost the same.
        if "onnxruntime" in args.servers:
            example = tuple(torch.from_numpy(x) for x in inputs)
            export_onnx(build_dlrm(), example, folder / "dlrm-1.onnx")
        body, head = binary_request(names, inputs)
        (folder / "body").write_bytes(body)
        for name in args.servers:
            with _start(name, folder, bundle, args.buckets, args.max_wait_ms) as port:

                def measure(rate: float, seconds: float, port: int = port) -> dict[str, float]:
                    printed = run(
                        "taskset", "--cpu-list", str(LOAD_CORE), load, str(port),
                        "/v2/models/dlrm/infer", folder / "body", str(head),
                        str(args.connections), str(rate), str(seconds),
                    )  # fmt: skip
                    return {k: float(v) for k, v in map(str.split, printed.splitlines())}

                measure(0, 0.5)
                saturated = measure(0, args.seconds)["per_s"]
                print(f"{name}: saturated at {saturated:.0f} requests/s, "
                      f"{saturated * args.batch:.0f} rows/s")  # fmt: skip
                for share in args.shares:
                    _print(share, measure(saturated * share / 100, args.seconds))


def _print(share: int, f: dict[str, float]) -> None:
    parts = " ".join(f"{part} {f.get(f'answered_{part}_us', 0.0) / 1000:7.3f}"
                     for part in ("p50", "p99", "p999"))  # fmt: skip
    refused = ""
    if f["refused"]:
        p50, p99 = (f[f"refused_{part}_us"] / 1000 for part in ("p50", "p99"))
        refused = f"; refused p50 {p50:.3f}, p99 {p99:.3f} ms"
    print(f"  {share:4} %: {f['per_s']:7.0f} answered/s, ms: {parts}; "
          f"{f['refused']:.0f} refused, {f['failed']:.0f} failed{refused}")  # fmt: skip


@contextlib.contextmanager
def _start(
    name: str, folder: Path, bundle: Path, buckets: Sequence[int], max_wait_ms: int
) -> Iterator[int]:
    if name == "host":
        program = build() / "tunefleet-serve"
        with host(program, bundle, folder, "--max-wait-ms", max_wait_ms) as port:
            yield port
        return
    kind = "tunefleet" if name == "python" else name
    with python(kind, folder / "dlrm-1.pt2", buckets) as port:
        yield port


if __name__ == "__main__":
    os.environ.update(THREADS)
    main()
