"""What written sources take: flash and RAM by part, and on a board the time and energy of every step, as a range."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from converters.c99 import linked
from converters.c99.firmware import Firmware
from converters.c99.rates import CODE
from converters.c99.reached import reached
from converters.c99.schedule import Schedule, Step
from converters.c99.text import plain
from converters.c99.work import arena_use, instructions, macs
from edgexai.board import Board
from edgexai.errors import BoardError

CYCLES = {"Cortex-M4": (1.0, 2.0), "Cortex-M7": (0.6, 1.5), "Cortex-M33": (1.0, 1.8)}
"""Cycles an instruction, from best to worst: an M7 starts two at once; flash waits, and loads take two on an M4."""
SEEN = {"Cortex-M4": (1.56, "STM32L4R5 at 120 MHz"), "Cortex-M33": (1.27, "nRF5340 at 128 MHz")}
"""What CMSIS-NN took on a board: the keyword spotter's cycles in MLPerf Tiny v1.0 (microTVM with CMSIS-NN, 99.8 and
76.1 ms) over the instructions that QEMU counts for it (7.70 and 7.68 M)."""
DERIVATION = (
    "Instructions: work of each step times what its kernel took for a unit of work on a Cortex-M4F (QEMU, -O2). "
    "Cycles: those times {low:g} to {high:g} an instruction on a {core}{seen}. Energy: time times {power} mW. "
    "Nothing is measured on the board."
)


@dataclass(frozen=True)
class Line:
    """One step: ``arena`` bytes alive; milliseconds and µJ from ``low`` to ``high``, None where nobody has counted."""

    step: str
    kernel: str
    macs: int
    arena: int
    instructions: float | None
    ms: tuple[float, float] | None
    uj: tuple[float, float] | None


@dataclass(frozen=True)
class Part:
    """Predicting or explaining: its steps and their sums."""

    lines: tuple[Line, ...]
    instructions: float | None
    ms: tuple[float, float] | None
    uj: tuple[float, float] | None


@dataclass(frozen=True)
class Report:
    """``flash`` and ``ram`` in bytes by part; ``explain`` includes predicting."""

    board: str
    flash: Mapping[str, int]
    ram: Mapping[str, int]
    predict: Part
    explain: Part | None
    derivation: str
    fits: bool
    more_flash: float | None = None
    """What explaining adds to the flash of predicting alone, in percent; None if nothing is explained."""
    flash_by: str = ""
    """How that is known."""

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


COUNTED = """\
Code is that of a Cortex-M4 with `-O2`, in whole files of kernels: a linker (`--gc-sections`) leaves out what the
model does not reach. Stack, startup code and the C library are not counted."""


def core_of(board: Board) -> str:
    """The core of a board whose cycles are known; BoardError for any other."""
    core = next((name for name in CYCLES if name in board.core), None)
    if core is None:
        raise BoardError(f"firmware is not priced on {board.core} ({board.name}); choose a board with a Cortex-M")
    return core


def report(made: Firmware, board: Board, folder: Path | None = None) -> Report:
    """What the sources take on a board; with the ``folder`` that they lie in, the linker is asked about flash.

    Raises BoardError for a board whose core is no Cortex-M that they are known on.
    """
    core = core_of(board)
    predicting = _code(made.schedule)
    flash = {"weights and tables of predicting": made.predict_constants, "kernels": predicting}
    if made.explanation is not None:
        flash["tables of explaining"] = made.constants - made.predict_constants
        flash["kernels of explaining"] = _code(made.schedule, made.explanation) - predicting
    if made.frame is not None:
        flash["frames"] = CODE["edgexai_heatmap.c"]
    ram = {"arena": made.arena, "inputs and outputs": made.port_bytes}
    if made.explain_arena is not None:
        ram = {"arena": max(made.arena, made.explain_arena), "inputs and outputs": made.port_bytes}
        ram["map of relevance"] = 4 * made.relevance
    if made.frame is not None:
        ram["frame"] = made.frame
    low, high = CYCLES[core]
    power = "unknown" if board.active_mw is None else f"{board.active_mw:g}"
    return Report(
        board.name,
        flash,
        ram,
        _part(made.schedule, board, (low, high)),
        None if made.explanation is None else _part(made.explanation, board, (low, high)),
        DERIVATION.format(low=low, high=high, core=core, power=power, seen=_seen(core)),
        sum(flash.values()) <= 1024 * board.flash_kb and sum(ram.values()) <= 1024 * board.ram_kb,
        *_more_flash(made, flash, folder),
    )


def _code(*plans: Schedule) -> int:
    """Bytes of the files of kernels that schedules reach."""
    return sum(CODE.get(file, 0) for file in reached(step.function for plan in plans for step in plan.steps))


def _more_flash(made: Firmware, flash: Mapping[str, int], folder: Path | None) -> tuple[float | None, str]:
    """Percent that explaining adds, and how it is known: by the linker, else by the sizes of the kernels' files."""
    if made.explanation is None:
        return None, ""
    asked = None if folder is None else linked.flash(folder, made.name)
    if asked is not None:
        return 100 * (asked[1] / asked[0] - 1), f"linked for a Cortex-M4F: {asked[0]:,} bytes and {asked[1]:,}"
    alone = flash["weights and tables of predicting"] + flash["kernels"]
    more = flash["tables of explaining"] + flash["kernels of explaining"]
    return 100 * more / alone, "by the sizes of whole files of kernels: there is no arm-none-eabi-gcc to link them"


def _seen(core: str) -> str:
    if core not in SEEN:
        return ""
    cycles, board = SEEN[core]
    return f" (CMSIS-NN's prediction of KWS takes {cycles:g} on an {board}, as published)"


def _part(plan: Schedule, board: Board, cycles: tuple[float, float]) -> Part:
    used = arena_use(plan)
    lines = tuple(_line(step, plan, board, cycles, use) for step, use in zip(plan.steps, used, strict=True))
    counts = [line.instructions for line in lines]
    count = sum(n for n in counts if n is not None) if None not in counts else None
    return Part(lines, count, *_priced(count, board, cycles))


def _line(step: Step, plan: Schedule, board: Board, cycles: tuple[float, float], use: int) -> Line:
    count = instructions(step, plan)
    label = plain(step.label or step.function)
    return Line(label, step.function, macs(step), use, count, *_priced(count, board, cycles))


def _priced(
    count: float | None, board: Board, cycles: tuple[float, float]
) -> tuple[tuple[float, float] | None, tuple[float, float] | None]:
    """Milliseconds and µJ of so many instructions."""
    if count is None:
        return None, None
    low, high = (count * per / (board.clock_mhz * 1e3) for per in cycles)
    return (low, high), None if board.active_mw is None else (low * board.active_mw, high * board.active_mw)


def summary(found: Report) -> str:
    """A line or two for a terminal."""
    lines = []
    for what, part in (("predict", found.predict), ("explain", found.explain)):
        if part is not None and part.ms is not None:
            energy = "" if part.uj is None else f", {part.uj[0]:,.0f} to {part.uj[1]:,.0f} µJ"
            count = f"{part.instructions or 0:,.0f} instructions"
            lines.append(f"{what}: about {count}, {part.ms[0]:.2f} to {part.ms[1]:.2f} ms{energy}")
        elif part is not None:
            unknown = sorted({line.kernel for line in part.lines if line.ms is None})
            lines.append(f"{what}: nobody has counted {', '.join(unknown)}, so that there is no sum")
    lines += [] if found.more_flash is None else [_over(found)]
    flash, ram = sum(found.flash.values()), sum(found.ram.values())
    fits = "fits" if found.fits else "does not fit"
    lines.append(f"{found.board}: {fits}; {flash:,} bytes of flash, {ram:,} of RAM; report.md has every step")
    return "\n".join(lines)


def _over(found: Report) -> str:
    return f"+{found.more_flash or 0:.1f} % flash for explaining over predicting alone ({found.flash_by})"


def text(found: Report) -> str:
    """The report as Markdown."""
    lines = [f"# On {found.board}", "", found.derivation, ""]
    for name, parts in (("Flash", found.flash), ("RAM", found.ram)):
        lines += [f"| {name} | bytes |", "|---|---:|", *(f"| {part} | {size:,} |" for part, size in parts.items())]
        lines += [f"| all | {sum(parts.values()):,} |", ""]
    lines += [] if found.more_flash is None else [_over(found), ""]
    lines += [COUNTED, ""]
    for title, part in (("Predicting", found.predict), ("Explaining, with predicting", found.explain)):
        if part is not None:
            lines += [f"## {title}", "", *_table(part), ""]
    return "\n".join(lines)


def _table(part: Part) -> Sequence[str]:
    rows = ["| | step | MACs | arena, B | instructions | ms | µJ |", "|---:|---|---:|---:|---:|---:|---:|"]
    for i, line in enumerate(part.lines):
        label = line.step if len(line.step) < 60 else line.step[:57] + "…"
        cells = [str(i), label, f"{line.macs:,}", f"{line.arena:,}", *_cells(line)]
        rows.append(f"| {' | '.join(cells)} |")
    rows.append(f"| | all | {sum(line.macs for line in part.lines):,} | | {' | '.join(_cells(part))} |")
    return rows


def _cells(one: Line | Part) -> list[str]:
    def span(pair: tuple[float, float] | None) -> str:
        return "?" if pair is None else f"{pair[0]:,.2f} … {pair[1]:,.2f}"

    return ["?" if one.instructions is None else f"{one.instructions:,.0f}", span(one.ms), span(one.uj)]
