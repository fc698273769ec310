"""Questions that take a while are answered once, kept, and asked anew when frames have come."""

from typing import Any

import pytest

from edgexai.errors import Error
from edgexai.fleet.asked import MOST_KEPT, MOST_WAITING, STALE, Asked


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_an_answer_is_computed_once_for_all_who_ask(clock: Clock) -> None:
    computed: list[Any] = []
    asked = Asked(lambda question: computed.append(question) or len(computed), lambda: 7, clock)
    assert [asked.answer("a"), asked.answer("a")] == [None, None]
    asked.once(0)
    asked.once(0)  # nothing waits
    assert [asked.answer("a"), asked.answer("a")] == [1, 1]
    assert computed == ["a"]


def test_an_old_answer_is_shown_until_the_new_one_is_there(clock: Clock) -> None:
    last, count = [1], [0]

    def compute(_: Any) -> int:
        count[0] += 1
        return count[0]

    asked = Asked(compute, lambda: last[0], clock)
    asked.answer("a")
    asked.once(0)
    last[0] = 2
    assert asked.answer("a") == 1
    asked.once(0)
    assert asked.answer("a") == 1  # frames have come, but a moment ago
    clock.now = STALE + 1
    assert asked.answer("a") == 1
    asked.once(0)
    assert asked.answer("a") == 2
    clock.now = 10 * STALE
    asked.answer("a")
    asked.once(0)
    assert asked.answer("a") == 2  # nothing has come since


def test_what_fails_is_said_and_raised(clock: Clock) -> None:
    def compute(_: Any) -> Any:
        raise OSError("the disk is gone")

    asked = Asked(compute, lambda: 0, clock)
    asked.answer("a")
    with pytest.raises(OSError, match="disk"):
        asked.once(0)
    assert asked.answer("a") == {"error": "this could not be computed: the disk is gone"}


def test_what_failed_is_tried_again_though_no_frame_has_come(clock: Clock) -> None:
    answers = iter([OSError("killed"), "fine"])

    def compute(_: Any) -> Any:
        if isinstance(answer := next(answers), OSError):
            raise answer
        return answer

    asked = Asked(compute, lambda: 7, clock)
    asked.answer("a")
    with pytest.raises(OSError, match="killed"):
        asked.once(0)
    assert "killed" in asked.answer("a")["error"]
    asked.once(0)
    clock.now = STALE + 1
    assert "killed" in asked.answer("a")["error"]
    asked.once(0)
    assert asked.answer("a") == "fine"


def test_questions_and_answers_have_bounds(clock: Clock) -> None:
    asked = Asked(lambda question: question, lambda: 0, clock)
    for n in range(MOST_WAITING):
        asked.answer(n)
    with pytest.raises(Error, match="too many questions"):
        asked.answer("one more")
    for n in range(3 * MOST_KEPT):
        asked.once(0)
        asked.answer(1000 + n)
    assert len(asked._known) <= MOST_KEPT
