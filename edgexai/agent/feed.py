"""Samples from a source that may block for as long as it likes, while the agent goes on obeying and reporting.

One thread pulls one sample each time that it is asked, so that a camera's sample is fresh and nothing piles up.
"""

import logging
import threading
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from edgexai.errors import DataError, Error

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Sample:
    """The sample that was asked for."""

    x: NDArray[Any]


@dataclass(frozen=True)
class End:
    """There are no more; ``error`` says why if that is not as it should be."""

    error: Error | None = None


class Feed(threading.Thread):
    """``deliver`` is called on the feed's thread, once after each `ask`, with a Sample or an End. The thread dies with
    the process: nobody can interrupt a read that blocks."""

    def __init__(self, source: Iterable[NDArray[Any]], deliver: Callable[[Sample | End], None]) -> None:
        super().__init__(name="edgexai-feed", daemon=True)
        self._source, self._deliver = iter(source), deliver
        self._asked = threading.Semaphore(0)
        self._ending = False

    def ask(self) -> None:
        """Ask for one sample."""
        self._asked.release()

    def end(self, patience: float = 1.0) -> None:
        """Ask no more: a generator that is not in the middle of a read is closed, and gives its camera back."""
        self._ending = True
        self._asked.release()
        self.join(patience)

    def run(self) -> None:
        """The thread."""
        try:
            self._asked.acquire()
            while not self._ending:
                try:
                    x = next(self._source)
                except StopIteration:
                    self._deliver(End())
                    return
                self._deliver(Sample(x))
                self._asked.acquire()
            if isinstance(self._source, Generator):
                self._source.close()
        except Error as error:
            self._deliver(End(error))
        except Exception as error:  # a plug-in of somebody else: whatever it raises ends the agent with one sentence
            log.debug("the source failed", exc_info=True)
            self._deliver(End(DataError(f"the source of samples failed ({type(error).__name__}: {error})")))
