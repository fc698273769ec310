"""Relevance profiles: what they hold, that they add up, and that any bytes are read or refused."""

import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from models import golden, run

import edgexai
from edgexai.compress.measure.profile import load_profile, profile_relevance, profiled
from edgexai.errors import DataError
from edgexai.profile.file import MAGIC, QUANTILES, pack, unpack
from edgexai.profile.sums import ProfileSums
from edgexai.relevance import attach_inner


@pytest.fixture(scope="module")
def graph() -> Any:
    return edgexai.load(golden("dscnn")[0])


@pytest.fixture(scope="module")
def written(graph: Any, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("profile") / "p.profile"
    profile_relevance(graph, batch(2)).save(path)
    return path.read_bytes()


def batch(n: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).normal(size=(n, 16, 16, 2)).astype(np.float32)


def test_profile_holds_what_the_explainer_says_of_inner_maps(graph: Any) -> None:
    x = batch(9)
    profile = profile_relevance(graph, x)
    tensor = profiled(graph)[2]
    inner = attach_inner(graph, [tensor], "epsilon")
    sums = np.zeros_like(profile.channels[tensor].relevance)
    for one in x:
        r, target = run(inner, one[None])
        sums[int(target.ravel()[0])] += np.abs(r).sum(axis=(0, 1, 2))
    np.testing.assert_allclose(profile.channels[tensor].relevance, sums, rtol=1e-5)
    counted = profile.count > 0
    np.testing.assert_allclose(
        profile.relevance(tensor), (sums[counted] / profile.count[counted, None]).max(axis=0), rtol=1e-5
    )


def test_the_lowest_logit_of_int8_is_not_taken_for_the_highest() -> None:
    sums, asked = ProfileSums(3, [2]), []

    def explain(target: int) -> list[Any]:
        asked.append(target)
        return [np.array([[1.0, -2.0], [0.5, 0.5]])]

    sums.add(np.array([-128, 5, 0], np.int8), [np.ones((2, 2))], explain)
    assert asked == [1, 2, 0]
    np.testing.assert_array_equal(sums.relevance[0], [[0, 0], [1.5, 2.5], [0, 0]])
    np.testing.assert_array_equal(sums.signed[0], [[0, 0], [1.5, -1.5], [0, 0]])


def test_two_profiles_add_up_to_that_of_all_samples(graph: Any) -> None:
    x = batch(10)
    both = profile_relevance(graph, x[:4]) + profile_relevance(graph, x[4:])
    whole = profile_relevance(graph, x)
    np.testing.assert_array_equal(both.count, whole.count)
    for t in whole.channels:
        np.testing.assert_allclose(both.channels[t].relevance, whole.channels[t].relevance, rtol=1e-6)
        np.testing.assert_allclose(both.channels[t].signed, whole.channels[t].signed, rtol=1e-6, atol=1e-9)


def test_a_saved_profile_comes_back(graph: Any, tmp_path: Path) -> None:
    profile = profile_relevance(graph, batch(5))
    profile.save(tmp_path / "p.profile")
    back = load_profile(tmp_path / "p.profile")
    assert (back.model, back.composite, back.samples) == (profile.model, "epsilon", 5)
    for t, wanted in profile.channels.items():
        np.testing.assert_allclose(back.relevance(t), profile.relevance(t), rtol=0.045)
        for name in ("relevance", "signed"):
            part = np.abs(getattr(back.channels[t], name) - getattr(wanted, name)) / profile.count.clip(1)[:, None]
            assert np.all(part <= (1 / 6 + 0.045) * profile.relevance(t))
        for name, error in (("margin", 0.19), ("net", 0.091), ("square", 0.19)):
            exact = getattr(wanted, name)
            np.testing.assert_allclose(getattr(back.channels[t], name), exact, rtol=error, atol=1e-9 * exact.max())
        np.testing.assert_allclose(back.mean(t), profile.mean(t), atol=np.abs(profile.mean(t)).max() / 250)
        for q in QUANTILES:
            np.testing.assert_array_equal(back.quantile(t, q), profile.quantile(t, q))
    back.save(tmp_path / "again.profile")
    assert (tmp_path / "again.profile").read_bytes() == (tmp_path / "p.profile").read_bytes()


def test_profiles_read_from_files_add_up(graph: Any, tmp_path: Path) -> None:
    x = batch(24)
    for place, part in enumerate((x[:8], x[8:])):
        profile_relevance(graph, part).save(tmp_path / f"{place}.profile")
    both, whole = (
        load_profile(tmp_path / "0.profile") + load_profile(tmp_path / "1.profile"),
        profile_relevance(graph, x),
    )
    np.testing.assert_array_equal(both.count, whole.count)
    both.save(tmp_path / "both.profile")
    back = load_profile(tmp_path / "both.profile")
    for t in whole.channels:
        largest = whole.relevance(t)
        assert np.all(np.abs(back.relevance(t) - largest) <= 2 * (1 / 6 + 0.045) * largest)
        np.testing.assert_allclose(back.channels[t].spread.sum(axis=0), len(x))
        apart = np.abs(np.log2(back.quantile(t, 0.5) / whole.quantile(t, 0.5)))
        assert np.mean(apart <= 1) > 0.9


def test_a_profile_without_samples_or_maps_comes_back() -> None:
    for classes, channels in ((0, 4), (2, 0), (2, 3)):
        empty = (*np.zeros((2, classes, channels)), np.zeros((4, channels)), np.zeros((16, channels)))
        for maps in ({}, {7: empty}):
            packed = pack("m", "epsilon", np.zeros(classes, np.int64), maps)
            assert pack(*unpack(packed, "p")) == packed


def test_a_header_that_asks_for_too_much_is_refused_before_anything_is_built() -> None:
    header = json.dumps({"model": "m", "composite": "epsilon", "classes": 2**19, "maps": [[1, 2**19]]}).encode()
    raw = MAGIC + len(header).to_bytes(4, "little") + header + zlib.compress(b"")
    with pytest.raises(DataError, match="asks for more than"):
        unpack(raw + zlib.crc32(raw).to_bytes(4, "little"), "p")


def test_quantiles_are_those_of_the_samples_to_the_next_power_of_two(graph: Any) -> None:
    x = batch(9)
    profile = profile_relevance(graph, x)
    tensor = profiled(graph)[2]
    inner = attach_inner(graph, [tensor], "epsilon")
    shares = np.array([np.abs(run(inner, one[None])[0]).sum(axis=(0, 1, 2)) for one in x])
    shares /= shares.sum(axis=1, keepdims=True)
    for q in (0.1, 0.5, 0.9):
        exact = np.sort(shares, axis=0)[int(np.ceil(q * len(x))) - 1]
        bound = 2.0 ** np.ceil(np.log2(np.maximum(exact, 2.0**-15)))
        np.testing.assert_array_equal(profile.quantile(tensor, q), bound)


def test_profiles_of_different_models_do_not_add(graph: Any) -> None:
    other = edgexai.load(golden("mlp")[0])
    x = np.random.default_rng(0).normal(size=(3, 20)).astype(np.float32)
    with pytest.raises(DataError, match="different models"):
        profile_relevance(graph, batch(3)) + profile_relevance(other, x)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_broken_profiles_are_refused_and_nothing_else_happens(
    written: bytes, tmp_path: Path, data: st.DataObject
) -> None:
    raw = bytearray(written)
    path = tmp_path / "p.profile"
    if data.draw(st.booleans()):
        raw = raw[: data.draw(st.integers(0, len(raw) - 1))]
    for _ in range(data.draw(st.integers(1, 4))):
        if raw:
            raw[data.draw(st.integers(0, min(len(raw), 400) - 1))] ^= data.draw(st.integers(1, 255))
    if data.draw(st.booleans()):  # as if it had been written that way
        raw[-4:] = zlib.crc32(raw[:-4]).to_bytes(4, "little")
    path.write_bytes(raw)
    try:
        back = load_profile(path)
    except DataError:
        return
    assert back.samples >= 0


def test_samples_of_another_shape_are_refused(graph: Any) -> None:
    with pytest.raises(DataError, match=r"takes samples \(N, 16, 16, 2\)"):
        profile_relevance(graph, np.zeros((4, 3, 3, 2), np.float32))
