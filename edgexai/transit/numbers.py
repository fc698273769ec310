"""A table of integers (rows, columns), coded one after another: how many bits, sign, the bits."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from edgexai.transit.mixing import Mixed

Table = NDArray[np.int64]
Port = Callable[[Mixed, int], int]
"""(chances, bit) -> bit: the writer writes the bit that it is given, the reader ignores it and reads one."""

LONGEST = 32
"""Bits of a magnitude."""

SIGN, TAIL = 33, 34
"""Places in the tree of decisions, behind those that count bits."""


def code(port: Port, table: Table) -> Table:
    """Pass a table of 32-bit integers through a port; a reader gives zeros of the right shape.

    Chances depend on the row, the column, the neighbours to the left and above: where relevance is low, whole rows
    and columns are zero.
    """
    rows, columns = table.shape
    out = np.zeros((rows, columns), np.int64)
    model = Mixed()
    above = [0] * columns
    for r in range(rows):
        left = before = 0
        values = table[r].tolist()
        for c in range(columns):
            near = (left, before, above[c])
            values[c] = _number(port, model, r, c, near, values[c])
            left, before = min(abs(values[c]), 2), left
            above[c] = left
        out[r] = values
    return out


def _number(port: Port, model: Mixed, r: int, c: int, near: tuple[int, int, int], value: int) -> int:
    def bit(node: int, wanted: bool | int) -> int:
        return port(model.look(node, (node, (node, r), (node, c), (node, near))), int(wanted))

    magnitude, length = abs(value), 0
    size = magnitude.bit_length()
    while length < LONGEST and bit(length, size > length):
        length += 1
    if length == 0:
        return 0
    negative = bit(SIGN, value < 0)
    found = 1
    for n in range(length - 2, -1, -1):
        node = TAIL + 32 * length + (found if found < 8 else 8 + n)  # small magnitudes have a chance each
        found = 2 * found + bit(node, (magnitude >> n) & 1)
    return -found if negative else found
