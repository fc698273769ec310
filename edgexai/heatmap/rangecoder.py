"""Adaptive binary range coder whose every prefix decodes: the decoder knows which decisions the bytes at hand settle.

32-bit low and range (Martin 1979). Past the end of the bytes the decoder keeps the interval of codes that the missing
bytes could spell; a decision on which that interval disagrees is the end. Both ends are closures: they are called
once a decision, and Python finds local variables fastest.
"""

from collections.abc import Callable, Sequence

ONE = 1 << 16
FLOOR = 160
"""Probabilities of a 1 stay within [FLOOR, ONE - FLOOR], in units of 2⁻¹⁶; 12 bits of them are used."""
SLOWEST = 38
RATES = tuple(round(ONE / (n + 2.5)) for n in range(SLOWEST + 1))
"""By how much of the distance a probability moves after n decisions, in units of 2⁻¹⁶."""


class Full(Exception):
    """The bytes asked for are there, or those at hand settle no more."""


def encoder(
    ones: Sequence[int], counts: Sequence[int], most: int
) -> tuple[Callable[[int, int], None], Callable[[], bytes]]:
    """``tell(context, bit)`` and ``finish()``; tell raises Full with the decision that fills ``most`` bytes.

    ``ones`` are the contexts' first probabilities of a 1, ``counts`` from how many decisions they count as learned.
    """
    chance, count = list(ones), list(counts)
    low, width, out = 0, 0xFFFFFFFF, bytearray()

    def tell(context: int, bit: int) -> None:
        nonlocal low, width
        p = chance[context]
        bound = (width >> 12) * (p >> 4)
        n = count[context]
        if bit:
            width = bound
            p += (ONE - p) * RATES[n] >> 16
            chance[context] = p if p < ONE - FLOOR else ONE - FLOOR
        else:
            low += bound
            width -= bound
            if low >> 32:
                low &= 0xFFFFFFFF
                _carry(out)
            p -= p * RATES[n] >> 16
            chance[context] = p if p > FLOOR else FLOOR
        if n < SLOWEST:
            count[context] = n + 1
        while width < 1 << 24:
            out.append(low >> 24)
            low = low << 8 & 0xFFFFFFFF
            width <<= 8
            if len(out) >= most:
                raise Full

    def finish() -> bytes:
        """All bytes; what is still open is closed with the fewest that settle every decision."""
        for extra in range(5):
            cell = 1 << 32 - 8 * extra
            value = -(-low // cell) * cell
            if len(out) >= most or value + cell <= low + width:
                break
        if len(out) < most:
            if value >> 32:
                _carry(out)
            out.extend((value & 0xFFFFFFFF).to_bytes(4, "big")[:extra])
        return bytes(out[:most])

    return tell, finish


def _carry(out: bytearray) -> None:
    at = len(out) - 1
    while out[at] == 255:
        out[at] = 0
        at -= 1
    out[at] += 1


def decoder(ones: Sequence[int], counts: Sequence[int], data: bytes) -> Callable[[int], int]:
    """``ask(context)`` gives the next bit; it raises Full where the bytes settle no more."""
    chance, count = list(ones), list(counts)
    width, at, end = 0xFFFFFFFF, 4, len(data)
    code = int.from_bytes(data[:4].ljust(4, b"\0"), "big")
    open_codes = (1 << 8 * (4 - min(end, 4))) - 1

    def ask(context: int) -> int:
        nonlocal width, code, at, open_codes
        p = chance[context]
        bound = (width >> 12) * (p >> 4)
        n = count[context]
        if code + open_codes < bound:
            width = bound
            bit = 1
            p += (ONE - p) * RATES[n] >> 16
            chance[context] = p if p < ONE - FLOOR else ONE - FLOOR
        elif code >= bound:
            code -= bound
            width -= bound
            bit = 0
            p -= p * RATES[n] >> 16
            chance[context] = p if p > FLOOR else FLOOR
        else:
            raise Full
        if n < SLOWEST:
            count[context] = n + 1
        while width < 1 << 24:
            width <<= 8
            if at < end:
                code = code << 8 | data[at]
                at += 1
            else:
                code <<= 8
                open_codes = open_codes << 8 | 255
        return bit

    return ask
