"""The demo's progress on the terminal: one line a step, with its time."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn


class Steps:
    """Prints a line for each step that ends, and a bar for the one that runs."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            console=console,
            transient=True,
        )

    def __enter__(self) -> "Steps":
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    @contextmanager
    def quiet(self) -> Iterator[None]:
        """Without what TensorFlow's C++ side writes to standard error, which no Python setting stops."""
        sys.stderr.flush()
        kept = os.dup(2)
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)

    @contextmanager
    def step(self, title: str) -> Iterator[Callable[[int, int], None]]:
        """A step; what it yields takes (done, of how many)."""
        begun = time.monotonic()
        task = self._bar.add_task(title, total=None)
        yield lambda done, total: self._bar.update(task, completed=done, total=total)
        self._bar.remove_task(task)
        self._console.print(f"[green]✓[/green] {title} [dim]{time.monotonic() - begun:.1f} s[/dim]", highlight=False)
