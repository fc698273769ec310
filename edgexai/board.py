"""Boards: what an inference costs on them. One `.toml` of `firmware_profiles` each, every figure with its source."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from os import PathLike
from pathlib import Path
from typing import Any

from edgexai.errors import BoardError
from edgexai.toml import is_number, parsed, told

KINDS = ("narrow", "conv", "pointwise", "depthwise", "dense")
"""Operators with multiply-accumulates; a narrow convolution reads fewer than four channels."""


@dataclass(frozen=True)
class Board:
    """A board, or another machine, as `edgexai.compress.measure.cost` needs it.

    ``clock_mhz``, ``flash_kb`` and ``ram_kb`` (KiB); clock cycles of int8 inference: a multiply-accumulate of each
    of KINDS (``cycles``), an element written (``element``), a start of an operator (``operator``) and of an inner
    ``loop`` over the input channels of a convolution, so that many channels cost less each; ``types`` multiplies them
    for other types of maps; ``active_mw`` is the power while it computes (None where nobody has published it),
    ``payload`` the most bytes that its ``link`` sends at once, ``sources`` where it all comes from.
    ``lanes`` are the channels that its kernels compute together: fewer take as long.
    """

    name: str
    title: str
    core: str
    clock_mhz: float
    flash_kb: float
    ram_kb: float
    cycles: Mapping[str, float]
    element: float
    operator: float
    types: Mapping[str, float]
    active_mw: float | None
    link: str
    payload: int
    sources: Mapping[str, str]
    lanes: int = 1
    loop: float = 0.0


def boards() -> list[str]:
    """The names of the boards that come with edgexai."""
    return sorted(
        f.name.removesuffix(".toml") for f in files("firmware_profiles").iterdir() if f.name.endswith(".toml")
    )


def board_of(given: "Board | str | Path") -> Board:
    """A board as it is, by name, or of a `.toml` file; BoardError for anything else."""
    return given if isinstance(given, Board) else load_board(given)


def load_board(name: str | Path) -> Board:
    """The board of a name, or of a `.toml` file; BoardError if there is none or it is incomplete."""
    if not isinstance(name, str | PathLike) or "\0" in str(name):
        raise BoardError(
            f"a board is a name or the path of a .toml file, not {told(name)}; {', '.join(boards())} are here"
        )
    if str(name).endswith(".toml"):
        text, where = _read(Path(name)), str(name)
    elif str(name) in boards():
        text, where = files("firmware_profiles").joinpath(f"{name}.toml").read_text("utf-8"), f"board {name}"
    else:
        raise BoardError(f"there is no board {str(name)!r}; choose one of {', '.join(boards())}, or give a .toml file")
    try:
        table = parsed(text)
    except ValueError as error:
        raise BoardError(f"{where} is not valid TOML: {error}") from error
    return _board(table, where, Path(str(name)).stem)


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise BoardError(f"{path} is not a text file") from error
    except OSError as error:
        raise BoardError(f"{path} cannot be read: {error.strerror}") from error


def _board(table: dict[str, Any], where: str, name: str) -> Board:
    memory, cycles, types, link, sources = (
        _table(table, section, where) for section in ("memory", "cycles", "types", "link", "sources")
    )
    power = _table(table, "power", where) if "power" in table else None
    for section in ("clock_mhz", "memory", "cycles", "types", "link", *(["power"] if power else [])):
        if not isinstance(sources.get(section), str):
            raise BoardError(f"{where} does not say where its {section} comes from; add it under [sources]")
    clock = _number(table, "clock_mhz", where)
    if clock == 0:
        raise BoardError(f"{where} has a clock of 0 MHz; set clock_mhz")
    return Board(
        name=name,
        title=_text(table, "title", where),
        core=_text(table, "core", where),
        clock_mhz=clock,
        flash_kb=_number(memory, "flash_kb", where, "memory"),
        ram_kb=_number(memory, "ram_kb", where, "memory"),
        cycles={kind: _number(cycles, kind, where, "cycles") for kind in KINDS},
        element=_number(cycles, "element", where, "cycles"),
        operator=_number(cycles, "operator", where, "cycles"),
        types={kind: _number(types, kind, where, "types") for kind in types},
        active_mw=None if power is None else _number(power, "active_mw", where, "power"),
        link=_text(link, "name", where),
        payload=int(_number(link, "payload", where, "link")),
        sources={str(k): str(v) for k, v in sources.items()},
        lanes=max(1, int(_number(table, "lanes", where))) if "lanes" in table else 1,
        loop=_number(cycles, "loop", where, "cycles") if "loop" in cycles else 0.0,
    )


def _table(table: dict[str, Any], key: str, where: str) -> dict[str, Any]:
    value = table.get(key)
    if not isinstance(value, dict):
        raise BoardError(f"{where} has no section [{key}]; see docs/boards.md for what a board needs")
    return value


def _number(table: dict[str, Any], key: str, where: str, section: str = "") -> float:
    value = table.get(key)
    if value is None or not is_number(value, 0):
        path = f"{section}.{key}" if section else key
        raise BoardError(f"{where} needs a number of at least 0 for {path}, not {told(value)}")
    return float(value)


def _text(table: dict[str, Any], key: str, where: str) -> str:
    value = table.get(key)
    if not isinstance(value, str):
        raise BoardError(f"{where} needs a text for {key}, not {told(value)}")
    return value
