"""A folder a model that ViRelAy opens: `virelay FOLDER/project.yaml`.

    project.yaml      name, model, where the other files are (JSON, which is YAML)
    label-map.json    class numbers and names
    dataset.h5        data (N, rows, columns, 3) uint8, label: pictures of the maps, as inputs never leave a node
    attribution.h5    attribution (N, rows, columns, 1), label, prediction, index
    analysis.h5       a class each: index, embedding/spectral (its eigenvalues beside), embedding/principal,
                      cluster/kmeans-2 … 5, and cluster/suspected: 1 for frames that a shortcut is suspected of

Layout: ViRelAy's documentation, "Dataset format" (Anders et al. 2021, *Software for Dataset-wide XAI*).
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from edgexai.fleet.analysis.evidence import Evidence
from edgexai.fleet.analysis.shortcut import shortcuts
from edgexai.fleet.analysis.spray import spray

FEWEST = 20
"""Frames of a class from which it is analysed."""
LEAST_SIDE = 8
CLUSTERS = (2, 3, 4, 5)


def virelay(evidence: Evidence, folder: Path, names: Sequence[str] = ()) -> None:
    """Write the project of a model's frames; ``names`` of its classes, by number."""
    folder.mkdir(parents=True, exist_ok=True)
    maps = _larger(evidence.maps)
    classes = max(len(names), int(evidence.target.max()) + 1)
    labels = [
        {"index": i, "word_net_id": f"class-{i}", "name": names[i] if i < len(names) else f"class {i}"}
        for i in range(classes)
    ]
    (folder / "label-map.json").write_text(json.dumps(labels, indent=1), "utf-8")
    with h5py.File(folder / "dataset.h5", "w") as file:
        file["data"] = _pictures(maps)
        file["label"] = evidence.target
    with h5py.File(folder / "attribution.h5", "w") as file:
        file["attribution"] = maps[..., None]
        file["label"] = evidence.target
        file["prediction"] = _predictions(evidence, classes)
        file["index"] = np.arange(len(evidence))
    with h5py.File(folder / "analysis.h5", "w") as file:
        suspected = {m.id: m.score for found in shortcuts(evidence) for m in found.members}
        for target in np.unique(evidence.target):
            chosen = np.flatnonzero(evidence.target == target)
            if len(chosen) >= FEWEST:
                carrying = np.array([suspected.get(int(i), 0.0) > 0.5 for i in evidence.id[chosen]])
                _analysis(file.create_group(f"class-{target}"), evidence.where(chosen), chosen, carrying)
        analysed = len(file) > 0
    project: dict[str, Any] = {
        "name": f"edgexai {evidence.model}",
        "model": evidence.model,
        "label_map": "label-map.json",
        "dataset": {"name": "heatmaps of the fleet", "type": "hdf5", "path": "dataset.h5"},
        "attributions": {
            "attribution_method": "relevance",
            "attribution_strategy": "predicted_label",
            "sources": ["attribution.h5"],
        },
    }
    if analysed:
        project["analyses"] = [{"analysis_method": "spectral_analysis", "sources": ["analysis.h5"]}]
    (folder / "project.yaml").write_text(json.dumps({"project": project}, indent=1), "utf-8")


def _analysis(group: h5py.Group, one: Evidence, index: NDArray[np.intp], carrying: NDArray[np.bool_]) -> None:
    from sklearn.cluster import KMeans
    from sklearn.decomposition import PCA

    features = one.channels()
    found = spray(features, max(CLUSTERS))
    group["index"] = index
    group["embedding/spectral"] = found.embedding
    group["embedding/spectral"].attrs["eigenvalue"] = found.eigenvalues
    group["embedding/principal"] = PCA(2).fit_transform(features)
    for k in CLUSTERS:
        group[f"cluster/kmeans-{k}"] = KMeans(k, n_init=5, random_state=0).fit_predict(found.embedding)
    group["cluster/suspected"] = carrying.astype(np.int64)


def _larger(maps: NDArray[np.float32]) -> NDArray[np.float32]:
    """Small maps with each value repeated: ViRelAy takes a side of less than four for colours."""
    down, right = (-(-LEAST_SIDE // side) for side in maps.shape[1:])
    return maps.repeat(down, 1).repeat(right, 2)


def _pictures(maps: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Maps in grey: 128 is no relevance, brighter speaks for the class."""
    peak = np.abs(maps).max((1, 2), keepdims=True)
    grey = 128 + 127 * maps / np.where(peak > 0, peak, 1)
    return np.repeat(grey[..., None], 3, 3).astype(np.uint8)


def _predictions(evidence: Evidence, classes: int) -> NDArray[np.float32]:
    """Scores of the predicted class; a frame does not say those of the others, which are as low as that allows."""
    score = np.nan_to_num(evidence.score).astype(np.float32)
    found = np.repeat(np.minimum(score, 0)[:, None], classes, 1)
    found[np.arange(len(evidence)), evidence.target] = score
    return found
