"""Transplants put what they say where they say, and nothing else."""

import numpy as np
import pytest

from edgexai.intervention.transplant import pasted, recast, shifted

random = np.random.default_rng(0)


def test_the_most_relevant_places_are_the_donors_and_all_others_the_hosts() -> None:
    host, donor = random.normal(size=(2, 6, 5, 3)).astype(np.float32)
    relevance = random.normal(size=(6, 5)).astype(np.float32)
    mixed = pasted(host, donor, relevance, top=0.1)
    most = relevance >= np.sort(relevance.ravel())[-3]
    assert np.array_equal(mixed[most], donor[most])
    assert np.array_equal(mixed[~most], host[~most])
    by_channel = np.stack([relevance, np.zeros_like(relevance), np.zeros_like(relevance)], -1)
    assert np.array_equal(pasted(host, donor, by_channel, top=0.1), mixed)


@pytest.mark.parametrize("shape", [(7,), (6, 4), (6, 4, 2)])
def test_one_place_is_pasted_at_least_whatever_the_shape(shape: tuple[int, ...]) -> None:
    host, donor, relevance = np.zeros(shape, np.int8), np.ones(shape, np.int8), np.zeros(shape[:2], np.float32)
    mixed = pasted(host, donor, relevance, top=0.001)
    assert mixed.dtype == np.int8
    assert mixed.sum() == (shape[2] if len(shape) > 2 else 1)
    assert mixed.reshape(-1)[0] == 1


def test_cells_of_a_coarse_map_are_pasted_whole() -> None:
    relevance = np.zeros((2, 2), np.float32)
    relevance[1, 0] = 1
    mixed = pasted(np.zeros((6, 4, 1)), np.ones((6, 4, 1)), relevance, top=0.25)
    assert np.array_equal(mixed[..., 0] == 1, np.kron(relevance, np.ones((3, 2))) == 1)


def test_a_cast_is_the_donors_mean_and_spread_of_each_channel() -> None:
    host, donor = random.normal(size=(8, 8, 3)), random.normal(2.0, 0.1, size=(8, 8, 3))
    moved = recast(host, donor)
    inside = (host - host.mean((0, 1))) / host.std((0, 1)) * donor.std((0, 1)) + donor.mean((0, 1))
    assert np.allclose(moved, inside)
    few = recast(np.full((4, 4, 1), -128, np.int8), np.full((4, 4, 1), 90, np.int8))
    assert few.dtype == np.int8
    assert np.all(few == 90)


def test_a_difference_stays_within_the_values_that_were_seen() -> None:
    host = np.array([[-100, 0, 100]], np.int8)
    moved = shifted(host, np.array([[-50.0, 50.4, 50.0]]), -120, 110)
    assert moved.tolist() == [[-120, 50, 110]]
    assert moved.dtype == np.int8
