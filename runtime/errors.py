"""What a caller of the runtime can be told."""

from __future__ import annotations

from tuner.errors import TunerError


class InputError(TunerError, ValueError):
    """Inputs that the model cannot be run on; names the input, the row and the allowed range."""


class RefreshError(TunerError, ValueError):
    """Weights that do not fit the loaded model; the old ones serve on."""
