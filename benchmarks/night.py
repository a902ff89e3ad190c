"""A night in small: every job of the example model, and when each was within 5 % of its best.

All buckets, two architectures, one process on this machine: the jobs come one after the other, and
the time of a night until it is within 5 % of all it finds is the sum of theirs.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from benchmarks._convergence import reached, steps
from db import Store, open_store
from examples.dlrm import export_dlrm
from scheduler.campaigns import add_model, start_campaign
from scheduler.executors import make_executor

WITHIN = 0.05


def run(store: Store, url: str, campaign: int, limit: float) -> None:
    """Work on a campaign until it is done, or `limit` seconds are over."""
    end = time.monotonic() + limit
    with make_executor("inprocess", db_url=url) as executor:
        executor.start(campaign)
        while store.campaign_progress(campaign).unfinished and time.monotonic() < end:
            executor.poll()
            time.sleep(0.2)


def report(store: Store, campaign: int) -> None:
    """Print one line per job, and the sum."""
    print(
        f"{'architecture':16}{'bucket':>7}{'trials':>8}{'first µs':>10}{'final µs':>10}"
        f"{'seconds':>9}{'within 5 % after':>18}"
    )
    total = 0.0
    for progress in sorted(store.job_progress(campaign), key=lambda p: p.job.id):
        job = progress.job
        found = list(steps(store, job))
        step = reached(found, WITHIN)
        if step is None or job.started_at is None:
            print(f"{job.arch:16}{job.bucket:>7}{progress.measurements:>8}   {job.state}")
            continue
        ended = job.finished_at or store.now()
        took = (ended - job.started_at).total_seconds()
        total += step.at
        print(
            f"{job.arch:16}{job.bucket:>7}{progress.measurements:>8}{1e6 * found[0].latency:>10.0f}"
            f"{1e6 * found[-1].latency:>10.0f}{took:>9.1f}{step.at:>16.1f} s"
        )
    print(f"all jobs within {100 * WITHIN:.0f} % of their final best after {total:.0f} s of tuning")


def main() -> None:
    """Run a campaign and print when its jobs were good enough."""
    parser = argparse.ArgumentParser(prog="benchmarks night", description=__doc__)
    parser.add_argument("--model", type=Path, help=".pt2 or .onnx file; the example's DLRM")
    parser.add_argument("--buckets", default="1,16,64,256")
    parser.add_argument("--archs", default="host,avx2")
    parser.add_argument("--seconds", type=float, default=120.0, help="budget of each job")
    parser.add_argument("--strategy", default="autotvm", choices=("auto", "autotvm", "ansor"))
    parser.add_argument("--db", help="database to work on; a new one")
    args = parser.parse_args()
    buckets = [int(b) for b in args.buckets.split(",")]
    archs = args.archs.split(",")
    with tempfile.TemporaryDirectory() as folder:
        url = args.db or f"sqlite:///{folder}/night.db"
        model = args.model or Path(folder) / "dlrm.pt2"
        if args.model is None:
            export_dlrm(model)
        start = time.monotonic()
        with open_store(url) as store:
            version = add_model(store, model, buckets=buckets)
            campaign, _ = start_campaign(
                store,
                version,
                archs=archs,
                buckets=buckets,
                strategy=args.strategy,
                trials=None,
                seconds=args.seconds,
            )
            print(f"model imported and extracted in {time.monotonic() - start:.1f} s", flush=True)
            run(store, url, campaign, 1.5 * args.seconds * len(buckets) * len(archs))
            report(store, campaign)
        print(f"{time.monotonic() - start:.0f} s in all")


if __name__ == "__main__":
    main()
