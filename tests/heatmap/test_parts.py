"""Parts: any order, repeats and damage do no harm, what is lost leaves a coarser map."""

import numpy as np
import pytest
from heatmap_maps import FIELDS, smooth
from hypothesis import given, settings
from hypothesis import strategies as st

from edgexai.errors import FrameError
from edgexai.heatmap import Heatmap, decode, encode, join, split
from edgexai.heatmap.search import cosine

VALUES = smooth((48, 48)) + np.random.default_rng(1).normal(size=(48, 48)).astype(np.float32) / 20
FRAME = encode(VALUES, budget=600, **FIELDS)


@pytest.mark.parametrize("payload", [12, 51, 244, 1600])
def test_parts_fit_the_link_and_make_the_frame_again(payload: int) -> None:
    parts = split(FRAME, payload)
    assert all(len(part) <= payload for part in parts)
    assert len(parts) == 1 or len(parts) < 1.02 * len(FRAME) / (payload - 9) + 1
    assert join(parts) == FRAME


@settings(deadline=None)
@given(st.permutations(range(14)), st.integers(0, 14))
def test_order_and_repeats_do_not_matter(order: list[int], repeats: int) -> None:
    parts = split(FRAME, 51)
    assert len(parts) == 14
    assert join([parts[i] for i in order] + parts[:repeats]) == FRAME


def test_lost_parts_leave_a_coarser_map() -> None:
    parts, last = split(FRAME, 51), 0.5
    for arrived in range(2, len(parts)):
        said = decode(join([*parts[:arrived], *parts[arrived + 1 :]]))
        found = cosine(said.map, VALUES)
        assert found >= last - 0.01
        assert said.sequence == FIELDS["sequence"]
        last = found
    assert last > 0.99


def test_lost_parts_of_several_maps_leave_those_that_have_begun() -> None:
    maps = [smooth((24, 24), seed) for seed in range(4)]
    frame = encode(maps[0], budget=240, more=[Heatmap(m, 3, 1.0) for m in maps[1:]])
    parts = split(frame, 51)
    counts = [len(decode(join(parts[:n])).more) for n in range(1, len(parts) + 1)]
    assert counts == sorted(counts)
    assert (counts[0], counts[-1]) == (0, 3)


def test_a_damaged_part_counts_as_lost() -> None:
    parts = split(FRAME, 51)
    bad = bytes([*parts[3][:20], parts[3][20] ^ 1, *parts[3][21:]])
    assert join([*parts[:3], bad, *parts[4:]]) == join(parts[:3])
    with pytest.raises(FrameError, match="first part"):
        join(parts[1:])
    with pytest.raises(FrameError, match="several frames"):
        join([parts[0], split(encode(VALUES, budget=300), 51)[1]])
    with pytest.raises(FrameError, match="at least 12"):
        split(FRAME, 11)
