"""What the demo is asked to do."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path

from db import CpuArch
from tuner.errors import TunerError


class DemoError(TunerError):
    """The demo found something that must not be."""


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """How the demo is run."""

    #: Database that measurements and records go to.
    url: str
    #: Where files are made.
    folder: Path
    #: CPU architectures to tune for; each runs on this machine.
    archs: tuple[CpuArch, ...]
    #: Model to take instead of the example.
    model: Path | None = None
    #: Batch sizes to tune for.
    buckets: tuple[int, ...] = (1, 16, 64, 256)
    #: Time that tuning may take, over all jobs.
    seconds: float = 150.0
    #: Largest difference of scores that still counts as none, relative to scores above 1.
    tolerance: float = 1e-5
    #: How the user names the database on the command line; empty for the default one.
    db_flag: str = ""

    @property
    def files(self) -> Path:
        """Folder of the example's files and the log."""
        return self.folder / "tunefleet-demo"

    @property
    def jobs(self) -> int:
        """Jobs of the campaign."""
        return len(self.archs) * len(self.buckets)

    @property
    def slots(self) -> int:
        """Jobs that run at once: each has one core to measure on and one to build on."""
        return max(1, min(self.jobs, len(os.sched_getaffinity(0)) // 2))

    @property
    def job_seconds(self) -> float:
        """Budget of each job."""
        return self.seconds / math.ceil(self.jobs / self.slots)
