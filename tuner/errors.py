"""The exceptions of the tuner: one base, few leaves, each message says what to do next."""

from __future__ import annotations


class TunerError(Exception):
    """Anything that stops a user's command; its text is one line for a person to act on."""


class ModelError(TunerError):
    """A file that is no model, or a model that cannot be imported."""


class UnsupportedOperator(ModelError):
    """The model uses an operator that has no converter; the message names it."""


class UnknownArchitecture(TunerError):
    """A CPU architecture that LLVM does not know or that has no SIMD level we compile for."""


class InvalidSchedule(TunerError):
    """A schedule that does not apply to the workload it was made for."""
