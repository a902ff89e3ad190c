"""Workloads: the fused functions of a model, what they compute and cost, and their names."""

from tuner.workloads.extract import KernelUse, extract_workloads
from tuner.workloads.facts import Facts, facts_of

__all__ = ["Facts", "KernelUse", "extract_workloads", "facts_of"]
