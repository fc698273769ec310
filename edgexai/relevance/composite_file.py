"""Composites from TOML files, for those who choose rules without writing Python.

name = "mine"
start = "less mean"       # a logit less the mean of those that it competes with; "logit" unless said

[[line]]                  # the first line that matches decides
rule = "flat"
first = true

[[line]]
rule = "gamma"
gamma = 0.3
kinds = ["convolution"]   # or "dense", or operators: "CONV_2D", "ADD"
from_output = [0, 4]      # 0 to 4 layers lie behind it
name = "block_[12]"       # a regular expression, found in the name of the output

[[line]]
rule = "epsilon"
stabilizer = 1e-6
"""

import re
from collections.abc import Mapping
from dataclasses import fields
from os import PathLike
from pathlib import Path
from typing import Any

from edgexai.checks import file_content
from edgexai.errors import ConfigError
from edgexai.graph import OpKind
from edgexai.relevance.composite import CONVOLUTIONS, DENSE, Composite, Line, composite
from edgexai.relevance.rules import AlphaBeta, Epsilon, Flat, Gamma, Norm, NormPlus, Pass, Rule, WSquare, ZBox, ZPlus
from edgexai.toml import is_number, parsed, told

RULES: Mapping[str, type[Rule]] = {
    "alpha_beta": AlphaBeta,
    "epsilon": Epsilon,
    "flat": Flat,
    "gamma": Gamma,
    "norm": Norm,
    "norm_plus": NormPlus,
    "pass": Pass,
    "wsquare": WSquare,
    "zbox": ZBox,
    "zplus": ZPlus,
}
GROUPS = {"convolution": CONVOLUTIONS, "dense": DENSE}
MOST_LAYERS = 10_000
CONDITIONS = {"kinds", "first", "name", "from_input", "from_output", "window", "axes"}


def composite_of(given: str | Path | Composite) -> Composite:
    """A composite as it is, by name, or from a ``.toml`` file.

    Raises ConfigError if there is none of that name or the file is not right, FileError (an OSError too) if it cannot
    be opened.
    """
    if isinstance(given, Composite):
        return given
    if not isinstance(given, str | PathLike):
        raise ConfigError(f"composite is {told(given)}; give a Composite, a name or the path of a .toml file")
    return read(given) if str(given).endswith(".toml") else composite(str(given))


def read(path: str | Path) -> Composite:
    """The composite that a TOML file describes."""
    try:
        said = parsed(file_content("composite", path).decode("utf-8"))
    except ValueError as error:
        raise ConfigError(f"{path} is not a TOML file: {error}") from error
    lines = said.get("line")
    if not isinstance(lines, list) or not lines or not all(isinstance(line, dict) for line in lines):
        raise ConfigError(f"{path} has no [[line]]; give it at least one, with a rule")
    unknown = set(said) - {"name", "start", "line"}
    if unknown:
        raise ConfigError(f"{path} does not know {', '.join(sorted(unknown))}; it takes name, start and [[line]]")
    name = said.get("name", Path(path).stem)
    if not isinstance(name, str):
        raise ConfigError(f"{path}: the name of a composite is text")
    start = said.get("start", "logit")
    if start not in ("logit", "less mean"):
        raise ConfigError(f'{path}: start is "logit" or "less mean", not {start!r}')
    return Composite(name, tuple(_line(line, f"{path}, line {i + 1}") for i, line in enumerate(lines)), start)


def _line(said: dict[str, Any], where: str) -> Line:
    kind = said.get("rule")
    if not isinstance(kind, str) or kind not in RULES:
        raise ConfigError(f"{where}: there is no rule {told(kind)}; choose one of {', '.join(RULES)}")
    numbers = {f.name for f in fields(RULES[kind])}
    unknown = set(said) - CONDITIONS - numbers - {"rule"}
    if unknown:
        takes = ", ".join(sorted(CONDITIONS | numbers))
        raise ConfigError(f"{where}: rule {kind} does not know {', '.join(sorted(unknown))}; it takes {takes}")
    rule = RULES[kind](**{n: _number(said[n], n, where) for n in numbers & set(said)})
    if not isinstance(said.get("first", False), bool):
        raise ConfigError(f"{where}: first is true or false")
    return Line(
        rule,
        _kinds(said.get("kinds", []), where),
        said.get("first", False),
        _pattern(said.get("name", ""), where),
        _depths(said, "from_input", where),
        _depths(said, "from_output", where),
        _number(said.get("window", 1.0), "window", where),
        int(_number(said.get("axes", 0), "axes", where)),
    )


def _number(given: Any, what: str, where: str) -> float:
    if not is_number(given):
        raise ConfigError(f"{where}: {what} is a finite number, not {told(given)}")
    return float(given)


def _kinds(given: Any, where: str) -> frozenset[OpKind]:
    if not isinstance(given, list) or not all(isinstance(k, str) for k in given):
        raise ConfigError(f'{where}: kinds is a list such as ["convolution", "ADD"]')
    found: set[OpKind] = set()
    for kind in given:
        if kind in GROUPS:
            found |= GROUPS[kind]
        elif kind in OpKind.__members__:
            found.add(OpKind[kind])
        else:
            raise ConfigError(
                f"{where}: there is no operator {told(kind)}; name one as in CONV_2D, or {', '.join(GROUPS)}"
            )
    return frozenset(found)


def _pattern(given: Any, where: str) -> str:
    try:
        re.compile(given)
    except (re.error, TypeError, OverflowError, RecursionError) as error:
        raise ConfigError(f"{where}: name {told(given)} is not a regular expression: {error}") from error
    return str(given)


def _depths(said: dict[str, Any], what: str, where: str) -> range | None:
    if what not in said:
        return None
    match said[what]:
        case [int(low), int(high)] if 0 <= low <= high <= MOST_LAYERS:
            return range(low, high + 1)
    raise ConfigError(f"{where}: {what} is the fewest and the most layers, as in [0, 4], not {told(said[what])}")
