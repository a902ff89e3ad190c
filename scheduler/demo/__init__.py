"""`tunefleet demo`: from a model file to faster scores, on one machine, in minutes."""

from scheduler.demo.options import DemoError, DemoOptions
from scheduler.demo.run import run_demo

__all__ = ["DemoError", "DemoOptions", "run_demo"]
