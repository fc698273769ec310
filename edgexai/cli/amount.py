"""Amounts on the command line: a share (50%), a time (20ms), bytes (128K), energy (700uJ)."""

import argparse

UNITS = {
    "%": 0.01,
    "": 1.0,
    "ms": 1.0,
    "s": 1e3,
    "uj": 1.0,
    "µj": 1.0,
    "mj": 1e3,
    "k": 1024.0,
    "kib": 1024.0,
    "kb": 1e3,
}
UNITS |= {"m": 1024.0**2, "b": 1.0}


def amount(text: str) -> tuple[float, bool]:
    """(value in ms, µJ or bytes, or a share, whether it is a share), for argparse."""
    number = text.strip().rstrip("%abcdefghijklmnopqrstuvwxyzµABCDEFGHIJKLMNOPQRSTUVWXYZ")
    unit = text.strip()[len(number) :].lower()
    try:
        value = float(number) * UNITS[unit]
    except (ValueError, KeyError):
        raise argparse.ArgumentTypeError(f"{text!r} is no amount; write 50%, 20ms, 700uJ or 128K") from None
    if not 0 < value < 1e12 or (unit == "%" and value > 1):
        raise argparse.ArgumentTypeError(f"{text!r} must be above 0, a share at most 100%")
    return value, unit == "%"
