"""What a picture shows: one row of panels a sample, names, probabilities, and the map where the input is."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgexai.runtime.explanation import Explanation
from edgexai.runtime.picture import figure, png

LABELS = ("cat", "dog")


def explained(shape: tuple[int, ...], relevance: np.ndarray, p: float = 0.75) -> Explanation:
    x = np.linspace(0, 255, int(np.prod(shape))).reshape(shape).astype(np.uint8)
    scores = np.array([1 - p, p], np.float32)
    return Explanation((scores,), 1, 2.0, relevance, inputs=(x,), scores=scores, labels=LABELS)


def texts(drawn: object) -> list[str]:
    return [ax.get_title(loc="left") for ax in drawn.axes if ax.get_title(loc="left")]  # type: ignore[attr-defined]


def test_an_image_says_what_was_predicted_what_is_true_and_how_sure() -> None:
    e = explained((8, 8, 3), np.zeros((8, 8), np.float32))
    assert texts(figure([e, e, e], [0, 1, None])) == [
        "predicted dog 75%; true: cat 25%",
        "predicted dog 75%; true: dog",
        "predicted dog 75%",
    ]


def test_a_map_on_a_grid_lies_over_the_whole_image_and_one_scale_serves_all() -> None:
    heat = np.zeros((2, 2), np.float32)
    heat[0, 1], heat[1, 0] = 4, -2
    drawn = figure([explained((8, 8, 3), heat)])
    bright, over = drawn.axes[1].images
    assert bright.get_extent() == over.get_extent()
    assert np.allclose(over.get_array(), [[0, 1], [-0.5, 0]])
    assert over.get_clim() == (-1, 1) == drawn.axes[2].images[0].get_clim()
    assert drawn.axes[-1].get_ylabel().startswith("relevance")


def test_a_spectrogram_has_time_and_frequency_axes() -> None:
    e = explained((49, 10, 1), np.ones((49, 10), np.float32))
    drawn = figure([e], step_ms=20)
    left, right, bottom, top = drawn.axes[0].images[0].get_extent()
    assert (left, bottom, top) == (0, 0, 10)
    assert right == pytest.approx(0.98)
    assert drawn.axes[0].get_xlabel() == "time, s"
    assert drawn.axes[0].get_ylabel() == "frequency band"
    assert drawn.axes[0].images[0].get_array().shape == (10, 49)


@pytest.mark.parametrize("shape", [(40,), (40, 1), (40, 3), (1, 40, 1)])
def test_a_series_is_a_line_in_the_colours_of_its_relevance(shape: tuple[int, ...]) -> None:
    heat = np.zeros(shape, np.float32).reshape(40, -1)
    heat[30] = -1
    heat[10] = 0.5
    drawn = figure([explained(shape, heat.reshape(shape))])
    lines = [c.get_array() for c in drawn.axes[0].collections]
    assert len(lines) == heat.shape[1]
    assert lines[0][30] == pytest.approx(-0.5)
    assert lines[0][10] == pytest.approx(0.25)


def test_a_notebook_shows_the_same_picture() -> None:
    e = explained((8, 8, 3), np.ones((8, 8), np.float32))
    shown = e._repr_png_()
    assert shown is not None
    assert Image.open(io.BytesIO(shown)).size == Image.open(io.BytesIO(png(e.plot()))).size
    assert repr(e) == "Explanation('dog', score 2, relevance 8×8)"


def test_a_constant_map_and_many_samples_are_drawn(tmp_path: Path) -> None:
    e = explained((4, 4, 1), np.zeros((4, 4), np.float32))
    assert len(texts(figure([e] * 100))) == 64
