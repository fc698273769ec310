"""A node's profile is the workstation's: collected by a file, and what pruning reads."""

from pathlib import Path

import numpy as np
import pytest
from models import golden

import edgexai
from edgexai.compress.measure.profile import load_profile, profile_relevance, profiler
from edgexai.errors import DataError, ModelError
from edgexai.runtime.profiler import Profiler


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("profiler") / "p.tflite"
    edgexai.save(profiler(edgexai.load(golden("dscnn")[0])), path)
    return path


def test_the_profile_of_a_node_is_that_of_the_workstation_and_prunes(file: Path, tmp_path: Path) -> None:
    graph = edgexai.load(golden("dscnn")[0])
    x = np.random.default_rng(3).normal(size=(6, 16, 16, 2)).astype(np.float32)
    node = Profiler(file)
    for one in x:
        node.add(one)
    (tmp_path / "node.profile").write_bytes(node.packed())
    theirs, ours = load_profile(tmp_path / "node.profile"), profile_relevance(graph, x)
    assert (theirs.model, theirs.composite, theirs.samples) == (ours.model, ours.composite, 6)
    assert np.array_equal(theirs.count, ours.count)
    for t, channels in ours.channels.items():
        np.testing.assert_allclose(theirs.mean(t), ours.mean(t), atol=np.abs(ours.mean(t)).max() / 250)
        np.testing.assert_allclose(theirs.relevance(t), ours.relevance(t), rtol=0.05, atol=1e-4)
        for name in ("margin", "net", "square"):
            np.testing.assert_allclose(getattr(theirs.channels[t], name), getattr(channels, name), rtol=0.2, atol=1e-4)
        np.testing.assert_array_equal(theirs.quantile(t, 0.5), ours.quantile(t, 0.5))
    small = edgexai.prune(graph, theirs, 0.6, repair="none")
    assert sum(t.data.size for t in small.tensors if t.is_constant) < sum(
        t.data.size for t in graph.tensors if t.is_constant
    )


def test_a_profile_begins_anew(file: Path) -> None:
    node = Profiler(file)
    node.add(np.ones((16, 16, 2), np.float32))
    empty = Profiler(file).packed()
    assert node.samples == 1
    node.reset()
    assert node.packed() == empty


def test_another_file_is_refused() -> None:
    with pytest.raises(ModelError, match="no profiler"):
        Profiler(golden("dscnn")[0])


def test_a_sample_that_does_not_fit_is_refused(file: Path) -> None:
    with pytest.raises(DataError, match="takes shape"):
        Profiler(file).add(np.ones((3, 3), np.float32))
