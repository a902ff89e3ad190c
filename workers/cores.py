"""Which cores of a host measure, and which build: one measuring slot per physical core."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self

_TOPOLOGY = Path("/sys/devices/system/cpu")


@dataclass(frozen=True, slots=True)
class CorePlan:
    """The cores of a host, by what they are for."""

    #: One logical CPU per measuring slot; its hyperthreads stay idle.
    measuring: tuple[int, ...]
    #: Logical CPUs that builds may use; empty if every core measures.
    building: tuple[int, ...]


def physical_cores(allowed: set[int] | None = None) -> list[tuple[int, ...]]:
    """The physical cores this process may use, each as its logical CPUs, ascending."""
    allowed = os.sched_getaffinity(0) if allowed is None else allowed
    cores = {tuple(sorted(_siblings(cpu) & allowed)) for cpu in allowed}
    return sorted(cores)


def _siblings(cpu: int) -> set[int]:
    """Logical CPUs of the same core as `cpu`; containers may hide the topology."""
    file = _TOPOLOGY / f"cpu{cpu}" / "topology" / "thread_siblings_list"
    try:
        return parse_cpu_list(file.read_text())
    except OSError:
        return {cpu}


def parse_cpu_list(text: str) -> set[int]:
    """CPUs of a list as Linux prints it: ``0-3,8``."""
    found: set[int] = set()
    for part in text.strip().split(","):
        first, _, last = part.partition("-")
        found.update(range(int(first), int(last or first) + 1))
    return found


def default_slots(cores: Sequence[tuple[int, ...]]) -> int:
    """Measuring slots of a host: half of its cores, the others build for them."""
    return max(1, len(cores) // 2)


def plan_cores(slots: int, cores: Sequence[tuple[int, ...]]) -> CorePlan:
    """Give the last `slots` physical cores to measuring, and the others to building.

    The first cores serve the interrupts of most hosts.
    """
    slots = min(slots, len(cores))
    building, measuring = cores[: len(cores) - slots], cores[len(cores) - slots :]
    return CorePlan(
        tuple(core[0] for core in reversed(measuring)),
        tuple(cpu for core in building for cpu in core),
    )


class CoreClaim:
    """The right to measure on a core of this host, held until it is closed or the process ends.

    Ray counts cores and does not name them: workers of one host, of several Ray nodes or
    campaigns too, agree by locks on files.
    """

    def __init__(self, core: int, file: IO[bytes]) -> None:
        #: The core.
        self.core = core
        self._file = file

    @classmethod
    def first_free(cls, cores: Sequence[int], folder: Path | None = None) -> Self | None:
        """Claim the first core that nobody measures on; None if each is taken."""
        for core in cores:
            path = (folder or Path(tempfile.gettempdir())) / f"tunefleet-core-{core}.lock"
            # Not truncated, and never removed: a lock is on the file, not on its name.
            file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), "r+b")
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.close()
                continue
            return cls(core, file)
        return None

    def close(self) -> None:
        """Let others measure there."""
        self._file.close()
