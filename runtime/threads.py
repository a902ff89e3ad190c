"""How many threads may compile."""

from __future__ import annotations

import os

#: CPUs that this process may run on; read when it starts, since serving threads may be pinned.
CPUS = len(os.sched_getaffinity(0))
