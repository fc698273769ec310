"""How much RAM TFLite Micro takes for a model, asked in a process of its own: its kernels may abort.

python -m edgexai.runtime.arena < model.tflite
"""

import subprocess
import sys

SECONDS = 60


def arena(content: bytes) -> int | None:
    """Bytes of TFLite Micro's arena for a `.tflite`; None if the wheel is not installed or does not run the model."""
    command = [sys.executable, "-m", "edgexai.runtime.arena"]
    try:
        found = subprocess.run(command, input=content, capture_output=True, timeout=SECONDS, check=False)
        return int(found.stdout) if found.returncode == 0 else None
    except (subprocess.TimeoutExpired, ValueError):
        return None


if __name__ == "__main__":
    from edgexai.errors import Error
    from edgexai.runtime.micro import MicroInterpreter

    try:
        print(MicroInterpreter(sys.stdin.buffer.read()).arena)
    except Error as error:
        sys.exit(str(error))
