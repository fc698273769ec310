"""Out of a `.tflite`: C99 sources that predict and explain on a microcontroller. See docs/firmware.md."""

from converters.c99.back import Explaining
from converters.c99.firmware import Firmware, write

__all__ = ["Explaining", "Firmware", "write"]
