"""What a model takes in flash, asked of the linker: predicting alone, and with explaining."""

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

GCC, SIZE = "arm-none-eabi-gcc", "arm-none-eabi-size"
OPTIONS = ("-std=c99", "-O2", "-mthumb", "-ffunction-sections", "-fdata-sections")
CORE = ("-mcpu=cortex-m4", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16")


def flash(folder: Path, name: str) -> tuple[int, int] | None:
    """Bytes of code and constants of `…_predict` alone and of both functions, for a Cortex-M4F with `-O2`.

    What neither function reaches is left out, as a linker does with `--gc-sections`. None where there is no
    arm-none-eabi-gcc, or it does not compile the sources.
    """
    if shutil.which(GCC) is None or shutil.which(SIZE) is None:
        return None
    root = folder.resolve()
    sources = [str(root / f"{name}.c"), *sorted(map(str, (root / "src").glob("*.c")))]
    with tempfile.TemporaryDirectory(prefix="edgexai-") as work:
        try:
            _run([GCC, *OPTIONS, *CORE, f"-I{root}", f"-I{root / 'src'}", "-c", *sources], work)
            return _linked(work, [f"{name}_predict"]), _linked(work, [f"{name}_predict", f"{name}_explain"])
        except (OSError, subprocess.SubprocessError, ValueError):
            return None


def _linked(work: str, roots: Sequence[str]) -> int:
    objects = sorted(map(str, Path(work).glob("*.o")))
    kept = [f"-Wl,--undefined={root}" for root in roots]
    link = [GCC, *CORE, "-mthumb", "-nostartfiles", "-Wl,--gc-sections", f"-Wl,--entry={roots[0]}", *kept]
    _run([*link, "-o", "t.elf", *objects], work)
    text, data = _run([SIZE, "t.elf"], work).splitlines()[1].split()[:2]
    return int(text) + int(data)


def _run(command: Sequence[str], work: str) -> str:
    done = subprocess.run(command, cwd=work, check=True, capture_output=True, text=True, timeout=300)
    return done.stdout
