"""Schedule templates: for each operator, knobs that span a finite space of schedules."""

from tuner.templates.base import Config, ConfigSpace, Knob, Template
from tuner.templates.fallbacks import fallbacks
from tuner.templates.registry import TEMPLATE_VERSION, scheduled, template_for

__all__ = [
    "TEMPLATE_VERSION",
    "Config",
    "ConfigSpace",
    "Knob",
    "Template",
    "fallbacks",
    "scheduled",
    "template_for",
]
