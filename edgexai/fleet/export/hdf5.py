"""Frames as arrays in an HDF5 file: a group a model, a row a frame.

    MODEL/map (N, rows, columns) float32, MODEL/concepts (N, D) where they were sent, id, sequence, received, time,
    target, score, conservation (nan where it was not sent), fleet, node, boot, group

Frames of a model whose maps or concepts have another shape than its first get a group of their own, MODEL.2 and so on.
"""

from pathlib import Path
from typing import Any

import h5py
import numpy as np

from edgexai.fleet.analysis.evidence import channels_of
from edgexai.fleet.analysis.regions import flat
from edgexai.fleet.export.tables import Batches

_NUMBERS = {"id": np.int64, "sequence": np.int64, "received": np.float64, "time": np.float64, "target": np.int32}
_TEXTS = ("fleet", "node", "boot", "group")


def hdf5(batches: Batches, path: Path) -> int:
    """Write the file; how many frames."""
    count = 0
    names: dict[tuple[str, Any], str] = {}
    with h5py.File(path, "w") as file:
        for rows in batches:
            alike: dict[tuple[str, Any], list[dict[str, Any]]] = {}
            for row in rows:
                shape = flat(row["map"]).shape, sum(map(len, row["concepts"]))
                alike.setdefault((row["model"], shape), []).append(row)
            for (model, shape), some in alike.items():
                number = sum(known == model for known, _ in names) + 1
                name = names.setdefault((model, shape), model if number == 1 else f"{model}.{number}")
                _append(file.require_group(name), some)
            count += len(rows)
    return count


def _append(group: h5py.Group, rows: list[dict[str, Any]]) -> None:
    columns: dict[str, Any] = {name: np.array([row[name] for row in rows], kind) for name, kind in _NUMBERS.items()}
    columns["map"] = np.stack([flat(row["map"]) for row in rows]).astype(np.float32)
    concepts = [channels_of(row) for row in rows]
    if concepts[0]:
        columns["concepts"] = np.array(concepts, np.float32)
    for name in ("score", "conservation"):
        columns[name] = np.array([np.nan if row[name] is None else row[name] for row in rows], np.float32)
    for name, column in columns.items():
        _extended(group, name, column, column.shape[1:], column.dtype)
    for name in _TEXTS:
        _extended(group, name, [row[name] for row in rows], (), h5py.string_dtype())


def _extended(group: h5py.Group, name: str, values: Any, shape: tuple[int, ...], kind: Any) -> None:
    if name not in group:
        group.create_dataset(name, (0, *shape), kind, maxshape=(None, *shape), chunks=(1024, *shape))
    column = group[name]
    column.resize(len(column) + len(values), axis=0)
    column[-len(values) :] = values
