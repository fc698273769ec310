"""A table with a bound on all that it holds: what was not used for longest goes first, and is counted."""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Bounded(Generic[Key, Value]):
    """``size`` says how much a value holds; together they hold at most ``most``, and there are at most ``entries``."""

    def __init__(self, size: Callable[[Value], int], most: int, entries: int) -> None:
        self._size, self._most, self._entries = size, most, entries
        self._kept: OrderedDict[Key, tuple[Value, int]] = OrderedDict()
        self.held = 0
        self.dropped = 0

    def use(self, key: Key, make: Callable[[], Value], change: Callable[[Value], None]) -> None:
        """Change the value of a key, made if there is none; it is now the one that was used last."""
        value, before = self._kept.pop(key, (None, 0))
        value = make() if value is None else value
        change(value)
        after = self._size(value)
        self._kept[key] = (value, after)
        self.held += after - before
        while len(self._kept) > 1 and (self.held > self._most or len(self._kept) > self._entries):
            _, (_, gone) = self._kept.popitem(last=False)
            self.held -= gone
            self.dropped += 1

    def items(self) -> Iterator[tuple[Key, Value]]:
        """Everything, in no order that means anything."""
        return ((key, value) for key, (value, _) in self._kept.items())

    def __len__(self) -> int:
        return len(self._kept)
