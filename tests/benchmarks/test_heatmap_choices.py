"""What the benchmark `heatmap` compares the coder with: decisions, other transforms, learned bases, other codecs."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.heatmap.basis import Basis
from benchmarks.heatmap.bound import known
from benchmarks.heatmap.case import Case, case
from benchmarks.heatmap.decisions import learned, played, price, read, recorded
from benchmarks.heatmap.faithful import Judge
from benchmarks.heatmap.linear import (
    FIVE_THREE,
    HAAR,
    NINE_SEVEN,
    Wavelet,
    cosines,
    cosines_back,
    lifted,
    lifted_back,
)
from benchmarks.heatmap.order import levels
from benchmarks.heatmap.rivals import TOP, fewest, within
from edgexai.heatmap import relevance, stream, wavelet
from edgexai.heatmap.priors import COUNTS, ONES
from edgexai.heatmap.search import cosine

GOLDEN = Path(__file__).parents[1] / "golden" / "cnn"
SHAPES = [(32, 32), (49, 10), (17, 1)]


def smooth(shape: tuple[int, ...], seed: int = 0) -> NDArray[np.float32]:
    noise = np.random.default_rng(seed).normal(size=shape)
    return np.cumsum(np.cumsum(noise, 0), 1).astype(np.float32)


@pytest.fixture(scope="module")
def cnn() -> Case:
    return case(GOLDEN / "model.tflite", GOLDEN / "golden.npz", "epsilon_plus_flat", 2, quiet=True)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_price_of_recorded_decisions_is_the_length_of_the_stream(shape: tuple[int, ...]) -> None:
    found = relevance.coefficients(smooth(shape))
    assert found is not None
    said = recorded(found.integers, found.pattern)
    content = found.stream(1 << 20)
    assert price(said, ONES, COUNTS)[-1] / 8 == pytest.approx(len(content), rel=0.01, abs=2)
    assert read(content, shape) == said


def test_played_decisions_are_what_a_stream_decodes_to() -> None:
    found = relevance.coefficients(smooth((28, 28)))
    assert found is not None
    said = recorded(found.integers, found.pattern)
    content = found.stream(60)
    some = len(read(content, (28, 28)).bits)
    assert np.array_equal(played(said, some, (28, 28)).coefficients, stream.decode(content, (28, 28)).coefficients)


def test_probabilities_learned_from_a_map_make_it_cheaper_and_known_ones_bound_it() -> None:
    found = relevance.coefficients(smooth((16, 16)))
    assert found is not None
    said = recorded(found.integers)
    flat = price(said, [1 << 15] * len(ONES), [0] * len(ONES))[-1]
    assert known(said) < price(said, *learned([said]))[-1] < flat


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", [HAAR, FIVE_THREE, NINE_SEVEN])
def test_wavelets_come_back(kind: Wavelet, shape: tuple[int, ...]) -> None:
    values = smooth(shape).astype(np.float64)
    assert np.allclose(lifted_back(lifted(values, kind), kind), values)


def test_the_real_nine_seven_is_the_frames_integer_one() -> None:
    values = np.rint(1000 * smooth((24, 18))).astype(np.int64)
    exact = lifted(values.astype(np.float64), NINE_SEVEN)
    off = wavelet.forward(values, values.shape) - exact
    assert np.abs(off).max() < 1e-3 * np.abs(exact).max()


@pytest.mark.parametrize(("shape", "block"), [((28, 28), None), ((49, 10), None), ((32, 24), 8)])
def test_cosines_keep_the_norm_and_come_back(shape: tuple[int, ...], block: int | None) -> None:
    values = smooth(shape).astype(np.float64)
    found = cosines(values, block)
    assert np.linalg.norm(found) == pytest.approx(np.linalg.norm(values))
    assert np.allclose(cosines_back(found, block), values)
    assert np.allclose(cosines(np.ones(shape), block)[shape[0] // (block or shape[0]) :], 0)  # no frequency but 0


def test_a_basis_holds_the_maps_that_it_learned_from_and_no_others() -> None:
    maps = np.stack([smooth((12, 12), seed) for seed in range(6)])
    basis = Basis(maps)
    assert np.allclose(basis.inverse(basis.forward(maps[2].astype(np.float64))), maps[2], atol=1e-4)
    other = smooth((12, 12), 9).astype(np.float64)
    assert cosine(basis.inverse(basis.forward(other)), other) < 0.999
    assert len(Basis(maps, 3).forward(other)) == 3


def test_levels_follow_the_wavelets_sizes() -> None:
    found = levels((5, 4))
    assert found[0, 0] == 0
    assert found[:3, :2].max() == 2
    assert (found[3:] == 3).all()
    assert (found[:, 2:] == 3).all()


def test_the_judge_gives_the_uncoded_maps_all_their_gain_and_reversed_ones_its_opposite(cnn: Case) -> None:
    judge = Judge(cnn)
    assert judge(cnn.maps)["share"] == pytest.approx(1)
    assert judge(cnn.maps)["overlap"] == 1
    noise = np.random.default_rng(0).normal(size=cnn.maps.shape).astype(np.float32)
    ahead, behind = judge(noise)["share"], judge(-noise)["share"]
    assert ahead == pytest.approx(-behind, abs=1e-6)
    nothing = judge(np.zeros_like(cnn.maps), np.zeros(2, bool))
    assert nothing["share"] == 0
    assert nothing["fits"] == 0


def test_a_codecs_fewest_bytes_and_its_best_map_within_a_budget() -> None:
    true = smooth((8, 8))

    def codec(values: NDArray[np.float32], level: int) -> tuple[int, NDArray[np.float32]]:
        noise = np.random.default_rng(level).normal(size=values.shape).astype(np.float32)
        return 50 + level, values + noise * np.abs(values).max() * (TOP - level) / TOP

    sizes = fewest(codec, true, (0.9, 0.99), cosine)
    assert sizes[0] is not None
    assert sizes[1] is not None
    assert 50 < sizes[0] < sizes[1] <= 150
    assert within([codec], true, 49, cosine) is None
    best = within([codec], true, 140, cosine)
    assert best is not None
    assert cosine(best, true) >= cosine(codec(true, 80)[1], true)
