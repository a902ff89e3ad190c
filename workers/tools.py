"""What a worker builds and measures with: this host's compiler and a core, or a replay."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

from tuner.measure import Builder, LocalBuilder, LocalMeasurer, MeasureOptions, Measurer
from workers.cores import CoreClaim, default_slots, physical_cores, plan_cores
from workers.pool import BuilderPool


@dataclass(slots=True)
class Tools:
    """Builders and a measurer, and the core they were given."""

    #: Builds beside the measurements: on other cores, or on other machines.
    builder: Builder
    measurer: Measurer
    #: Builds on the measuring core, while nothing is measured; `builder` itself if every core
    #: measures, None if nothing really runs.
    here: Builder | None = None
    #: Core that is measured on; None if nothing really runs.
    core: int | None = None
    #: Holds the core.
    claim: CoreClaim | None = None
    #: Seconds that the core waited for builds.
    starved_s: float = 0.0

    def close(self) -> None:
        """End all, and let others have the core."""
        self.builder.close()
        self.measurer.close()
        if self.here is not None:
            self.here.close()
        if self.claim is not None:
            self.claim.close()


#: Makes the tools of one measuring slot; crosses processes, so a function of a module or a
#: frozen object.
ToolMaker = Callable[[], Tools]


class NoFreeCore(RuntimeError):
    """Every core that may measure is taken by other workers of this host."""


@dataclass(frozen=True, slots=True)
class LocalTools:
    """Tools that compile and run on this host, the measurer on a core of its own."""

    #: How candidates are measured; its `core` pins the slot to that one.
    measure: MeasureOptions = MeasureOptions()
    #: Measuring slots of this host; None takes half of its cores.
    slots: int | None = None

    def __call__(self) -> Tools:
        """Claim a core and start on it.

        Raises
        ------
        NoFreeCore
            If other workers measure on each.
        """
        cores = physical_cores()
        plan = plan_cores(self.slots or default_slots(cores), cores)
        wanted = plan.measuring if self.measure.core is None else (self.measure.core,)
        claim = CoreClaim.first_free(wanted)
        if claim is None:
            raise NoFreeCore(f"other workers of this host measure on {_listed(wanted)}")
        options = dataclasses.replace(
            self.measure, core=claim.core, build_cores=plan.building or (claim.core,)
        )
        here = LocalBuilder(dataclasses.replace(options, build_cores=(claim.core,)))
        beside = len(plan.building) // len(plan.measuring)
        builder = BuilderPool([LocalBuilder(options) for _ in range(max(1, beside))])
        return Tools(
            builder if plan.building else here,
            LocalMeasurer(options),
            here,
            claim.core,
            claim,
        )


def _listed(cores: tuple[int, ...]) -> str:
    return ("core " if len(cores) == 1 else "cores ") + ", ".join(map(str, cores))
