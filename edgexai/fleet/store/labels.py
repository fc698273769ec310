"""Names of a model's classes, of record: an operator puts them into the store, no node does.

STORE/labels/<first 16 hex digits of the model's SHA-256>.txt     one class a line
"""

from pathlib import Path

FOLDER = "labels"
MOST_BYTES = 1 << 20


def labels(store: Path, model: str) -> list[str]:
    """The names of a model's classes; none where no operator gave any, or the file is none."""
    path = store / FOLDER / f"{model}.txt"
    try:
        if not model.isalnum() or path.stat().st_size > MOST_BYTES:
            return []
        return path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return []
