"""Progress of long work on standard error: one line that changes on a terminal, now and then a line elsewhere.

Nothing is said of work that ends within PATIENCE seconds; what remains is given as the time of day when it ends.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

PATIENCE = 2.0
EVERY = 0.2
EVERY_LINE = 15.0


class Progress:
    """Says how far something is; called with (done, all) as often as one likes."""

    def __init__(self, what: str, out: TextIO, clock: Callable[[], float] = time.time) -> None:
        self._what, self._out, self._clock = what, out, clock
        self._begun = clock()
        self._due = self._begun + PATIENCE
        self._terminal = out.isatty()
        self._shown = False

    def __call__(self, done: int, whole: int) -> None:
        """Say it, if it is time to."""
        now = self._clock()
        if now < self._due:
            return
        self._due = now + (EVERY if self._terminal else EVERY_LINE)
        line = f"{self._what}: {done:,} of {whole:,}"
        if 0 < done < whole:
            line += time.strftime(
                ", ends about %H:%M:%S", time.localtime(now + (now - self._begun) * (whole / done - 1))
            )
        self._shown = True
        print(
            f"\r\x1b[2K{line}" if self._terminal else line,
            end="" if self._terminal else "\n",
            file=self._out,
            flush=True,
        )

    def close(self) -> None:
        """Take the line away, or say that it is done where lines stay."""
        if not self._shown:
            return
        if self._terminal:
            print("\r\x1b[2K", end="", file=self._out, flush=True)
        else:
            print(f"{self._what}: done in {self._clock() - self._begun:.0f} s", file=self._out, flush=True)


@contextmanager
def bar(what: str) -> Iterator[Callable[[int, int], None]]:
    """Gives ``progress(done, all)`` for the library's long calls."""
    progress = Progress(what, sys.stderr)
    try:
        yield progress
    finally:
        progress.close()
