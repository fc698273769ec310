"""A basis learned from a model's own maps: its principal components, which say most of a map in very few bytes.

A map (companded) is a sum of components, and what is left of it goes through the wavelet as ever: no map is beyond a
basis, one that is unlike those learned from only takes more bytes. A basis is a file that both sides have; a frame
names it by its last two bytes. docs/heatmap-format.md, section 7.

| bytes | of the file |
|---|---|
| 4 | "EXB1" |
| 1, 1 | components K, 1 to 255; typical size of what the components leave |
| 1, 3 · 2 | axes, and their lengths (1 for those that are not) |
| 8 | model: the first bytes of the SHA-256 of the source model, or zeros for any |
| 4 · K | of each component its typical size (1), and its gain (3): 2^24 over the norm of its row |
| N · K | rows of int8, in the order of the map |
| 4 | CRC-32C of everything before |

A size is in half octaves below the greatest coefficient of a map.
"""

import math
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from edgexai.errors import DataError, FrameError
from edgexai.heatmap import layout, wavelet
from edgexai.heatmap.crc import crc32c
from edgexai.heatmap.priors import CONTEXTS

Ints = NDArray[np.int64]

MAGIC = b"EXB1"
NAME = 2
"""Bytes of a basis' name."""
MOST_COMPONENTS = 255
MOST_ROWS = 1 << 22
"""Bytes that the rows of a basis may take."""
GAIN = 24
NORM = 1 / 64
"""By how much the norm of a row, times its gain, may differ from 1."""
LIMIT = (1 << 19) - 1
"""Magnitude that what is left of a map is held to; no map and basis that belong together come near it."""
CLASSES = 12
COMPONENT, REST = CONTEXTS["component"], CONTEXTS["rest"]
SIGN, REFINE = CONTEXTS["component sign"], CONTEXTS["component refine"]
_HEAD = struct.Struct(">4sBBB3H8s")


@dataclass(frozen=True, eq=False)
class Basis:
    """Rows (K, *shape) of int8 with their ``gains`` (K,); typical ``sizes`` (K,) and that of the ``rest``.

    ``data`` are the bytes of its file.
    """

    data: bytes
    shape: tuple[int, ...]
    model: bytes
    sizes: tuple[int, ...]
    rest: int
    gains: Ints
    rows: NDArray[np.int8]

    @property
    def name(self) -> bytes:
        """What frames call it."""
        return self.data[-NAME:]

    def fits(self, shape: tuple[int, ...], model: bytes) -> bool:
        """Whether it is one of maps of this shape and, if both say so, of this model."""
        length = len(model) if any(self.model) else 0
        return self.shape == shape and self.model[:length] == model[:length]

    def forward(self, values: Ints) -> tuple[Ints, Ints]:
        """Coefficients (K,) of an integer map below 2^18, and what they leave of it."""
        coefficients = self._flat @ values.reshape(-1) * self.gains >> GAIN
        return coefficients, np.clip(values - self.inverse(coefficients), -LIMIT, LIMIT)

    def inverse(self, coefficients: Ints) -> Ints:
        """The integer map of integer coefficients."""
        some = np.flatnonzero(coefficients)
        total = (coefficients * self.gains)[some] @ self._flat[some]
        return np.asarray((total + (1 << GAIN - 1)) >> GAIN).reshape(self.shape)

    @cached_property
    def _flat(self) -> Ints:
        return self.rows.reshape(len(self.rows), -1).astype(np.int64)

    def contexts(self, plane: int, planes: int) -> tuple[list[int], int]:
        """In which context each component and what they leave say whether they begin in a plane."""
        octaves = 2 * (planes - 1 - plane) + 4
        classes = [min(max(octaves - size, 0), CLASSES - 1) for size in (*self.sizes, self.rest)]
        return [COMPONENT + c for c in classes[:-1]], REST + classes[-1]


def tell(tell: Callable[[int, int], None], coefficients: Sequence[int], contexts: Sequence[int], plane: int) -> None:
    """A plane of the components' coefficients."""
    for k, value in enumerate(coefficients):
        bit, above = abs(value) >> plane & 1, abs(value) >> plane + 1
        if above:
            tell(REFINE + (above > 1), bit)
            continue
        tell(contexts[k], bit)
        if bit:
            tell(SIGN + (k > 0), value < 0)


@dataclass
class Known:
    """Coefficients as far as they are known: magnitudes, signs, and down to which plane."""

    magnitudes: list[int]
    minus: list[int]
    planes: list[int]

    @classmethod
    def nothing(cls, count: int, planes: int) -> "Known":
        """Of so many coefficients."""
        return cls([0] * count, [0] * count, [planes] * count)

    def ask(self, ask: Callable[[int], int], contexts: Sequence[int], plane: int) -> None:
        """The next plane."""
        for k, known in enumerate(self.magnitudes):
            above = known >> plane + 1
            if above:
                self.magnitudes[k] = known | ask(REFINE + (above > 1)) << plane
            elif ask(contexts[k]):
                self.minus[k] = ask(SIGN + (k > 0))
                self.magnitudes[k] = 1 << plane
            self.planes[k] = plane


def learn(maps: NDArray[np.floating], components: int = 64, model: bytes = b"") -> Basis:
    """The strongest principal components of maps (N, *shape), each map at unit norm; at most N of them.

    ``model`` are the first bytes of the SHA-256 of the source model. Raises DataError for maps that have no relevance,
    FrameError for what no basis holds.
    """
    flat = np.array([layout.checked(one).reshape(-1) for one in maps if np.any(one)], np.float64)
    if not len(flat):
        raise DataError("no map has any relevance, there is nothing to learn a basis from; give other samples")
    shape = maps.shape[1:]
    flat = np.sign(flat) * np.abs(flat) ** (2 / 3)
    flat /= np.linalg.norm(flat, axis=1, keepdims=True)
    rows = _principal(flat)[:components]
    rows *= np.where((flat @ rows.T).mean(0) < 0, -1, 1)[:, None]
    small = np.rint(rows * (127 / np.abs(rows).max(1, keepdims=True))).astype(np.int8)
    gains = np.rint((1 << GAIN) / np.linalg.norm(small.astype(np.float64), axis=1)).astype(np.int64)
    real = small * (gains / (1 << GAIN))[:, None]

    found = flat @ real.T
    peaks = np.abs(found).max(1, keepdims=True)
    sizes = _halves(np.sqrt(np.square(found / peaks).mean(0)))
    left = np.trunc((flat - found @ real) / peaks * 2**18).astype(np.int64).reshape(-1, *shape)
    leaves = np.abs(wavelet.forward(left, shape)).reshape(len(flat), -1).max(1)
    rest = _halves(np.exp(np.log(np.maximum(leaves, 1) / 2**18).mean(keepdims=True)))
    order = np.argsort(sizes, kind="stable")
    body = _HEAD.pack(MAGIC, len(order), int(rest[0]), len(shape), *(*shape, 1, 1)[:3], model[:8].ljust(8, b"\0"))
    body += b"".join(bytes([sizes[k]]) + int(gains[k]).to_bytes(3, "big") for k in order) + small[order].tobytes()
    return load(body + struct.pack(">I", crc32c(body)))


def _principal(flat: NDArray[np.float64]) -> NDArray[np.float64]:
    """Orthonormal rows, the strongest first, by the smaller of the two matrices of products."""
    few = len(flat) < flat.shape[1]
    energies, vectors = np.linalg.eigh(flat @ flat.T if few else flat.T @ flat)
    some = np.flatnonzero(energies > 1e-9 * energies[-1])[::-1][:MOST_COMPONENTS]
    rows = vectors.T[some]
    return rows @ flat / np.sqrt(energies[some])[:, None] if few else rows


def _halves(shares: NDArray[np.float64]) -> Ints:
    halves: Ints = np.clip(np.rint(-2 * np.log2(np.maximum(shares, 2.0**-100))), 0, 255).astype(np.int64)
    return halves


def load(data: bytes) -> Basis:
    """Read a basis file's bytes; FrameError if they are none, are damaged, or declare more than the limits."""
    if len(data) < _HEAD.size + 4 or data[:4] != MAGIC:
        raise FrameError("this is no basis of heatmaps; `edgexai basis` makes one")
    _, count, rest, axes, *lengths, model = _HEAD.unpack_from(data)
    shape = tuple(lengths)
    values = math.prod(shape)
    if (
        not 1 <= axes <= layout.MOST_AXES
        or not all(1 <= n <= layout.MOST_LENGTH for n in shape[:axes])
        or shape[axes:] != (1,) * (3 - axes)
        or count < 1
        or values > layout.MOST_VALUES
        or count * values > MOST_ROWS
    ):
        raise FrameError(f"the basis declares {count} rows of {shape}; at most {MOST_ROWS} bytes of them are read")
    if len(data) != _HEAD.size + count * (4 + values) + 4 or crc32c(data[:-4]) != int.from_bytes(data[-4:], "big"):
        raise FrameError("the basis is damaged (its length or CRC-32C is wrong); copy it again")
    heads = np.frombuffer(data, np.uint8, 4 * count, _HEAD.size).reshape(count, 4).astype(np.int64)
    gains = heads[:, 1] << 16 | heads[:, 2] << 8 | heads[:, 3]
    rows = np.frombuffer(data, np.int8, count * values, _HEAD.size + 4 * count).reshape(count, *shape[:axes])
    norms = np.linalg.norm(rows.reshape(count, -1).astype(np.float64), axis=1) * gains / (1 << GAIN)
    if np.abs(norms - 1).max() > NORM:
        raise FrameError("the basis has rows whose norm is not 1; it was made by no encoder")
    return Basis(bytes(data), shape[:axes], model, tuple(heads[:, 0].tolist()), rest, gains, rows)
