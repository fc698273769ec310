"""Collecting a relevance profile with this runtime gives what a workstation got.

`data/dscnn_profiler.tflite` was made by `edgexai profile --node` from the golden model, `data/dscnn.profile` by
`edgexai profile` from the golden samples.
"""

from pathlib import Path

import numpy as np

from edgexai.profile.file import ROW_STEPS, SHARES, STEPS, unpack
from edgexai.runtime.profiler import Profiler

HERE = Path(__file__).parent


def test_the_profile_is_the_workstations() -> None:
    node = Profiler(HERE / "data" / "dscnn_profiler.tflite")
    with np.load(HERE.parent / "golden" / "dscnn" / "golden.npz") as known:
        for x in known["x"]:
            node.add(x)
    model, composite, count, maps = unpack(node.packed(), "the node's")
    wanted = unpack((HERE / "data" / "dscnn.profile").read_bytes(), "the workstation's")
    assert (model, composite) == wanted[:2]
    assert np.array_equal(count, wanted[2])
    for tensor, (relevance, _, rows, spread) in maps.items():
        # a sum may round to the next code
        mean, wanted_mean = (r / count.clip(1)[:, None] for r in (relevance, wanted[3][tensor][0]))
        largest = wanted_mean.max(axis=0)
        np.testing.assert_allclose(mean.max(axis=0), largest, rtol=2 ** (1 / STEPS) - 1 + 2e-3, atol=2e-4)
        assert np.all(np.abs(mean - wanted_mean) <= (1 / SHARES + 2 ** (1 / STEPS) - 1) * largest + 2e-4)
        for row, wanted_row, steps in zip(rows, wanted[3][tensor][2], ROW_STEPS, strict=False):
            np.testing.assert_allclose(row, wanted_row, rtol=2 ** (1 / steps) - 1 + 2e-3, atol=2e-4)
        value = wanted[3][tensor][2][-1]
        np.testing.assert_allclose(rows[-1], value, atol=np.abs(value).max() / 120)
        np.testing.assert_allclose(spread.sum(axis=0), node.samples)
