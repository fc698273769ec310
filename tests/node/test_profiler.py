"""Collecting a relevance profile with this runtime gives what a workstation got.

`data/dscnn_profiler.tflite` was made by `edgexai profile --node` from the golden model, `data/dscnn.profile` by
`edgexai profile` from the golden samples.
"""

from pathlib import Path

import numpy as np

from edgexai.device.profiler import Profiler
from edgexai.profile_file import STEPS, unpack

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
    for tensor, (relevance, rows, spread) in maps.items():
        one_code = 2 ** (1 / STEPS) - 1 + 2e-3  # a sum may round to the next
        np.testing.assert_allclose(relevance, wanted[3][tensor][0], rtol=one_code, atol=2e-4)
        np.testing.assert_allclose(rows[:-1], wanted[3][tensor][1][:-1], rtol=one_code, atol=2e-4)
        np.testing.assert_allclose(rows[-1], wanted[3][tensor][1][-1], rtol=2e-3, atol=2e-4)
        assert spread.sum() == node.samples * spread.shape[1]
