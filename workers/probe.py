"""What a host offers to a fleet: its CPU, its cores, and the labels that lead jobs to it."""

from __future__ import annotations

import re
from dataclasses import dataclass

import archspec.cpu
import psutil

from tuner.arch import host_arch, resolve, runs_on
from tuner.errors import TunerError
from workers.cores import default_slots, physical_cores
from workers.host import cpu_model, host_name

#: Labels follow the syntax of Kubernetes, which autoscalers check.
_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")


@dataclass(frozen=True, slots=True)
class Probe:
    """A host as a node of a fleet."""

    host: str
    #: CPU model name.
    cpu: str
    #: archspec's name of the microarchitecture.
    microarchitecture: str
    #: LLVM's name of the CPU whose kernels are measured here.
    arch: str
    #: Its x86-64 level.
    isa_level: str
    #: Physical cores.
    cores: int
    #: Logical CPUs.
    cpus: int
    #: Memory, in bytes.
    memory: int
    #: Candidates measured at once.
    slots: int

    @property
    def labels(self) -> dict[str, str]:
        """Labels of its node."""
        made = {
            "cpu-arch": self.arch,
            "isa-level": self.isa_level,
            "microarchitecture": self.microarchitecture,
        }
        for name, value in made.items():
            if not _LABEL.fullmatch(value):
                raise TunerError(f"{value!r} cannot be the value of the node label {name}")
        return made


def probe(arch: str = "host", slots: int | None = None) -> Probe:
    """Look at this host.

    Parameters
    ----------
    arch
        CPU architecture to serve, as `tuner.arch.resolve` takes it; one that this host can run.
    slots
        Candidates to measure at once; None takes half of the cores, the others build.

    Raises
    ------
    TunerError
        If this host cannot run such kernels, or has fewer cores.
    """
    found = resolve(arch)
    if not runs_on(found, host_arch()):
        raise TunerError(f"kernels for {found.name} do not run on this CPU ({host_arch().name})")
    cores = physical_cores()
    slots = default_slots(cores) if slots is None else slots
    if slots > len(cores):
        raise TunerError(f"this host has {len(cores)} cores to measure on, not {slots}")
    return Probe(
        host=host_name(),
        cpu=cpu_model(),
        microarchitecture=str(archspec.cpu.host().name),
        arch=found.name,
        isa_level=found.isa_level,
        cores=len(cores),
        cpus=sum(len(core) for core in cores),
        memory=psutil.virtual_memory().total,
        slots=slots,
    )
