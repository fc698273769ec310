"""What a report is made of: figures that say where they come from, sections, and the whole."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from edgexai.audit.quality import Interval


@dataclass(frozen=True)
class Figure:
    """One figure: ``value`` as it is printed, ``how`` it was obtained, on how many samples ``n``, by which command."""

    name: str
    value: str
    how: str
    n: int | None = None
    command: str = ""


@dataclass(frozen=True)
class Section:
    """``text`` are paragraphs, ``pictures`` (SVG, caption); ``missing`` says what was not assessed, and what it would
    take."""

    number: int
    title: str
    text: tuple[str, ...] = ()
    figures: tuple[Figure, ...] = ()
    missing: tuple[str, ...] = ()
    pictures: tuple[tuple[str, str], ...] = ()

    @property
    def assessed(self) -> str:
        """``assessed``, ``partly`` or ``not assessed``."""
        if not self.missing:
            return "assessed"
        return "partly" if self.text or self.figures else "not assessed"


@dataclass(frozen=True)
class Report:
    """All sections of one model, and how to make the report again."""

    model: str
    sha256: str
    version: str
    command: str
    sections: tuple[Section, ...]
    bill: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        said = asdict(self)
        for raw, section in zip(said["sections"], self.sections, strict=True):
            raw["assessed"] = section.assessed
        return said


class Page:
    """Collects what one section says."""

    def __init__(self, number: int, title: str, command: str) -> None:
        self._head, self._command = (number, title), command
        self._text: list[str] = []
        self._figures: list[Figure] = []
        self._missing: list[str] = []
        self._pictures: list[tuple[str, str]] = []

    def say(self, *text: str) -> None:
        """Paragraphs; empty ones are left out."""
        self._text += [t for t in text if t]

    def figure(self, name: str, value: str, how: str, n: int | None = None) -> None:
        """A figure, with how it was obtained."""
        self._figures.append(Figure(name, value, how, n, self._command))

    def interval(self, name: str, found: Interval, how: str, percent: bool = False) -> None:
        """A mean with its 95 % interval; nothing finite is said to be missing."""
        if not found.n:
            self.lack(f"{name}: no sample gave a finite figure")
            return
        value = [f"{v:.1%}" if percent else f"{v:.3f}" for v in (found.mean, found.low, found.high)]
        self.figure(name, f"{value[0]} ({value[1]} to {value[2]})", how, found.n)

    def picture(self, svg: str, caption: str) -> None:
        """A picture, and what it shows."""
        self._pictures.append((svg, caption))

    def lack(self, *what: str) -> None:
        """What was not assessed, and what it takes."""
        self._missing += what

    def done(self) -> Section:
        """The section."""
        text, figures, missing = tuple(self._text), tuple(self._figures), tuple(self._missing)
        return Section(*self._head, text, figures, missing, tuple(self._pictures))


def unassessed(sections: Sequence[Section]) -> list[tuple[int, str]]:
    """(section, what) of everything that was not assessed, for the summary."""
    return [(s.number, what) for s in sections for what in s.missing]
