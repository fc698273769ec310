"""The folder that sources are written to: names that C takes, and what an earlier run left."""

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from converters.c99 import manifest
from edgexai.errors import ConfigError

STANDARD = re.compile(
    "alloca|arm_acle|arm_cmse|arm_mve|arm_mve_types|endian|features|malloc|newlib|picolibc|strings|unistd|"
    "assert|complex|ctype|errno|fenv|float|inttypes|iso646|limits|locale|math|setjmp|signal|stdarg|stdbool|stddef|stdint|"
    "stdio|stdlib|string|tgmath|time|wchar|wctype"
)
"""Headers of C and those that they include, in front of which a model's own would be found."""


TARGETS = (
    "all",
    "clean",
    "depend",
    "edit_cache",
    "help",
    "install",
    "package",
    "package_source",
    "rebuild_cache",
    "test",
)
"""Targets that CMake makes of its own."""


def check(name: str) -> None:
    """Raise ConfigError for a name that C does not take, or that stands for something else."""
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise ConfigError(f"name {name!r} cannot begin a C name; use small letters, digits and underscores")
    if STANDARD.fullmatch(name) or name == "selftest" or name.startswith(("exai", "edgexai")):
        raise ConfigError(f"name {name!r} is that of a header or source that firmware has already; choose another")
    if name in TARGETS:
        raise ConfigError(f"name {name!r} is a target of CMake's own; choose another")


COMMON = (
    manifest.NAME, "CMakeLists.txt", "README.md", "library.json", "library.properties", "zephyr/module.yml",
)  # fmt: skip
"""What every run writes."""


def _refuse(root: Path, names: Iterable[str]) -> None:
    if there := sorted(name for name in names if (root / name).exists()):
        raise ConfigError(f"{root} holds {there[0]!r} already, which no firmware wrote; choose another folder")


def clear(root: Path, out: Mapping[str, str]) -> None:
    """Take away what an earlier run wrote here; anybody else's files stay, and are not written over."""
    try:
        earlier = str(json.loads((root / manifest.NAME).read_text("utf-8"))["name"])
    except OSError:
        _refuse(root, out)
        return
    except (ValueError, TypeError, KeyError):
        raise ConfigError(f"{root / manifest.NAME} is damaged; choose another folder, or delete this one") from None
    stale = [*COMMON, "selftest.c", "report.md", "memory.svg"]
    if re.fullmatch(r"[a-z][a-z0-9_]*", earlier):
        stale += [f"{earlier}.c", f"{earlier}.h"]
        stale += [f"{where}{earlier}_arduino.{end}" for where in ("", "src/") for end in "ch"]
    _refuse(root, [name for name in out if name not in stale])
    ours = [path for form in ("exai*.[ch]", "edgexai_*.[ch]") for path in (root / "src").glob(form)]
    for path in (*(root / name for name in stale), *ours):
        path.unlink(missing_ok=True)
