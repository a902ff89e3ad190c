"""Tools for a measuring slot, as soon as its host has a core for it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from db import Store
from workers.logs import get_logger
from workers.tools import NoFreeCore, ToolMaker, Tools

log = get_logger("worker")

#: Seconds between two looks at the cores.
EVERY_S = 1.0


def tools_when_free(
    make: ToolMaker,
    store: Store,
    campaign_id: int,
    archs: Sequence[str],
    *,
    should_stop: Callable[[], bool] = lambda: False,
    every_s: float = EVERY_S,
) -> Tools | None:
    """Tools made once a core is free; None if the worker was told to stop before.

    Two campaigns of one host take turns so. While it waits, the jobs of `archs` say why.
    """
    reason = ""
    while not should_stop():
        try:
            tools = make()
        except NoFreeCore as error:
            if reason != str(error):
                reason = str(error)
                log.warning("worker waits", campaign=campaign_id, reason=reason)
                _explain(store, campaign_id, archs, f"waits for a core: {reason}")
            time.sleep(every_s)
        else:
            if reason:
                log.info("worker goes on", campaign=campaign_id, core=tools.core)
                _explain(store, campaign_id, archs, "")
            return tools
    return None


def _explain(store: Store, campaign_id: int, archs: Sequence[str], reason: str) -> None:
    for arch in archs:
        store.explain(campaign_id, arch, reason)
