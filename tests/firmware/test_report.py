"""The report of `edgexai firmware --board`: parts that add up, a range told, a picture that shows every buffer."""

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from explained_networks import network
from native import needs
from networks_int8 import classifier

from converters.c99 import Explaining, linked, write
from converters.c99.hand_written import kernels
from converters.c99.plan_picture import svg
from converters.c99.rates import RATES
from converters.c99.reached import reached
from converters.c99.report import CYCLES, SEEN, report, text
from edgexai.board import boards, load_board
from edgexai.cli import main
from edgexai.errors import BoardError
from edgexai.graph import save


def test_parts_are_what_was_written(tmp_path: Path) -> None:
    made = write(classifier(), tmp_path, explains=Explaining("epsilon"), frame=64)
    found = report(made, load_board("nucleo_l4r5zi"))
    assert found.flash["weights and tables of predicting"] + found.flash["tables of explaining"] == made.constants
    assert found.ram["arena"] == made.explain_arena
    assert found.ram["inputs and outputs"] == 9 * 7 * 3 + 6
    assert found.ram["map of relevance"] == 4 * 9 * 7
    assert found.ram["frame"] == 64
    assert found.explain is not None
    assert found.explain.lines[: len(found.predict.lines) - 1] != ()
    assert max(line.arena for line in found.predict.lines) <= made.arena
    assert max(line.arena for line in found.explain.lines) <= (made.explain_arena or 0)
    first = found.predict.lines[0]
    assert first.macs == 5 * 7 * 13 * 9 * 3


def test_time_is_a_range_and_says_how_it_was_derived(tmp_path: Path) -> None:
    made = write(classifier(), tmp_path)
    board = load_board("nucleo_l4r5zi")
    found = report(made, board)
    assert found.explain is None
    assert found.predict.instructions is not None
    assert found.predict.ms == pytest.approx([found.predict.instructions * c / 120e3 for c in (1, 2)])
    assert found.predict.uj == pytest.approx([ms * 33.29 for ms in found.predict.ms or ()])
    assert "1 to 2 an instruction on a Cortex-M4 (CMSIS-NN's prediction of KWS takes 1.56 on" in found.derivation
    for core, (cycles, _) in SEEN.items():
        assert CYCLES[core][0] < cycles < CYCLES[core][1]
    assert found.derivation in text(found)


def test_flash_without_a_linker_is_that_of_the_kernels_that_a_model_reaches(tmp_path: Path) -> None:
    if (why := needs("arm-none-eabi-gcc")) is not None:
        pytest.skip(why)
    made = write(classifier(), tmp_path, explains=Explaining("epsilon"))
    parts, asked = report(made, load_board("nucleo_l4r5zi")).flash, linked.flash(tmp_path, "model")
    assert asked is not None
    alone = parts["weights and tables of predicting"] + parts["kernels"]
    assert asked[0] < alone
    assert asked[1] < sum(parts.values()) < 2 * asked[1]
    assert "exai_dot.c" in reached(["exai_conv"])
    assert not reached(["exai_conv", "exai_add"]) & {"exai_lstm.c", "exai_pool.c", "exai_float_layers.c"}


def test_what_explaining_adds_to_flash_is_linked_where_a_linker_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, board = write(classifier(), tmp_path, explains=Explaining("epsilon")), load_board("nucleo_l4r5zi")
    monkeypatch.setattr(linked, "GCC", "no-such-compiler")
    bare = report(made, board, tmp_path)
    parts = list(bare.flash.values())
    assert bare.more_flash == pytest.approx(100 * (parts[2] + parts[3]) / (parts[0] + parts[1]))
    assert "no arm-none-eabi-gcc" in text(bare)
    assert report(write(classifier(), tmp_path / "p"), board, tmp_path / "p").more_flash is None
    monkeypatch.undo()
    if (why := needs("arm-none-eabi-gcc")) is not None:
        pytest.skip(why)
    alone = linked.flash(tmp_path / "p", "model")
    found = linked.flash(tmp_path, "model")
    assert alone is not None
    assert found is not None
    assert alone[0] == alone[1] == found[0]
    assert made.predict_constants < found[0] < found[1]
    told = report(made, board, tmp_path)
    assert told.more_flash == pytest.approx(100 * (found[1] / found[0] - 1))
    assert f"+{told.more_flash:.1f} % flash" in text(told)


@pytest.mark.parametrize("name", boards())
def test_every_board_is_priced_or_refused(name: str, tmp_path: Path) -> None:
    made, board = write(classifier(), tmp_path), load_board(name)
    if "Cortex-M" in board.core:
        assert report(made, board).fits
    else:
        with pytest.raises(BoardError, match="choose a board with a Cortex-M"):
            report(made, board)


def test_the_picture_shows_every_buffer_where_it_lies(tmp_path: Path) -> None:
    made = write(classifier(), tmp_path, explains=Explaining())
    assert made.explanation is not None
    assert made.room is not None
    root = ElementTree.fromstring(svg(made.explanation, made.room, "a & b"))
    titles = [e.text or "" for e in root.iter("{http://www.w3.org/2000/svg}title")]
    shown = {re.search(r" (\w+): ", t)[1] for t in titles}  # type: ignore[index]
    lifetimes = made.explanation.lifetimes()
    assert shown == {name for name in lifetimes if name in made.room.offsets}
    rectangles = [e for e in root.iter("{http://www.w3.org/2000/svg}rect") if len(e)]
    boxes = [tuple(float(e.get(k, "0")) for k in ("x", "y", "width", "height")) for e in rectangles]
    for i, (x, y, w, h) in enumerate(boxes):
        for u, v, s, t in boxes[:i]:
            assert min(x + w, u + s) - max(x, u) < 0.2 or min(y + h, v + t) - max(y, v) < 0.2, "buffers overlap"


def test_picture_and_report_show_what_is_kept_and_what_is_computed_again(tmp_path: Path) -> None:
    whole = write(network(0), tmp_path, explains=Explaining())
    made = write(network(0), tmp_path, explains=Explaining(), ram=(whole.explain_arena or 0) - 8)
    assert made.explanation is not None
    assert made.room is not None
    drawn = svg(made.explanation, made.room, "a")
    again = [name for name in made.explanation.lifetimes() if re.fullmatch(r"t\d+_\d", name)]
    assert again
    assert all(f"map computed again {name}:" in drawn for name in again)
    assert re.search(r"map kept for the way back t\d+:", drawn)
    assert "computed again" not in svg(whole.explanation or whole.schedule, whole.room or whole.placement, "a")
    told = text(report(made, load_board("nucleo_l4r5zi")))
    assert told.count("| again: ") >= len(again)


def test_the_command_writes_report_and_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save(classifier(), tmp_path / "m.tflite")
    command = ["firmware", str(tmp_path / "m.tflite"), "-o", str(tmp_path / "c"), "--explain"]
    assert main([*command, "--board", "nucleo_l4r5zi", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["board"]["explain"]["instructions"] > said["board"]["predict"]["instructions"]
    assert (tmp_path / "c" / "memory.svg").read_text().startswith("<svg")
    assert "| 0 | CONV_2D" in (tmp_path / "c" / "report.md").read_text()
    assert main([*command, "--board", "nucleo_l4r5zi"]) == 0
    assert "report.md has every step" in capsys.readouterr().out


def test_a_library_for_arduino_compiles_the_model_once(tmp_path: Path) -> None:
    write(classifier(), tmp_path, "net")
    assert (tmp_path / "library.properties").read_text().startswith("name=net\n")
    assert '#include "../net.h"' in (tmp_path / "src" / "net_arduino.h").read_text()
    for build in ("CMakeLists.txt", "library.json"):
        assert "_arduino" in (tmp_path / build).read_text()


def test_every_kernel_has_a_rate() -> None:
    """So that no report has a step without a price."""
    headers = (kernels()[name].read_text("utf-8") for name in ("exai.h", "exai_float.h"))
    called = {name for text in headers for name in re.findall(r"^void (exai_\w+)\(", text, re.MULTILINE)}
    counted = {name.partition(",")[0] for name in RATES}
    assert called - counted == {"exai_back_mean", "exai_float_to_whole"}  # priced as a pool; for models of rows
