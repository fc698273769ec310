"""SpRAy, spectral relevance analysis, for as many maps as a fleet has.

Lapuschkin et al. 2019: the k-nearest-neighbour graph of the maps, the eigenvectors of its normalized Laplacian, and
clusters in them. Up to 20,000 maps (in their 32 principal components) that is done as it is written. Beyond, the
graph is made of 20,000 *landmarks* alone, and every map gets the mean coordinates of its nearest landmarks, each as
much as it is near (Chen and Cai 2011, *Large Scale Spectral Clustering with Landmark-Based Representation*, without
their second decomposition). Maps that come later are assigned the same way.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

LANDMARKS, NEIGHBOURS, COMPONENTS = 20_000, 10, 32
CHUNK = 20_000


@dataclass(frozen=True)
class Spectrum:
    """The clusters of some maps, and what assigns others to them.

    ``cluster`` (N,), ``embedding`` (N, k), ``eigenvalues`` (k,) of the Laplacian, the smallest first: how many are
    near 0 says how many clusters there are.
    """

    cluster: NDArray[np.int64]
    embedding: Array
    eigenvalues: Array
    landmarks: Array
    coordinates: Array
    centres: Array
    basis: Array
    mean: Array

    def assign(self, maps: NDArray[np.floating]) -> NDArray[np.int64]:
        """Clusters of further maps (N, …)."""
        return _nearest(self._embed(maps), self.centres)

    def _embed(self, maps: NDArray[np.floating]) -> Array:
        return _embedded(_projected(maps, self.basis, self.mean), self.landmarks, self.coordinates)


def spray(maps: NDArray[np.floating], clusters: int, landmarks: int = LANDMARKS, seed: int = 0) -> Spectrum:
    """Cluster maps (N, …) spectrally; exact up to ``landmarks`` maps, by so many random landmarks beyond.

    Memory grows by 32 numbers a map. Source: Lapuschkin et al. 2019, supplementary note on SpRAy; normalized
    Laplacian and k-means on unit rows after Ng, Jordan, Weiss 2002.
    """
    from scipy.sparse.csgraph import laplacian
    from scipy.sparse.linalg import eigsh
    from sklearn import config_context
    from sklearn.cluster import KMeans
    from sklearn.neighbors import NearestNeighbors

    random, count = np.random.default_rng(seed), len(maps)
    flat = maps.reshape(count, -1)
    chosen = np.arange(count) if count <= landmarks else np.sort(random.choice(count, landmarks, replace=False))
    mean = flat[chosen].mean(0, dtype=np.float64)
    basis = _components(flat[chosen[:: max(1, len(chosen) // 5000)]], mean)
    reduced = np.concatenate([_projected(flat[i : i + CHUNK], basis, mean) for i in range(0, count, CHUNK)])
    own = reduced[chosen]
    with config_context(working_memory=256):
        near = NearestNeighbors(n_neighbors=min(NEIGHBOURS, len(own) - 1), algorithm="brute").fit(
            own.astype(np.float32)
        )
        graph = near.kneighbors_graph().astype(np.float64)
    graph = graph.maximum(graph.T)
    normal = laplacian(graph, normed=True)
    start = random.normal(size=len(own))
    values, vectors = eigsh(2 * _identity(len(own)) - normal, k=min(clusters, len(own) - 1), which="LA", v0=start)
    order = np.argsort(-values)
    coordinates = _unit(vectors[:, order])
    model = KMeans(clusters, n_init=10, random_state=seed).fit(coordinates)
    centres = model.cluster_centers_
    if count <= landmarks:
        cluster, embedding = model.labels_.astype(np.int64), coordinates
    else:
        parts = [_embedded(reduced[i : i + CHUNK], own, coordinates) for i in range(0, count, CHUNK)]
        embedding = np.concatenate(parts)
        cluster = _nearest(embedding, centres)
    return Spectrum(cluster, embedding, 2 - values[order], own, coordinates, centres, basis, mean)


def _components(sample: NDArray[np.floating], mean: Array) -> Array:
    found: Array = np.linalg.svd(sample - mean, full_matrices=False)[2][:COMPONENTS]
    return found


def _projected(maps: NDArray[np.floating], basis: Array, mean: Array) -> Array:
    found: Array = (maps.reshape(len(maps), -1) - mean) @ basis.T
    return found


def _embedded(reduced: Array, landmarks: Array, coordinates: Array, neighbours: int = 5) -> Array:
    from sklearn.neighbors import NearestNeighbors

    near = NearestNeighbors(n_neighbors=min(neighbours, len(landmarks))).fit(landmarks)
    distance, index = near.kneighbors(reduced)
    weight = np.exp(-((distance / np.maximum(distance[:, -1:], 1e-30)) ** 2))
    found: Array = (weight[:, :, None] * coordinates[index]).sum(1) / weight.sum(1, keepdims=True)
    return _unit(found)


def _nearest(embedding: Array, centres: Array) -> NDArray[np.int64]:
    distance = (embedding**2).sum(1)[:, None] - 2 * embedding @ centres.T + (centres**2).sum(1)
    found: NDArray[np.int64] = np.argmin(distance, 1).astype(np.int64)
    return found


def _unit(rows: Array) -> Array:
    found: Array = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-30)
    return found


def _identity(n: int) -> NDArray[np.floating]:
    from scipy.sparse import identity

    found: NDArray[np.floating] = identity(n, format="csr")
    return found
