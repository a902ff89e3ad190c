"""``python -m benchmarks NAME [OPTION ...]`` runs one benchmark; without a name it lists them."""

from __future__ import annotations

import ast
import runpy
import sys
from pathlib import Path

_HERE = Path(__file__).parent


def names() -> dict[str, str]:
    """Benchmarks by name, with the first line of their text."""
    found = {}
    for file in sorted(_HERE.rglob("*.py")):
        if file.name.startswith("_"):
            continue
        module = ".".join(file.relative_to(_HERE).with_suffix("").parts)
        source = file.read_text()
        if "__main__" in source:
            found[module] = (ast.get_docstring(ast.parse(source)) or "").partition("\n")[0]
    return found


def main() -> int:
    """List or run."""
    known = names()
    if len(sys.argv) < 2:
        print('usage: make bench ARGS="NAME [OPTION ...]"\n')
        for name, text in known.items():
            print(f"  {name:16} {text}")
        return 0
    name = sys.argv[1]
    if name not in known:
        print(f"error: no benchmark {name!r}; there are {', '.join(known)}", file=sys.stderr)
        return 2
    sys.argv = [f"benchmarks.{name}", *sys.argv[2:]]
    runpy.run_module(f"benchmarks.{name}", run_name="__main__")
    return 0


if __name__ == "__main__":
    sys.exit(main())
