"""A tuning command in small, to be killed: ``tune_once DB MODEL TRIALS``."""

from __future__ import annotations

import sys
import time

from db import open_store
from scheduler.campaigns import add_model, start_campaign
from scheduler.executors import make_executor
from tuner.measure import MeasureOptions


def main() -> None:
    url, path, trials = sys.argv[1:]
    with open_store(url) as store:
        version = add_model(store, path, buckets=(1, 8))
        campaign, _ = start_campaign(
            store,
            version,
            archs=["host"],
            buckets=[1, 8],
            strategy="autotvm",
            trials=int(trials),
            seconds=None,
        )
        measure = MeasureOptions(min_repeat_s=0.001, repeats=3)
        with make_executor("ray", db_url=url, measure=measure) as executor:
            executor.start(campaign)
            while store.campaign_progress(campaign).unfinished:
                executor.poll()
                time.sleep(0.2)


if __name__ == "__main__":
    main()
