"""Imported first by each process of TVM's own tuner, its builders too, so that it works at all.

TVM's script parser calls `inspect.stack` for each function, which looks through all loaded modules
for each frame's source. With PyTorch loaded, which `import tvm` does where it is installed, the
import that each builder begins with takes half a minute: as long as upstream lets a build take, so
that not one is finished. The parser needs frames only.
"""

import inspect
import sys
from types import FrameType


def _stack(context: int = 1) -> list[inspect.FrameInfo]:
    """Like `inspect.stack`, without source lines."""
    frames = []
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        code = frame.f_code
        frames.append(
            inspect.FrameInfo(frame, code.co_filename, frame.f_lineno, code.co_name, None, None)
        )
        frame = frame.f_back
    return frames


inspect.stack = _stack
