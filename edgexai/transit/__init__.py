"""Models over the air: `.tflite` -> `.exq` -> the same `.tflite`, bit for bit; numpy alone, on both sides."""

from edgexai.transit.exq import pack, restore

__all__ = ["pack", "restore"]
