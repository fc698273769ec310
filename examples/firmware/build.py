"""The node of this example as a program for QEMU.

    python -m examples.firmware.build kws_int8.tflite kws01.npz -o node
    (cd node && qemu-system-arm -M mps2-an386 -nographic -monitor none -serial tcp:127.0.0.1:4000,server=on,wait=on \
        -semihosting-config enable=on,target=native -kernel node.elf)
"""

import argparse
import shutil
import subprocess
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from converters.c99 import Explaining, write
from edgexai.errors import ConfigError
from edgexai.graph import Graph, load

HERE = Path(__file__).parent
COMPILER = "arm-none-eabi-gcc"
CORE = ("-mcpu=cortex-m4", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16", "-mthumb")
STRICT = ("-std=c99", "-O2", "-Wall", "-Wextra", "-Werror")
MEMORY = ("-Wl,--section-start=.vectors=0", "-Wl,--undefined=vectors", "-Wl,-Tdata=0x20000000")


def build(model: Graph | Path, samples: NDArray[np.int8], folder: Path, composite: str = "edge") -> Path:
    """Write sources, samples (n, …) and the program into a folder; returns the program."""
    if shutil.which(COMPILER) is None:
        raise ConfigError(f"there is no {COMPILER}; install it (Debian package gcc-arm-none-eabi)")
    write(model, folder, explains=Explaining(composite), frame=64)
    (folder / "samples.bin").write_bytes(np.ascontiguousarray(samples, np.int8).tobytes())
    sources = [HERE / "node.c", HERE / "startup.c", folder / "model.c", *sorted((folder / "src").glob("*.c"))]
    program = folder / "node.elf"
    options = [*STRICT, *CORE, "--specs=rdimon.specs", *MEMORY, f"-I{folder}", f"-I{folder / 'src'}"]
    subprocess.run([COMPILER, *options, "-o", str(program), *map(str, sources)], check=True)
    return program


def qemu(program: Path, serial: str) -> list[str]:
    """The command that runs it in its folder, the serial line as QEMU writes it: ``tcp:127.0.0.1:4000,server=on``."""
    machine = ["qemu-system-arm", "-M", "mps2-an386", "-nographic", "-monitor", "none", "-serial", serial]
    return [*machine, "-semihosting-config", "enable=on,target=native", "-kernel", program.name]


def main() -> None:
    """Build for a model and an .npz of int8 samples ``x``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="an int8 .tflite")
    parser.add_argument("samples", type=Path, help=".npz with x (n, …)")
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder")
    args = parser.parse_args()
    with np.load(args.samples) as arrays:
        print(build(load(args.model), arrays["x"].astype(np.int8), args.output))


if __name__ == "__main__":
    main()
