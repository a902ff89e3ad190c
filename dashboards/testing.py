"""Addresses to try a dashboard on: one of every page, of what is in the database."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

#: Every page; `names` fills in what differs from one database to the next.
ADDRESSES = (
    "/tonight",
    "/coverage",
    "/workloads/{workload}",
    "/models",
    "/models/{model}",
    "/nights",
    "/nights/{night}",
    "/compare?before=1&after={night}",
    "/workers",
    "/errors",
    "/errors/{signature}",
    "/jobs?sort=updated",
    "/jobs/{job}",
)


def names(ask: Callable[[str], Any]) -> dict[str, str]:
    """What to fill in: a tuned workload, the newest night, a job that is done, an error.

    Parameters
    ----------
    ask
        Fetches the JSON of an address.
    """
    cells = [cell for row in ask("/coverage.json")["rows"] for cell in row["cells"]]
    nights = ask("/nights.json")["nights"]
    return {
        "workload": next(cell["workload"] for cell in cells if cell["tuned"]),
        "model": ask("/models.json")["models"][0]["model"],
        "night": str(nights[0]["id"]),
        "job": str(ask("/jobs.json?state=done")["jobs"][0]["id"]),
        "signature": ask("/errors.json")["groups"][0]["signature"],
    }
