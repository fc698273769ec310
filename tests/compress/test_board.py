"""Board profiles: the ones that come along are whole, and broken ones are refused with what to do."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shared import ROOT

from edgexai.board import KINDS, boards, load_board
from edgexai.compress.measure.calibration import PUBLISHED
from edgexai.compress.measure.cost import cost
from edgexai.errors import BoardError
from edgexai.graph import load as load_graph

GOOD = (ROOT / "firmware_profiles/nucleo_l4r5zi.toml").read_text()


@pytest.mark.parametrize("name", boards())
def test_every_board_is_whole_and_names_its_sources(name: str) -> None:
    board = load_board(name)
    assert board.clock_mhz > 0
    assert board.payload > 0
    assert set(KINDS) == set(board.cycles)
    assert all(c > 0 for c in board.cycles.values())
    assert all(len(s) > 20 for s in board.sources.values())


def test_the_boards_of_the_published_figures_are_there() -> None:
    assert set(PUBLISHED) <= set(boards())


def test_a_board_that_says_nothing_of_floats_refuses_them() -> None:
    model = load_graph(ROOT / "tests/golden/cnn/model.tflite")
    with pytest.raises(BoardError, match="float32"):
        cost(model, "ndp9120")


def test_a_board_can_be_a_file_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(GOOD.replace("clock_mhz = 120", "clock_mhz = 80"))
    board = load_board(tmp_path / "mine.toml")
    assert (board.name, board.clock_mhz) == ("mine", 80)


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("clock_mhz = 120", "", "number of at least 0 for clock_mhz"),
        ("clock_mhz = 120", "clock_mhz = 0", "clock of 0 MHz"),
        ("clock_mhz = 120", 'clock_mhz = 120\nlanes = "wide"', "lanes"),
        ("conv = ", 'conv = "fast" #', "cycles.conv"),
        ("[memory]", "[memories]", "no section \\[memory\\]"),
        ("active_mw = ", "active_mw = -", "power.active_mw"),
        ('power = "median', 'energy = "median', "where its power comes from"),
        ("[link]", "[link", "not valid TOML"),
    ],
)
def test_what_is_missing_is_named(tmp_path: Path, old: str, new: str, what: str) -> None:
    (tmp_path / "b.toml").write_text(GOOD.replace(old, new, 1))
    with pytest.raises(BoardError, match=what):
        load_board(tmp_path / "b.toml")


def test_an_unknown_board_lists_the_known_ones() -> None:
    with pytest.raises(BoardError, match="nucleo_l4r5zi"):
        load_board("arduino")
    with pytest.raises(BoardError, match="cannot be read"):
        load_board("nowhere/mine.toml")


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(raw=st.binary(max_size=200), at=st.integers(0, len(GOOD)))
def test_any_bytes_give_a_board_or_a_board_error(tmp_path: Path, raw: bytes, at: int) -> None:
    (tmp_path / "b.toml").write_bytes(GOOD.encode()[:at] + raw + GOOD.encode()[at:])
    try:
        board = load_board(tmp_path / "b.toml")
    except BoardError:
        return
    assert board.clock_mhz > 0
