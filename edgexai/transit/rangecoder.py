"""Adaptive binary range coder whose every prefix decodes: the decoder knows which symbols the bytes at hand decide.

Carry-propagating coder with a 32-bit range (Martin 1979, as in LZMA). Past the end of the bytes the decoder keeps the
interval of codes that the missing bytes could spell; a symbol on which that interval disagrees is the end.
"""

TOP = 1 << 24
ONE = 1 << 16
"""Probabilities are 16-bit: the chance of a 0 in units of 1 / ONE, kept within [FLOOR, ONE - FLOOR]."""
FLOOR = 1 << 9
SLOWEST = 24
"""A context moves by 1 / (n + 2) of the distance after n symbols, and never slower than by 1 / SLOWEST."""


class Context:
    """The chance of a 0, and how many symbols it has been learned from."""

    __slots__ = ("chance", "count")

    def __init__(self, chance: int = ONE // 2, count: int = 0) -> None:
        self.chance = chance
        self.count = count

    def learn(self, bit: int) -> None:
        """Move towards what was seen; integers and positive divisions only, so that every machine agrees."""
        step = self.count + 2
        if bit:
            self.chance = max(FLOOR, self.chance - self.chance // step)
        else:
            self.chance = min(ONE - FLOOR, self.chance + (ONE - self.chance) // step)
        if step < SLOWEST:
            self.count += 1


class Encoder:
    """Bits in, bytes out."""

    def __init__(self) -> None:
        self._low = 0
        self._range = 0xFFFFFFFF
        self._held = 0  # a byte that a carry may still change, and how many 0xFF bytes stand behind it
        self._full = 0
        self.out = bytearray()

    def encode(self, context: Context, bit: int) -> None:
        """Code one bit and learn it."""
        bound = (self._range >> 16) * context.chance
        if bit:
            self._low += bound
            self._range -= bound
        else:
            self._range = bound
        context.learn(bit)
        while self._range < TOP:
            self._range <<= 8
            self._shift()

    def finish(self) -> bytes:
        """Everything coded so far."""
        for _ in range(5):
            self._shift()
        return bytes(self.out[1:])  # the first byte is the one held at the start: always 0

    def _shift(self) -> None:
        carry = self._low >> 32
        if carry or self._low < 0xFF000000:
            self.out.append((self._held + carry) & 0xFF)
            self.out += bytes([(0xFF + carry) & 0xFF]) * self._full
            self._full = 0
            self._held = (self._low >> 24) & 0xFF
        else:
            self._full += 1
        self._low = (self._low << 8) & 0xFFFFFFFF


class Decoder:
    """Bytes in, bits out; ``decode`` gives None where the bytes do not decide any more."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0
        self._range = 0xFFFFFFFF
        self._code = 0
        self._slack = 0
        for _ in range(4):
            self._shift()

    def decode(self, context: Context) -> int | None:
        """The next bit, or None."""
        bound = (self._range >> 16) * context.chance
        if self._code >= bound:
            bit = 1
            self._code -= bound
            self._range -= bound
        elif self._code + self._slack < bound:
            bit = 0
            self._range = bound
        else:
            return None
        context.learn(bit)
        while self._range < TOP:
            self._range <<= 8
            self._shift()
        return bit

    def _shift(self) -> None:
        known = self._at < len(self._data)
        self._code = (self._code << 8) | (self._data[self._at] if known else 0)
        self._slack = (self._slack << 8) | (0 if known else 0xFF)
        self._at += 1
