"""Sketches: schedules that are derived from what a function computes, without a template.

MetaSchedule's rules derive the sketches, which are schedules with open choices; a search fills the
choices in, and the cost model says which are worth measuring.
"""

from tuner.sketch.evolution import Evolution, EvolutionOptions, Lesson
from tuner.sketch.features import store_features
from tuner.sketch.limits import Effort, effort_of, too_much
from tuner.sketch.space import Program, SketchSpace

__all__ = [
    "Effort",
    "Evolution",
    "EvolutionOptions",
    "Lesson",
    "Program",
    "SketchSpace",
    "effort_of",
    "store_features",
    "too_much",
]
