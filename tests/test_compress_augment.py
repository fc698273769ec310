"""Variations of samples: small shifts, mirrored pictures, mixtures with the share that they say."""

import numpy as np

from edgexai.compress.augment import mixed, varied


def test_maps_are_shifted_by_a_few_rows_and_never_along_short_axes() -> None:
    random = np.random.default_rng(0)
    rows = np.arange(49, dtype=np.float32)
    x = (rows[:, None, None] + 100 * np.arange(10)[:, None]).astype(np.float32)[None].repeat(64, axis=0)
    moved = {int(y[24, 0, 0] - 24) for y in varied(x, random)}
    assert moved == set(range(-4, 5))
    for y in varied(x, random):
        offset = y[24, 0, 0] - 24
        np.testing.assert_array_equal(y, np.clip(rows + offset, 0, 48)[:, None, None] + (x[0] - x[0, :, :1]))


def test_only_pictures_are_mirrored() -> None:
    random = np.random.default_rng(1)
    ramp = np.arange(8, dtype=np.float32)
    for channels, directions in ((3, {-1, 1}), (1, {1})):
        x = np.broadcast_to(ramp[:, None], (32, 8, 8, channels)).astype(np.float32)
        assert {int(y[0, 1, 0] - y[0, 0, 0]) for y in varied(x, random)} == directions


def test_a_mixture_lies_between_its_samples_by_its_share() -> None:
    random = np.random.default_rng(2)
    x = np.zeros((2, 6), np.float32)
    x[1] = 100.0
    one, other = np.zeros(500, np.int64), np.ones(500, np.int64)
    y, share = mixed(x, one, other, random)
    assert share.shape == (500,)
    assert np.ptp(share) > 0.9
    np.testing.assert_allclose(y, 100 * (1 - share)[:, None] * np.ones(6), rtol=1e-5, atol=1e-4)
