"""The written sources: strict with every compiler, without heap or globals, tested by themselves, run on Cortex-M."""

import json
import subprocess
from dataclasses import replace
from pathlib import Path

import networks_int8 as layers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from cortex import CORTEX, run
from native import STRICT, needs
from networks_int8 import Net

from converters.c99 import Explaining, write
from converters.c99.report import report, text
from edgexai.board import load_board
from edgexai.cli import main
from edgexai.errors import ConfigError, Error
from edgexai.graph import Graph, OpKind, Quantization, save
from edgexai.runtime.micro import MicroInterpreter


def network() -> Graph:
    """A small network with most kernels, whose widths are no multiples of anything."""
    net = Net(np.random.default_rng(3))
    x = net.map((1, 9, 7, 3))
    y = layers.convolution(net, x, 13, (3, 3), (2, 1), 1, 0, 1)
    y = layers.depthwise(net, y, 1, (3, 3), 1, 1, 0, 1)
    z = layers.convolution(net, y, 13, (1, 1), (1, 1), 1, 0, 0)
    y = layers.pair(net, OpKind.ADD, y, z, 1)
    y = layers.pool(net, y, OpKind.AVERAGE_POOL_2D, (2, 2), 1, 1, 0)
    flat = net.same(y, (1, 4 * 6 * 13))
    y = net.op(OpKind.RESHAPE, [y, net.ints([1, 4 * 6 * 13])], [flat], schema.ReshapeOptionsT())
    return net.finish(x, layers.dense(net, y, 6, 0))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The network's sources with a self-test against TensorFlow Lite Micro."""
    pytest.importorskip("tflite_micro", reason="the tflite-micro wheel is not installed")
    where = tmp_path_factory.mktemp("firmware")
    save(network(), where / "m.tflite")
    samples = np.random.default_rng(4).integers(-128, 128, (20, 9, 7, 3)).astype(np.int8)
    np.savez(where / "d.npz", x=samples)
    command = ["firmware", str(where / "m.tflite"), "-o", str(where / "c"), "--samples", str(where / "d.npz")]
    assert main(command) == 0
    micro = MicroInterpreter(where / "m.tflite")
    assert len({micro.run(x[None])[0].tobytes() for x in samples[:16]}) > 8  # a self-test that can fail
    return where / "c"


def sources(folder: Path) -> list[str]:
    return [str(folder / "selftest.c"), str(folder / "model.c"), *map(str, sorted((folder / "src").glob("*.c")))]


@pytest.mark.parametrize(
    "compiler",
    [("gcc", "-O2"), ("gcc", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"), ("clang", "-O2")],
)
def test_the_self_test_passes_on_this_machine(compiler: tuple[str, ...], folder: Path, tmp_path: Path) -> None:
    if (why := needs(compiler[0])) is not None:
        pytest.skip(why)
    program = tmp_path / "selftest"
    command = [*compiler, *STRICT, f"-I{folder}", f"-I{folder / 'src'}", "-o", str(program), *sources(folder)]
    subprocess.run(command, check=True)
    assert subprocess.run([program], timeout=60).returncode == 0


def test_the_self_test_notices_a_wrong_answer(folder: Path, tmp_path: Path) -> None:
    if (why := needs("gcc")) is not None:
        pytest.skip(why)
    text = (folder / "selftest.c").read_text()
    assert "expected + i * 6" in text
    (tmp_path / "selftest.c").write_text(text.replace("expected + i * 6", "expected + (i ? i - 1 : 1) * 6"))
    command = ["gcc", f"-I{folder}", f"-I{folder / 'src'}", "-o", str(tmp_path / "t"), *sources(folder)[1:]]
    subprocess.run([*command, str(tmp_path / "selftest.c")], check=True)
    assert subprocess.run([tmp_path / "t"], timeout=60).returncode != 0


@pytest.mark.parametrize("machine", CORTEX)
@pytest.mark.parametrize("option", ["-O2", "-Os", "-Og", "-O0"])
def test_the_self_test_passes_on_a_cortex_m(machine: str, option: str, folder: Path, tmp_path: Path) -> None:
    run(machine, tmp_path, sources(folder), [option, f"-I{folder}", f"-I{folder / 'src'}"])


def test_nothing_is_kept_in_ram_between_calls(folder: Path, tmp_path: Path) -> None:
    """No object has data or bss: what is not constant lies in the caller's arena."""
    for tool in ("gcc", "size"):
        if (why := needs(tool)) is not None:
            pytest.skip(why)
    command = ["gcc", "-O2", "-c", f"-I{folder}", f"-I{folder / 'src'}", *sources(folder)[1:]]
    subprocess.run(command, check=True, cwd=tmp_path)
    objects = sorted(tmp_path.glob("*.o"))
    assert len(objects) > 5
    listed = subprocess.check_output(["size", "-A", *objects], text=True).splitlines()
    kept = [line for line in listed if line.split()[:1] in (["\x2edata"], [".bss"]) and int(line.split()[1])]
    assert kept == []
    symbols = subprocess.check_output(["nm", "-u", *objects], text=True)
    assert not [heap for heap in ("malloc", "calloc", "free", "realloc") if f" {heap}\n" in symbols]


def test_the_report_is_json(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = str(folder.parent / "m.tflite")
    assert main(["firmware", model, "-o", str(tmp_path), "--name", "small", "--explain", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["explain_arena_bytes"] > report["arena_bytes"] >= report["arena_least_bytes"] > 0
    assert all((tmp_path / name).is_file() for name in report["files"])
    assert f"#define SMALL_ARENA {report['arena_bytes']} " in (tmp_path / "small.h").read_text()


def test_the_same_model_gives_the_same_sources(tmp_path: Path) -> None:
    a, b = write(network(), tmp_path / "a"), write(network(), tmp_path / "b")
    assert a.files == b.files
    assert all((tmp_path / "a" / f).read_bytes() == (tmp_path / "b" / f).read_bytes() for f in a.files)


def test_a_name_that_c_does_not_take_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot begin a C name"):
        write(network(), tmp_path, name="2nd model")


def test_wrong_samples_are_one_sentence(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.savez(tmp_path / "d.npz", x=np.zeros((2, 5), np.int8))
    command = ["firmware", str(folder.parent / "m.tflite"), "-o", str(tmp_path), "--samples", str(tmp_path / "d.npz")]
    assert main(command) == 1
    assert "the model takes samples (N, 9, 7, 3), not (2, 5)" in capsys.readouterr().err


@pytest.mark.parametrize(
    "name", ["string", "stdint", "strings", "arm_mve", "exai", "exai_float", "edgexai_heatmap", "selftest", "test"]
)
def test_a_name_that_something_else_has_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="choose another"):
        write(network(), tmp_path, name)


def test_a_folder_is_written_again_without_what_it_held_before(tmp_path: Path) -> None:
    samples = np.zeros((2, 9, 7, 3), np.int8)
    write(network(), tmp_path, "first", samples=samples, expected=np.zeros((2, 6), np.int8), frame=64)
    (tmp_path / "report.md").write_text("of the first")
    (tmp_path / "mine.c").write_text("kept")
    made = write(network(), tmp_path, "second")
    there = {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file()}
    assert there == {*made.files, "mine.c"}
    with pytest.raises(ConfigError, match=r"'mine.c' already"):
        write(network(), tmp_path, "mine")
    assert (tmp_path / "mine.c").read_text() == "kept"
    assert {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file()} == there


def test_files_of_others_are_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("mine")
    with pytest.raises(ConfigError, match=r"'README.md' already"):
        write(network(), tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["README.md"]
    (tmp_path / "edgexai.json").write_text("[]")
    with pytest.raises(ConfigError, match=r"damaged"):
        write(network(), tmp_path)


@pytest.mark.parametrize("option", [["--composite", "epsilon"], ["--grid", "5x7"], ["--target", "predicted"]])
def test_an_option_of_explaining_asks_for_it(option: list[str], tmp_path: Path) -> None:
    save(network(), tmp_path / "m.tflite")
    assert main(["firmware", str(tmp_path / "m.tflite"), "-o", str(tmp_path / "c"), *option]) == 0
    assert "model_explain(" in (tmp_path / "c" / "model.h").read_text()


@pytest.mark.skipif(needs("gcc") is not None, reason=str(needs("gcc")))
@pytest.mark.parametrize(
    "name",
    [
        "*\\ int injected; /*",
        "*/ int injected; /*",
        "*??/\n/ int injected; /*",
        "*éé/\n/ int injected; /*",
        "a|b\r\n| c",
        "é\udce4",
    ],
)
def test_a_name_of_a_file_is_no_code(name: str, tmp_path: Path) -> None:
    """Names of maps stand in comments of C and in cells of a table, and a file from anywhere may name them anything."""
    graph = network()
    named = tuple(t if t.is_constant else replace(t, name=name) for t in graph.tensors)
    made = write(replace(graph, tensors=named), tmp_path / "c", explains=Explaining())
    options = [*STRICT, f"-I{tmp_path / 'c' / 'src'}", "-E", "-P", str(tmp_path / "c" / "model.c")]
    done = subprocess.run(["gcc", *options], check=True, capture_output=True, text=True)
    assert not done.stderr
    assert "injected" not in done.stdout
    table = text(report(made, load_board("nucleo_l4r5zi"))).encode().decode()  # what cannot be encoded is no text
    rows = [line for line in table.splitlines() if "(operator" in line]
    assert rows
    assert all(row.startswith("| ") and row.count("|") == 8 for row in rows)


@pytest.mark.parametrize(
    ("scale", "zero", "why"),
    [
        (1e-30, 0, "contradicts its tensors .a ratio of scales is"),
        (0.05, 300, "has the zero point 300, which is no int8"),
    ],
)
def test_a_quantization_that_int8_has_not_is_refused(scale: float, zero: int, why: str, tmp_path: Path) -> None:
    """Its C shifted by more bits than a word has."""
    graph = network()
    last = graph.tensors[graph.outputs[0]]
    wrong = Quantization(np.array([scale], np.float32), np.array([zero], np.int64))
    tensors = tuple(replace(t, quantization=wrong) if t is last else t for t in graph.tensors)
    with pytest.raises(Error, match=why):
        write(replace(graph, tensors=tensors), tmp_path / "c")
    assert not (tmp_path / "c").exists()
