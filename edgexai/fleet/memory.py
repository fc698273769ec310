"""What the C library keeps of memory that was given back, made little: a service runs for months.

glibc gives threads up to eight arenas a processor, and each keeps what its busiest moment needed, until all have
had one. So a service with many threads and large answers seems to grow for hours, and holds nothing of it.
"""

import ctypes
import threading
import time
from collections.abc import Callable
from contextlib import suppress

ARENAS = 2
GIVE_BACK_EVERY = 60.0
"""Seconds."""
_M_ARENA_MAX = -8  # malloc.h


def keep_little(every: float = GIVE_BACK_EVERY) -> None:
    """Let all threads of this process share two arenas, and give free pages back to the system ``every`` so many
    seconds. Call it before there are threads; where the C library has no such things, nothing happens."""
    with suppress(AttributeError, OSError):
        library = ctypes.CDLL(None)
        library.mallopt(_M_ARENA_MAX, ARENAS)
        arguments = (library.malloc_trim, every)
        threading.Thread(target=_give_back, args=arguments, name="edgexai-memory", daemon=True).start()


def _give_back(trim: Callable[[int], object], every: float) -> None:
    while True:
        time.sleep(every)
        trim(0)
