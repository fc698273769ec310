"""What the C library keeps of memory that was given back, made little: a service runs for months.

glibc gives threads up to eight arenas a processor, and each keeps what its busiest moment needed, until all have
had one. So a service with many threads and large answers seems to grow for hours, and holds nothing of it.
"""

import ctypes
from contextlib import suppress

ARENAS = 2
_M_ARENA_MAX = -8  # malloc.h


def few_arenas() -> None:
    """Let all threads share two arenas; call it before there are any. Nothing where the C library has none."""
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, ARENAS)


def give_back() -> None:
    """Give the system the pages that are free."""
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)
