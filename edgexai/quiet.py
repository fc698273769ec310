"""The TFLite runtime greets whoever loads a first model on standard error; only that line is held back."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

GREETING = b"INFO: Created TensorFlow Lite XNNPACK delegate for CPU."
"""Said once a process, in C++, past `sys.stderr`."""

_heard = False


@contextmanager
def ungreeted() -> Iterator[None]:
    """Around the loading of a model: whatever is said beside the greeting is said afterwards, errors included."""
    global _heard
    if _heard:
        yield
        return
    try:
        said, kept = tempfile.TemporaryFile(), os.dup(2)  # noqa: SIM115
    except OSError:  # a process without standard error, or without a disk
        yield
        return
    with said:
        os.dup2(said.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            said.seek(0)
            lines = said.read().splitlines(keepends=True)
            _heard = any(line.strip() == GREETING for line in lines)
            rest = b"".join(line for line in lines if line.strip() != GREETING)
            if rest:
                os.write(2, rest)
