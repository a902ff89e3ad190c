"""Builds and measures one candidate: each in a child process of its own, with a deadline."""

from tuner.measure.base import Builder, Measurer
from tuner.measure.local import LocalBuilder, LocalMeasurer
from tuner.measure.roofline import bound_secs
from tuner.measure.types import BuildResult, Failure, MeasureOptions, RunResult

__all__ = [
    "BuildResult",
    "Builder",
    "Failure",
    "LocalBuilder",
    "LocalMeasurer",
    "MeasureOptions",
    "Measurer",
    "RunResult",
    "bound_secs",
]
