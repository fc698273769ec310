"""What `encode` is given, checked before anything is computed: a wrong value is one FrameError."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgexai.checks import finite_number, of_type, one_sequence, real_array, told, true_or_false, whole_number
from edgexai.errors import FrameError
from edgexai.heatmap.basis import Basis
from edgexai.heatmap.layout import Fields

MOST_SEQUENCE = (1 << 53) - 1
MOST_CLASS = (1 << 31) - 1


def number(name: str, value: Any, least: float | None = None, most: float | None = None) -> float:
    """A finite number."""
    return finite_number(name, value, least, most, FrameError)


def target(value: Any) -> int:
    """A class of 32 bits."""
    return whole_number("target", value, -MOST_CLASS - 1, MOST_CLASS, FrameError)


def conservation(value: Any) -> float | None:
    """What of the score arrived, where it is known."""
    return None if value is None else number("conservation", value)


def budget(value: Any) -> int | None:
    """Bytes, or None for as many as there are."""
    return None if value is None else whole_number("budget", value, kind=FrameError)


def sequence(value: Any) -> int:
    """The number of a frame."""
    return whole_number("sequence", value, 0, MOST_SEQUENCE, FrameError)


def switch(name: str, value: Any) -> bool | None:
    """True, False, or None for what is best."""
    return None if value is None else true_or_false(name, value, FrameError)


def basis(value: Any) -> Basis | None:
    """A basis that the other side has too."""
    return (
        None if value is None else of_type("basis", value, Basis, "what edgexai.heatmap.basis.load returns", FrameError)
    )


def bases(values: Any) -> list[Basis]:
    """Several of them."""
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        raise FrameError(f"bases are a list of Basis, not {told(values)}; edgexai.heatmap.basis.load reads one")
    return [of_type("a basis", one, Basis, "what edgexai.heatmap.basis.load returns", FrameError) for one in values]


def references(values: Any) -> Mapping[bytes, NDArray[np.float32]]:
    """Maps by the name of their frames."""
    return {} if values is None else of_type("references", values, Mapping, "a dict of maps by name", FrameError)


def fields(value: Any, concepts: Any) -> Fields:
    """The small fields of a frame, with an explanation's concepts where there are any."""
    found = Fields() if value is None else of_type("fields", value, Fields, "edgexai.heatmap.Fields(…)", FrameError)
    if found.confidence is not None:
        number("confidence", found.confidence, 0, 1)
    if found.second is not None:
        pair = one_sequence("second (a class and its score)", found.second, FrameError)
        if len(pair) != 2:
            raise FrameError(f"second is {told(found.second)}; give a class and its score")
        target(pair[0]), number("score of the second class", pair[1])
    if found.energy is not None:
        whole_number("energy", found.energy, kind=FrameError)
    for share in one_sequence("regions", found.regions, FrameError):
        number("a region's share", share, 0, 1)
    for one in one_sequence("unknown fields", found.unknown, FrameError):
        if not (isinstance(one, tuple | list) and len(one) == 2 and isinstance(one[1], bytes)):
            raise FrameError(f"an unknown field is {told(one)}; give its type and its bytes")
        whole_number("type of an unknown field", one[0], 1, 15, FrameError)
    given = found.concepts if concepts is None else concepts
    if given is None or (isinstance(given, tuple) and not given):
        return found
    return replace(found, concepts=tuple(tuple(float(v) for v in part) for part in _parts(given)))


def _parts(given: Any) -> Sequence[NDArray[Any]]:
    """Vectors of concepts: one, or several."""
    if isinstance(given, np.ndarray) and given.ndim == 1:
        return [real_array("concepts", given, kind=FrameError)]
    if isinstance(given, str | bytes) or not isinstance(given, Iterable):
        raise FrameError(f"concepts are an array (N,), or several, not {told(given)}; give those of an explanation")
    parts = [real_array("a part of concepts", part, kind=FrameError) for part in given]
    if any(part.ndim != 1 for part in parts):
        raise FrameError("concepts are an array (N,), or a list of such; give those of an explanation")
    return parts
