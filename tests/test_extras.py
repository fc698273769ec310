"""A missing package is told with the extra that really contains it."""

import configparser
import re
from pathlib import Path

import pytest

from edgexai.extras import BASE, EXTRAS, how_to_install

SETUP = configparser.ConfigParser(interpolation=None)
SETUP.read(Path(__file__).parents[1] / "setup.cfg")
DISTRIBUTION = {"skimage": "scikit-image", "PIL": "pillow", "google": "protobuf"}


def packages(text: str) -> set[str]:
    return {re.split(r"[<>=;! ]", line)[0].lower() for line in text.split("\n") if line.strip() and line[0] != "#"}


@pytest.mark.parametrize("module", EXTRAS)
def test_the_extra_that_is_named_contains_the_package(module: str) -> None:
    extra = EXTRAS[module]
    assert DISTRIBUTION.get(module, module) in packages(SETUP["options.extras_require"][extra])
    assert how_to_install(f"{module}.inner") == f"pip install 'edgexai[{extra}]'"


def test_what_edgexai_requires_itself_needs_no_extra() -> None:
    assert {name.lower() for name in BASE.values()} <= packages(SETUP["options"]["install_requires"])
