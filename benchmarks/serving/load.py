"""Load on loopback: throughput, tails and refusals, from a fifth of the saturated rate to twice it.

Servers are alike but for what scores: ``host`` is `tunefleet-serve`; ``onnxruntime`` is the same
program with ONNX Runtime's C interface in the model's place; ``empty`` scores nothing: what
requests cost this machine by themselves. Each has one scoring thread and one core, together with
the threads of its connections; the load has the other core.

The saturated rate is what is answered when every connection sends its next request as soon as the
last is answered, and nothing is refused. Then servers have the limit that they have by default,
and requests are due at random times, for all at shares of the host's saturated rate; they are
timed from when they are due, whether or not the server has kept up until then.
Last, every connection sends again at once, also after a refusal. Servers take turns throughout,
and figures are medians of those turns. What another machine on the same hardware took meanwhile
is told too: tails are no better than that.
"""

from __future__ import annotations

import argparse
import os
import statistics
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.request import Request, urlopen

import numpy as np

from benchmarks.serving._servers import (
    LOAD_CORE,
    SERVER_CORE,
    Load,
    Servers,
    example,
    stolen_seconds,
)
from tests.integration.serving.server import binary_request
from tuner.arch import host_arch
from tuner.measure.process import THREADS

#: What is compared, and what is put beside them.
_SCORING = ("host", "onnxruntime")
_NAMES = (*_SCORING, "empty")
#: Longer than any request waits.
_NO_LIMIT = ("--max-wait-ms", 60_000)

Figures = dict[str, float]


@dataclass(frozen=True, slots=True)
class _Measured:
    """Servers under a load, in turns."""

    load: Load
    rounds: int
    seconds: float

    def turns(self, ports: Mapping[str, int], rate: float) -> dict[str, list[Figures]]:
        """Figures of each turn of each server."""
        found: dict[str, list[Figures]] = {name: [] for name in ports}
        for _ in range(self.rounds):
            for name, port in ports.items():
                stolen = stolen_seconds()
                figures = self.load.put(port, rate, self.seconds)
                figures["stolen"] = (stolen_seconds() - stolen) / self.seconds
                found[name].append(figures)
        return found


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(prog="benchmarks serving.load", description=__doc__)
    parser.add_argument("--batch", type=int, default=16, help="rows of each request")
    parser.add_argument("--buckets", type=int, nargs="+", default=[1, 16, 64, 256])
    parser.add_argument("--shares", type=int, nargs="+", default=[20, 50, 80, 120, 200],
                        help="of the host's saturated rate, in percent")  # fmt: skip
    parser.add_argument("--rounds", type=int, default=5, help="turns of each server at each rate")
    parser.add_argument("--seconds", type=float, default=3.0, help="of each turn")
    parser.add_argument("--connections", type=int, default=160)
    args = parser.parse_args()
    with TemporaryDirectory() as text:
        folder = Path(text)
        servers, asked = example(folder, args.buckets, args.batch)
        body, head = binary_request(asked.names, asked.inputs)
        (folder / "body").write_bytes(body)
        load = Load(servers.build / "tunefleet-load", folder / "body", head, args.connections)
        measured = _Measured(load, args.rounds, args.seconds)
        print(f"{host_arch().name}, example DLRM, {args.batch} rows a request in {len(body)} "
              f"bytes, {args.connections} connections; servers on core {SERVER_CORE}, one "
              f"scoring thread each, load on core {LOAD_CORE}")  # fmt: skip
        with ExitStack() as stack:
            ports = _start(stack, servers, load, *_NO_LIMIT)
            saturated = _saturate(measured, ports, args.batch)
        with ExitStack() as stack:
            ports = _start(stack, servers, load)
            for share in args.shares:
                rate = saturated["host"] * share / 100
                _print(f"{share} %", measured.turns(ports, rate), saturated)
            _print("at once", measured.turns(ports, 0.0), saturated)


def _start(stack: ExitStack, servers: Servers, load: Load, *options: str | int) -> dict[str, int]:
    """Start all servers, and let each score for a while; returns their ports."""
    ports = {name: stack.enter_context(servers.start(name, *options)) for name in _NAMES}
    _compare(load, *(ports[name] for name in _SCORING))
    for port in ports.values():
        load.put(port, 0.0, 0.5)
    return ports


def _saturate(measured: _Measured, ports: Mapping[str, int], batch: int) -> dict[str, float]:
    """Requests a second of each server that refuses nothing; prints them."""
    turns = measured.turns(ports, 0.0)
    rates = {name: _middle(turns[name])["per_s"] for name in _NAMES}
    for name in _NAMES:
        middle = _middle(turns[name])
        assert middle["refused"] == middle["failed"] == 0.0
        print(f"saturated: {name:11} {rates[name]:.0f} requests/s, {rates[name] * batch:.0f} "
              f"rows/s, ms: {_tails(middle, 'answered')}; "
              f"{middle['stolen']:.0%} stolen")  # fmt: skip
    ratios = [a["per_s"] / b["per_s"] for a, b in zip(*(turns[n] for n in _SCORING), strict=True)]
    print(f"host over onnxruntime: {statistics.median(ratios):.2f}x ({min(ratios):.2f} to "
          f"{max(ratios):.2f} in {len(ratios)} turns)", flush=True)  # fmt: skip
    return rates


def _compare(load: Load, first: int, second: int) -> None:
    """Two servers are only worth comparing if they answer alike."""
    answers = []
    for port in (first, second):
        headers = {"Inference-Header-Content-Length": str(load.head)}
        url = f"http://127.0.0.1:{port}/v2/models/dlrm/infer"
        with urlopen(Request(url, load.body.read_bytes(), headers)) as answer:
            skipped = int(answer.headers["Inference-Header-Content-Length"])
            answers.append(np.frombuffer(answer.read()[skipped:], np.float32))
    np.testing.assert_allclose(answers[0], answers[1], rtol=1e-4, atol=1e-5)


def _print(what: str, turns: Mapping[str, list[Figures]], saturated: Mapping[str, float]) -> None:
    for name, found in turns.items():
        f = _middle(found)
        share = f["refused"] / f["offered"]
        refused = f"{share:.1%} refused"
        if all("refused_p50_us" in each for each in found):
            refused += f", in ms: {_tails(f, 'refused')}"
        print(f"{what:>7}: {name:11} {f['per_s']:.0f} answered/s "
              f"({f['per_s'] / saturated[name]:.1%} of saturated), ms: {_tails(f, 'answered')}; "
              f"{refused}; {f['failed']:.0f} failed; sent {f['sent_p99_us'] / 1000:.2f} ms late at "
              f"p99; {f['stolen']:.0%} stolen", flush=True)  # fmt: skip


def _middle(turns: list[Figures]) -> Figures:
    """Medians, of what every turn has."""
    names = set.intersection(*(set(figures) for figures in turns))
    return {name: statistics.median(figures[name] for figures in turns) for name in names}


def _tails(f: Figures, kind: str) -> str:
    return ", ".join(f"{part.replace('p999', 'p99.9')} {f[f'{kind}_{part}_us'] / 1000:.2f}"
                     for part in ("p50", "p99", "p999"))  # fmt: skip


if __name__ == "__main__":
    os.environ.update(THREADS)
    main()
