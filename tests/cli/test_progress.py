"""Progress: silent when short, lines where output is piped, the end as a time."""

import io
import re

from edgexai.cli.progress import Progress


def said(steps: list[tuple[float, int, int]]) -> list[str]:
    times = iter([0.0, *(t for t, _, _ in steps), steps[-1][0]])
    out = io.StringIO()
    progress = Progress("layers", out, clock=lambda: next(times))
    for _, done, whole in steps:
        progress(done, whole)
    progress.close()
    return out.getvalue().splitlines()


def test_short_work_says_nothing() -> None:
    assert said([(0.5, 1, 4), (1.9, 4, 4)]) == []


def test_piped_progress_is_lines_now_and_then_with_the_time_of_the_end() -> None:
    lines = said([(1.0, 1, 100), (3.0, 3, 100), (4.0, 4, 100), (20.0, 20, 100)])
    assert len(lines) == 3
    assert re.fullmatch(r"layers: 3 of 100, ends about \d\d:\d\d:\d\d", lines[0])
    assert lines[1].startswith("layers: 20 of 100")
    assert lines[2] == "layers: done in 20 s"
