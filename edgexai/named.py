"""What belongs to a model's inputs, given by their names or in their order."""

from collections.abc import Mapping, Sequence
from typing import Any

from edgexai.errors import DataError


def short(name: str) -> str:
    """An input's name as its author knows it: of ``serving_default_left:0``, which converters write, ``left``."""
    return name.removeprefix("serving_default_").removesuffix(":0")


def by_input(given: Any, names: Sequence[str]) -> list[Any]:
    """One entry an input: of a dict by the names (or their `short` forms), else of a list in the inputs' order.

    Raises DataError for names that are missing or of no input, and for a list of another length.
    """
    if isinstance(given, Mapping):
        found = {key: n for n, name in reversed([*enumerate(names)]) for key in (short(name), name)}
        places = [found.get(key) for key in given]
        if sorted(n for n in places if n is not None) != list(range(len(names))) or None in places:
            raise DataError(f"the model takes inputs {_listed(map(short, names))}, not {_listed(given)}")
        return [value for _, value in sorted(zip(places, given.values(), strict=True), key=lambda pair: pair[0] or 0)]
    if not isinstance(given, list | tuple) or len(given) != len(names):
        raise DataError(
            f"the model takes {len(names)} inputs; give a list of {len(names)} arrays, or a dict by their names: "
            f"{_listed(map(short, names))}"
        )
    return list(given)


def _listed(names: Any) -> str:
    return ", ".join(repr(str(name)) for name in names)
