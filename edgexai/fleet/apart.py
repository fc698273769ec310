"""Work in a process of its own: of low priority, made anew when it died or hung."""

import logging
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from edgexai.errors import Error
from edgexai.fleet.memory import keep_little

log = logging.getLogger(__name__)

PATIENCE = 3600.0
"""Seconds after which a process that has not answered is taken to hang."""


class Died(Error):
    """The process ended, or was ended, before it answered. The next call has a new one."""


class Apart:
    """Calls functions of modules in another process, one at a time, for one thread of a service.

    In the service's own they would take turns with whoever stores frames, and take it along when the system ends what
    needs too much memory. ``deaths`` counts the processes that ended before they answered.
    """

    def __init__(self, name: str, stopping: threading.Event, patience: float = PATIENCE) -> None:
        self.name, self.deaths = name, 0
        self._stopping, self._patience = stopping, patience
        self._pool: ProcessPoolExecutor | None = None
        self._children: list[BaseProcess] = []

    def __call__(self, work: Callable[..., Any], *arguments: Any) -> Any:
        """What ``work`` gives; None if the service ends before. Raises Died, and whatever ``work`` raises."""
        if self._stopping.is_set():
            return None
        answer = self._asked(work, *arguments)
        if not self._is_there(answer):
            return None
        try:
            return answer.result()
        except BrokenProcessPool:
            raise self._died("before it answered") from None

    def close(self) -> None:
        """End the process, whatever it does."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=False, cancel_futures=True)
        for child in self._children:
            child.kill()
        self._children = []

    def _asked(self, work: Callable[..., Any], *arguments: Any) -> "Future[Any]":
        while True:
            if self._pool is None:
                self._pool = ProcessPoolExecutor(
                    1, multiprocessing.get_context("spawn"), initializer=_step_back, initargs=(self.name,)
                )
            try:
                answer = self._pool.submit(work, *arguments)
            except BrokenProcessPool:
                log.warning("%s", self._died("while it had nothing to do"))
                continue
            self._children = list((self._pool._processes or {}).values()) or self._children
            return answer

    def _is_there(self, answer: "Future[Any]") -> bool:
        """Whether the answer came before the end of the service."""
        until = time.monotonic() + self._patience
        while not wait([answer], 0.2).done:
            if self._stopping.is_set():
                return False
            if time.monotonic() > until:
                self.deaths += 1
                self.close()
                raise Died(f"the process for {self.name} gave no answer in {self._patience:g} s, and was ended")
        return True

    def _died(self, when: str) -> Died:
        self.deaths += 1
        how = next((_how(code) for child in self._children if (code := _exit_code(child)) is not None), "ended")
        self.close()
        return Died(f"the process for {self.name} {how} {when}")


def _exit_code(child: BaseProcess) -> int | None:
    # the pool's thread waits for the same child: between its taking the code from the system and its keeping it, join
    # comes back without one
    until = time.monotonic() + 5.0
    while child.exitcode is None and time.monotonic() < until:
        time.sleep(0.01)
    return child.exitcode


def _how(code: int) -> str:
    if code >= 0:
        return f"ended with code {code}"
    name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
    return f"was killed ({name}{': out of memory?' if name == 'SIGKILL' else ''})"


def _step_back(name: str) -> None:
    with suppress(OSError):
        Path("/proc/self/comm").write_text(name)  # what `ps` and `top` call it
    keep_little()
    os.nice(10)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the service, which ends this process
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    # a service that was killed has told nobody, and a worker of the pool would wait for work for ever
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(0)
