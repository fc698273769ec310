"""Generated sources as a runtime of `Explainer`: compiled here, and the same answers as those of the others."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from native import needs
from networks_int8 import classifier

import edgexai
from converters.c99 import Explaining, write
from edgexai.errors import DataError, Error, ModelError
from edgexai.graph import serialize
from edgexai.runtime.compiled import Compiled

needs_gcc = pytest.mark.skipif(needs("gcc") is not None, reason=str(needs("gcc")))


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("CC", "gcc")
    return tmp_path / "cache" / "edgexai"


@needs_gcc
@pytest.mark.parametrize("other", ["micro", "tflite"])
def test_explanations_are_those_of_the_other_runtimes(other: Any, cache: Path, tmp_path: Path) -> None:
    if other == "micro":
        pytest.importorskip("tflite_micro", reason="the tflite-micro wheel is not installed")
    write(classifier(), tmp_path / "c", "net", explains=Explaining())
    ours = edgexai.Explainer(tmp_path / "c", runtime="c99")
    theirs = edgexai.Explainer(serialize(edgexai.attach(classifier(), ours.metadata.composite)), runtime=other)
    assert ours.metadata.source == theirs.metadata.source
    assert ours.input.shape == theirs.input.shape
    likeness = []
    for x in np.random.default_rng(1).integers(-128, 128, (20, 9, 7, 3)).astype(np.int8):
        one, two = ours(x), theirs(x)
        assert np.abs(one.outputs[0].astype(int) - two.outputs[0]).max() <= (0 if other == "micro" else 1)
        assert np.array_equal(ours.predict(x)[0], one.outputs[0])
        if one.target == two.target and np.array_equal(one.outputs[0], two.outputs[0]):
            assert one.relevance.shape == two.relevance.shape == (9, 7)
            assert one.score == pytest.approx(two.score, rel=1e-4)
            likeness.append(np.corrcoef(one.relevance.ravel(), two.relevance.ravel())[0, 1])
    assert len(likeness) >= 10
    assert np.median(likeness) >= 0.999


@needs_gcc
def test_real_numbers_come_in_by_the_input_s_scale(cache: Path, tmp_path: Path) -> None:
    write(classifier(), tmp_path / "c", "net", explains=Explaining())
    ours = edgexai.Explainer(tmp_path / "c", runtime="c99")
    x = np.random.default_rng(2).integers(-128, 128, (9, 7, 3)).astype(np.int8)
    real = (x.astype(np.float32) - ours.input.zero_point) * np.float32(ours.input.scale)
    assert np.array_equal(ours(real).relevance, ours(x).relevance)
    with pytest.raises(DataError, match="takes shape"):
        ours(x[:4])


@needs_gcc
def test_a_library_is_built_once_for_the_same_sources(cache: Path, tmp_path: Path) -> None:
    write(classifier(), tmp_path / "c", "net")
    Compiled(tmp_path / "c")
    (library,) = cache.iterdir()
    built = library.stat().st_mtime_ns
    Compiled(tmp_path / "c")
    assert library.stat().st_mtime_ns == built
    (tmp_path / "c" / "net.c").write_text((tmp_path / "c" / "net.c").read_text() + "\n")
    Compiled(tmp_path / "c")
    assert len(list(cache.iterdir())) == 2


@needs_gcc
def test_a_library_that_was_cut_short_is_built_anew(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(classifier(), tmp_path / "c", "net", explains=Explaining())
    x = np.random.default_rng(2).integers(-128, 128, (9, 7, 3)).astype(np.int8)
    expected = edgexai.Explainer(tmp_path / "c", runtime="c99")(x).relevance
    (library,) = cache.iterdir()
    whole = library.read_bytes()
    for content in (b"", whole[:100]):
        other = tmp_path / str(len(content)) / "edgexai" / library.name  # what is loaded already is known by its path
        other.parent.mkdir(parents=True, mode=0o700)
        other.write_bytes(content)
        monkeypatch.setenv("XDG_CACHE_HOME", str(other.parents[1]))
        assert np.array_equal(edgexai.Explainer(tmp_path / "c", runtime="c99")(x).relevance, expected)
        assert len(other.read_bytes()) == len(whole)


@needs_gcc
def test_cc_may_hold_options(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(classifier(), tmp_path, "net")
    monkeypatch.setenv("CC", "gcc -g")
    Compiled(tmp_path)
    for wrong, why in (("gcc '", "is no command"), ("no-such-compiler -g", "there is no no-such-compiler -g")):
        monkeypatch.setenv("CC", wrong)
        with pytest.raises(ModelError, match=why):
            Compiled(tmp_path)


@needs_gcc
def test_a_cache_that_others_can_write_into_is_not_used(cache: Path, tmp_path: Path) -> None:
    write(classifier(), tmp_path / "c", "net")
    cache.mkdir(parents=True)
    cache.chmod(0o777)
    Compiled(tmp_path / "c")
    assert list(cache.iterdir()) == []


def test_without_a_compiler_it_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(classifier(), tmp_path, "net", explains=Explaining())
    monkeypatch.setenv("PATH", os.devnull)
    monkeypatch.delenv("CC", raising=False)
    with pytest.raises(ModelError, match="needs a C compiler and there is no cc; install gcc or clang"):
        edgexai.Explainer(tmp_path, runtime="c99")


@needs_gcc
def test_sources_that_do_not_fit_their_manifest_are_refused(cache: Path, tmp_path: Path) -> None:
    """A manifest of a smaller arena would have the model write beyond it."""
    write(classifier(), tmp_path, "net", explains=Explaining())
    said = json.loads((tmp_path / "edgexai.json").read_text())
    (tmp_path / "edgexai.json").write_text(json.dumps(said | {"explain_arena": said["explain_arena"] - 8}))
    with pytest.raises(ModelError, match="cannot compile the sources"):
        edgexai.Explainer(tmp_path, runtime="c99")


def test_what_is_no_folder_of_sources_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="is no folder of sources"):
        edgexai.Explainer(tmp_path, runtime="c99")
    with pytest.raises(DataError, match="not bytes"):
        edgexai.Explainer(b"TFL3", runtime="c99")
    write(classifier(), tmp_path / "c", "net", explains=Explaining())
    with pytest.raises(ModelError, match="sources that you trust"):
        edgexai.Explainer(tmp_path / "c", runtime="c99", untrusted=True)


@needs_gcc
def test_sources_that_only_predict_explain_nothing(cache: Path, tmp_path: Path) -> None:
    write(classifier(), tmp_path, "net")
    with pytest.raises(ModelError, match="write them with --explain"):
        edgexai.Explainer(tmp_path, runtime="c99")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_any_manifest_is_taken_or_refused_in_a_sentence(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Before a compiler is asked: there are no sources in the folder."""
    folder = tmp_path_factory.mktemp("m")
    write(classifier(), folder / "c", explains=Explaining())
    said = json.loads((folder / "c" / "edgexai.json").read_text())
    where: Any = said
    for _ in range(data.draw(st.integers(0, 2))):
        inner = [v for v in (where.values() if isinstance(where, dict) else where) if isinstance(v, dict | list)]
        if inner:
            where = data.draw(st.sampled_from(inner))
    keys = list(where) if isinstance(where, dict) else list(range(len(where)))
    for key in data.draw(st.lists(st.sampled_from(keys), min_size=1, max_size=2)) if keys else []:
        where[key] = data.draw(JSON)
    (folder / "edgexai.json").write_text(json.dumps(said))
    with pytest.raises(Error):
        edgexai.Explainer(folder, runtime="c99")
