"""python -m benchmarks NAME …: measure one thing that docs/ shows.

A benchmark is a module or a package of this folder with ``arguments(parser)`` and ``run(args)``; its first line says
what it measures.

examples:
  python -m benchmarks
  python -m benchmarks compress kws_int8.tflite --data clips.npz --hold-out 300 -o kws.jsonl
"""

import argparse
import ast
import sys
from importlib import import_module
from pathlib import Path

from edgexai.errors import Error

HERE = Path(__file__).parent


def names() -> dict[str, str]:
    """Every benchmark with its first line, found without importing it."""
    found = {}
    for path in sorted(HERE.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
        if {"arguments", "run"} <= functions:
            parts = path.relative_to(HERE).with_suffix("").parts
            name = ".".join(p for p in parts if p != "__init__")
            found[name] = (ast.get_docstring(tree) or "").split("\n", 1)[0]
    return found


def main(argv: list[str]) -> int:
    known = names()
    if not argv or argv[0] not in known:
        width = max(map(len, known))
        is_asked = not argv or argv[0] in ("-h", "--help")
        for name, line in known.items():
            print(f"{name:<{width}}  {line}", file=sys.stdout if is_asked else sys.stderr)
        return 0 if is_asked else 2
    module = import_module(f"benchmarks.{argv[0]}")
    parser = argparse.ArgumentParser(
        prog=f"python -m benchmarks {argv[0]}",
        description=module.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    module.arguments(parser)
    try:
        return int(module.run(parser.parse_args(argv[1:])) or 0)
    except (Error, OSError) as error:
        print(f"benchmarks {argv[0]}: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
