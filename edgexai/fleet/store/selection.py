"""Which frames of a store are wanted, as a condition for SQLite, Arrow and Spark.

So a range reads the files and row groups that may hold some of it, and no others.
"""

import functools
import operator
from dataclasses import dataclass
from math import inf
from typing import Any, Protocol

import pyarrow.dataset

_OPERATORS = {">=": operator.ge, "<": operator.lt}


class Held(Protocol):
    """What a selection looks at of a frame."""

    @property
    def time(self) -> float: ...
    @property
    def received(self) -> float: ...
    @property
    def model(self) -> str: ...


@dataclass(frozen=True)
class Reach:
    """The least and the greatest value of a column in a file; None where its writer has not said."""

    least: float | None
    greatest: float | None

    def reaches(self, begin: float, end: float) -> bool:
        """Whether a value from ``begin`` up to ``end`` may be in it."""
        return (self.greatest is None or self.greatest >= begin) and (self.least is None or self.least < end)


@dataclass(frozen=True)
class Selection:
    """Frames explained from ``since`` up to ``until`` (the nodes' clocks, Unix seconds), that arrived before
    ``arrived`` (this side's clock), of some ``models`` (none: of all)."""

    since: float = -inf
    until: float = inf
    arrived: float = inf
    models: tuple[str, ...] = ()

    def has(self, one: Held) -> bool:
        """Whether a frame is wanted."""
        return (
            self.since <= one.time < self.until
            and one.received < self.arrived
            and (not self.models or one.model in self.models)
        )

    @property
    def bounds(self) -> list[tuple[str, str, float]]:
        """Column, operator and value of every bound that leaves something out."""
        given = [("time", ">=", self.since), ("time", "<", self.until), ("received", "<", self.arrived)]
        return [one for one in given if one[2] != (-inf if one[1] == ">=" else inf)]

    def sql(self) -> tuple[str, list[Any]]:
        """The condition for SQLite, and its values."""
        terms = [f"{column} {how} ?" for column, how, _ in self.bounds]
        if self.models:
            terms.append(f"model IN ({', '.join('?' * len(self.models))})")
        return " AND ".join(terms) or "TRUE", [*(value for *_, value in self.bounds), *self.models]

    def arrow(self, within: pyarrow.dataset.Expression) -> pyarrow.dataset.Expression:
        """The condition for a dataset, beside another one."""
        field = pyarrow.dataset.field
        for column, how, value in self.bounds:
            within &= _OPERATORS[how](field(column), value)
        if self.models:  # not `isin`, by which Arrow leaves no row group out
            within &= functools.reduce(operator.or_, (field("model") == model for model in self.models))
        return within

    def may_be_in(self, time: Reach, received: Reach) -> bool:
        """Whether a file with such times of explanation and of arrival may hold some of it."""
        return time.reaches(self.since, self.until) and received.reaches(-inf, self.arrived)


EVERYTHING = Selection()
