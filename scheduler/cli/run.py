"""Runs a campaign: workers in the background, their progress on the screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scheduler.cli.output import console
from scheduler.display import Observer, Snapshot, doing, follow

if TYPE_CHECKING:
    from db import Store
    from tuner.measure import MeasureOptions


def run_campaign(
    store: Store,
    campaign_id: int,
    *,
    url: str,
    kind: str = "ray",
    ray_address: str | None = None,
    slots: int | None = None,
    measure: MeasureOptions | None = None,
) -> Snapshot:
    """Work on a campaign until every job is final; return how it ended.

    Parameters
    ----------
    url
        Of the database, as other processes understand it.
    kind, ray_address, slots, measure
        See `scheduler.executors.make_executor`.
    """
    from scheduler.cli.interrupts import rearm
    from scheduler.executors import make_executor
    from tuner.measure import MeasureOptions

    executor = make_executor(
        kind,
        db_url=url,
        ray_address=ray_address,
        slots=slots,
        measure=measure or MeasureOptions(),
    )
    out = console()
    with executor:
        try:
            with doing(out, "starting the workers"):
                executor.start(campaign_id)
            # Ray takes SIGTERM for itself.
            rearm()
            observer = Observer(store, campaign_id, own=True)
            return follow(observer, out, look_after=executor.poll)
        except KeyboardInterrupt:
            out.print("stopping the workers …")
            raise
