"""From a model file to a Relax module with its weights kept apart."""

from tuner.importers.load import import_model, read_weights
from tuner.importers.model import BATCH, ImportedModel, IndexLimit, InputSpec

__all__ = ["BATCH", "ImportedModel", "IndexLimit", "InputSpec", "import_model", "read_weights"]
