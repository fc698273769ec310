"""Spectral relevance analysis: scikit-learn's clusters, landmarks that keep them, and later maps assigned to them."""

import numpy as np
from sklearn.cluster import SpectralClustering
from sklearn.datasets import load_digits
from sklearn.metrics import adjusted_rand_score

from edgexai.fleet.analysis.spray import spray


def rings(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Two rings in 64 dimensions: no k-means finds them, the graph does."""
    random = np.random.default_rng(0)
    which = random.integers(0, 2, n)
    angle = random.uniform(0, 2 * np.pi, n)
    plane = np.stack([np.cos(angle), np.sin(angle)], 1) * (1 + 2 * which[:, None])
    turn = np.linalg.qr(random.normal(size=(64, 2)))[0]
    return (plane @ turn.T + random.normal(0, 0.02, (n, 64))).reshape(n, 8, 8), which


def test_rings_are_told_apart_by_few_landmarks_too() -> None:
    maps, which = rings(3000)
    for landmarks in (3000, 600):
        assert adjusted_rand_score(spray(maps, 2, landmarks=landmarks).cluster, which) > 0.99


def test_real_images_fall_into_the_clusters_of_scikit_learn() -> None:
    x, y = load_digits(return_X_y=True)
    kept = np.isin(y, (0, 4, 6))
    found = spray(x[kept], 3)
    exact = SpectralClustering(3, affinity="nearest_neighbors", n_neighbors=11, random_state=0).fit_predict(x[kept])
    assert adjusted_rand_score(found.cluster, exact) > 0.95
    assert np.all(np.diff(found.eigenvalues) > -1e-9)
    assert abs(found.eigenvalues[0]) < 1e-6


def test_later_maps_are_assigned_to_the_clusters() -> None:
    maps, _ = rings(2500)
    found = spray(maps[:2000], 2)
    assert adjusted_rand_score(found.assign(maps[2000:]), spray(maps, 2).cluster[2000:]) > 0.99
