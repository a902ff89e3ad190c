"""The files that the demo works on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from scheduler.demo.options import DemoOptions
from scheduler.demo.story import Story

#: Seeds of the weights, by file.
_EXAMPLE = {"dlrm.pt2": 0, "dlrm-refreshed.pt2": 1}


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """A model, and where refreshed weights come from."""

    model: Path
    #: The same graph with other weights; ``None`` if there is no such file.
    refreshed: Path | None = None

    @property
    def is_example(self) -> bool:
        """Whether this is the model that is shipped."""
        return self.refreshed is not None

    @property
    def is_onnx(self) -> bool:
        """Whether ONNX Runtime is what scores are compared with, and not PyTorch."""
        return self.model.suffix == ".onnx"


def find_files(options: DemoOptions, story: Story) -> ModelFiles:
    """Take the user's model, or export the example where that has not been done yet."""
    if options.model is not None:
        story.say(f"{options.model} ({megabytes(options.model.stat().st_size)})")
        return ModelFiles(options.model.absolute())
    model, refreshed = (options.files / name for name in _EXAMPLE)
    shown = f"{options.files.name}/{model.name}"
    missing = [path for path in (model, refreshed) if not path.exists()]
    if missing:
        with story.doing("exporting the example, a DLRM, with torch.export"):
            _export(missing)
    verb = "exported the example, a DLRM, to" if missing else "the example, a DLRM, is in"
    story.say(f"{verb} {shown} ({megabytes(model.stat().st_size)})")
    story.say(f"a second set of weights is in {options.files.name}/{refreshed.name}")
    return ModelFiles(model.absolute(), refreshed.absolute())


def _export(paths: list[Path]) -> None:
    from examples.dlrm import export_dlrm

    for path in paths:
        export_dlrm(path, seed=_EXAMPLE[path.name])


def megabytes(size: int) -> str:
    """A size in bytes as people read it."""
    return f"{size / 1e6:.0f} MB" if size >= 1e6 else f"{size / 1e3:.0f} kB"
