"""The hand-written kernels: C files in folders by what they do, which a model's sources hold side by side."""

from importlib.resources import files
from importlib.resources.abc import Traversable

KERNELS = files("converters.c99").joinpath("kernels")


def kernels() -> dict[str, Traversable]:
    """Files by name, in its order."""
    found = [file for file in KERNELS.iterdir() if file.is_file()]
    found += [file for inside in KERNELS.iterdir() if inside.is_dir() for file in inside.iterdir()]
    return {file.name: file for file in sorted(found, key=lambda file: file.name) if file.name.endswith((".c", ".h"))}
