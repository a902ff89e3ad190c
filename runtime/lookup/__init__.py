"""Finds the best schedule that is known for each workload; see `Choice` for the order."""

from runtime.lookup.choice import Choice, Lookup, NoRecords
from runtime.lookup.fallback import FallbackLookup
from runtime.lookup.reach import Reach
from runtime.lookup.remembered import RememberedChoices
from runtime.lookup.stored import StoreLookup

__all__ = [
    "Choice",
    "FallbackLookup",
    "Lookup",
    "NoRecords",
    "Reach",
    "RememberedChoices",
    "StoreLookup",
]
