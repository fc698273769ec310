"""What a service does apart, and again and again, goes on whatever happens to a process or a round of it."""

import logging
import os
import signal
import threading
import time
from collections.abc import Iterator

import pytest

from edgexai.fleet.apart import Apart, Died
from edgexai.fleet.duty import LONGEST_PAUSE, Duty, duty_lines


@pytest.fixture
def apart() -> Iterator[Apart]:
    one = Apart("findings", threading.Event())
    yield one
    one.close()


def test_a_process_that_is_killed_is_named_and_the_next_call_has_another(apart: Apart) -> None:
    first = apart(os.getpid)
    threading.Timer(0.3, os.kill, (first, signal.SIGKILL)).start()
    with pytest.raises(Died, match=r"process for findings was killed \(SIGKILL: out of memory\?\) before it answered"):
        apart(time.sleep, 60)
    second = apart(os.getpid)
    assert second not in (first, os.getpid())
    with pytest.raises(Died, match="ended with code 3"):
        apart(os._exit, 3)
    assert (apart(max, 1, 2), apart.deaths) == (2, 2)


def test_one_that_is_killed_while_it_waits_costs_no_call(apart: Apart, caplog: pytest.LogCaptureFixture) -> None:
    first = apart(os.getpid)
    os.kill(first, signal.SIGKILL)
    deadline = time.monotonic() + 20
    while apart.deaths == 0:
        assert time.monotonic() < deadline
        try:
            assert apart(os.getpid) != first
        except Died:  # asked before the death was seen
            continue
    assert "killed" in caplog.text or apart.deaths


def test_one_that_hangs_is_ended(apart: Apart) -> None:
    apart = Apart("findings", threading.Event(), patience=0.5)
    with pytest.raises(Died, match=r"gave no answer in 0\.5 s"):
        apart(time.sleep, 60)
    assert apart.deaths == 1
    apart.close()


def test_what_the_work_raises_is_raised_and_costs_no_process(apart: Apart) -> None:
    first = apart(os.getpid)
    for wrong, kind in ((int, ValueError), (os.listdir, FileNotFoundError)):
        with pytest.raises(kind):
            apart(wrong, "/none/such")
    assert (apart(os.getpid), apart.deaths) == (first, 0)


def test_the_end_of_the_service_ends_a_call(apart: Apart) -> None:
    stopping = threading.Event()
    apart = Apart("findings", stopping)
    threading.Timer(0.3, stopping.set).start()
    assert apart(time.sleep, 60) is None
    apart.close()


def test_a_failure_is_told_once_counted_and_tried_again_ever_less_often(caplog: pytest.LogCaptureFixture) -> None:
    answers = iter([ValueError("no room"), ValueError("no room"), None, Died("killed"), None])

    def do() -> None:
        if (error := next(answers)) is not None:
            raise error

    duty, said = Duty("findings", 5.0, do), []
    with caplog.at_level(logging.WARNING):
        for _ in range(5):
            duty.once()
            said.append((duty.failures, duty.failing, duty.pause))
    assert said == [(1, "no room", 10.0), (2, "no room", 20.0), (2, "", 5.0), (3, "killed", 10.0), (3, "", 5.0)]
    assert [r.getMessage() for r in caplog.records] == [
        "findings: no room; trying again",
        "findings: goes well again",
        "findings: killed; trying again",
        "findings: goes well again",
    ]
    assert duty_lines([duty])[2] == 'edgexai_duty_failures_total{duty="findings"} 3'


def test_no_pause_is_longer_than_the_longest() -> None:
    duty = Duty("store", 15.0, lambda: 1 / 0)
    logging.disable(logging.ERROR)
    for _ in range(50):
        duty.once()
    logging.disable(logging.NOTSET)
    assert duty.pause == LONGEST_PAUSE


def test_a_thread_outlives_what_goes_wrong_in_it() -> None:
    done, count = threading.Event(), [0]

    def do() -> None:
        count[0] += 1
        if count[0] < 3:
            raise MemoryError
        done.set()

    duty = Duty("heatmaps", 0.001, do).start()
    assert done.wait(20)
    duty.end()
    assert duty.failures == 2
