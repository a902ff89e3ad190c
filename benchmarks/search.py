"""How soon a search comes within 5 % of the best known, cold and warm, and against `tune_relax`.

First, searches are replayed on spaces that were measured whole, the fastest of each twice: the
trials, and the seconds that these took when they were measured, until each searcher is near the
best. A warm search knows what
was measured of all other workloads; its own is left out on every architecture.

Then, with ``--upstream``, the same model is tuned for the same time by a campaign of ours and by
TVM's `tune_relax`, both from nothing, and the kernels of both are measured by our measurer.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from benchmarks import _upstream
from benchmarks._convergence import reached, steps
from benchmarks._replay import WITHIN, print_replay, replay
from benchmarks._settling import settle
from benchmarks._spaces import collect, spaces
from benchmarks.night import run
from db import Store, open_store
from examples.dlrm import export_dlrm
from scheduler.campaigns import add_model, start_campaign
from tuner.arch import resolve
from tuner.measure import MeasureOptions
from tuner.strategy import SEARCHERS


def against_upstream(folder: Path, model: Path, batch: int, seconds: float, strategy: str) -> None:
    """Tune one bucket by both, and print who was where when."""
    url = f"sqlite:///{folder}/ours.db"
    with open_store(url) as store:
        version = add_model(store, model, buckets=[batch])
        campaign, _ = start_campaign(
            store,
            version,
            archs=["host"],
            buckets=[batch],
            strategy=strategy,
            trials=None,
            seconds=seconds,
        )
        run(store, url, campaign, 2.0 * seconds)
        (progress,) = store.job_progress(campaign)
        found = list(steps(store, progress.job))
    near = reached(found, WITHIN)
    if near is None:
        raise RuntimeError(f"our job ended as {progress.job.state}: {progress.job.reason}")
    ours = found[-1]
    print(
        f"ours: {1e6 * ours.latency:.0f} µs after {ours.at:.0f} s and {progress.measurements} "
        f"trials; within 5 % after {near.at:.1f} s and {near.trials} trials",
        flush=True,
    )
    theirs = _upstream.tune(model, batch, seconds, MeasureOptions())
    print(
        f"tune_relax: {1e6 * theirs.latency:.0f} µs after {seconds:.0f} s and {theirs.trials} "
        f"trials; {theirs.tuned} of {theirs.tasks} tasks have a schedule"
    )
    better = reached(found, 0.0, theirs.latency)
    if better is None:
        print("ours did not come as far as tune_relax")
        return
    print(
        f"ours was as fast as that after {better.at:.1f} s: {better.at / seconds:.3f} of the time"
    )
    best = min(ours.latency, theirs.latency)
    if theirs.latency > (1.0 + WITHIN) * best:
        print(
            f"tune_relax was not within 5 % of the best known ({theirs.latency / best:.2f} x); "
            f"ours needed {near.at / seconds:.3f} of its time or less"
        )


def measured_spaces(
    store: Store, model: Path, seconds: float, buckets: list[int], smallest: int
) -> None:
    """Measure what the database does not have yet."""
    options = MeasureOptions(give_up_factor=2.0)
    left = collect(store, model, [resolve("host"), resolve("avx2")], buckets, seconds, options)
    if left:
        print(f"{left} configurations were left after {seconds:.0f} s; spaces cut off do not count")
    settle(store, spaces(store, smallest=smallest), options)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="benchmarks search", description=__doc__)
    parser.add_argument("--db", help="database to measure spaces into, and to replay; a new one")
    parser.add_argument("--seconds", type=float, default=300.0, help="time to measure spaces")
    parser.add_argument("--buckets", default="1,16", help="batch sizes whose spaces are measured")
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--smallest", type=int, default=16, help="leave out smaller spaces")
    parser.add_argument(
        "--upstream", type=float, default=0.0, metavar="S", help="time for each of the two; 0: none"
    )
    parser.add_argument("--batch", type=int, default=16, help="bucket tuned by both")
    parser.add_argument("--strategy", default="autotvm", choices=("auto", "autotvm", "ansor"))
    parser.add_argument("--model", type=Path, help=".pt2 or .onnx file; the example's DLRM")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = args.model or folder / "dlrm.pt2"
        if args.model is None:
            export_dlrm(model)
        with open_store(args.db or f"sqlite:///{folder}/spaces.db") as store:
            if args.seconds > 0:
                buckets = [int(b) for b in args.buckets.split(",")]
                measured_spaces(store, model, args.seconds, buckets, args.smallest)
            found = list(spaces(store, smallest=args.smallest))
            if found:
                print_replay(replay(store, found, list(SEARCHERS), args.seeds))
            else:
                print("no space was measured whole; give it more --seconds")
        if args.upstream > 0:
            against_upstream(folder, model, args.batch, args.upstream, args.strategy)


if __name__ == "__main__":
    main()
