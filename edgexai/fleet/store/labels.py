"""Names of models and of their classes, of record: an operator puts them into the store, no node does.

STORE/labels/<first 16 hex digits of the model's SHA-256>.txt     one class a line
STORE/labels/models.txt                                           such digits, a space, the model's name: a line each
"""

from pathlib import Path

FOLDER = "labels"
MOST_BYTES = 1 << 20


def labels(store: Path, model: str) -> list[str]:
    """The names of a model's classes; none where no operator gave any, or the file is none."""
    return _lines(store / FOLDER / f"{model}.txt") if model.isalnum() and model != "models" else []


def model_names(store: Path) -> dict[str, str]:
    """Names of models by their digits; none where no operator gave any."""
    pairs = (line.strip().partition(" ") for line in _lines(store / FOLDER / "models.txt"))
    return {model.lower(): name.strip() for model, _, name in pairs if name.strip()}


def _lines(path: Path) -> list[str]:
    try:
        return [] if path.stat().st_size > MOST_BYTES else path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return []
