"""What is written around the sources does what it says: the code of README.md compiles, models live in one program."""

import re
import subprocess
from pathlib import Path

import pytest
from float_networks import mixed
from native import SEVERAL, STRICT, needs
from networks_int8 import classifier
from shared import SHARED, needs_shared

from converters.c99 import Explaining, write
from converters.c99.firmware import Firmware

needs_gcc = pytest.mark.skipif(needs("gcc") is not None, reason=str(needs("gcc")))
needs_cmake = pytest.mark.skipif(needs("cmake") is not None, reason=str(needs("cmake")))
WAKE = SHARED / "cases" / "models" / "wake_word_streaming.tflite"
ZEPHYR = """
cmake_minimum_required(VERSION 3.13)
project(app C)
add_executable(app main.c)
function(zephyr_library)
  file(RELATIVE_PATH library ${CMAKE_SOURCE_DIR} ${CMAKE_CURRENT_SOURCE_DIR})
  set(ZEPHYR_CURRENT_LIBRARY zephyr_${library} PARENT_SCOPE)
  add_library(zephyr_${library} STATIC "")
  target_link_libraries(app "-Wl,--whole-archive" zephyr_${library} "-Wl,--no-whole-archive")
endfunction()
function(zephyr_library_sources)
  target_sources(${ZEPHYR_CURRENT_LIBRARY} PRIVATE ${ARGV})
endfunction()
function(zephyr_include_directories)
  target_include_directories(app PUBLIC ${ARGV})
  target_include_directories(${ZEPHYR_CURRENT_LIBRARY} PUBLIC ${ARGV})
endfunction()
function(zephyr_compile_definitions)
  add_compile_definitions(${ARGV})
  target_compile_definitions(zephyr_one PRIVATE ${ARGV}) # all of Zephyr's libraries take them
  target_compile_definitions(app PRIVATE ${ARGV})
endfunction()
add_subdirectory(one)
add_subdirectory(two)
"""
"""As much of Zephyr's build system as a module calls: libraries are linked whole."""
TWO = """
#include "one.h"
#include "two.h"
static one_explain_arena a;
static two_explain_arena b;
static float relevance[TWO_RELEVANCE];
static int8_t x[TWO_X0], y[TWO_Y0];
int main(void) {
    uint8_t frame[TWO_FRAME];
    int32_t target;
    float score;
    one_explain(&a, x, y, relevance, &target, &score);
    two_explain(&b, x, y, relevance, &target, &score);
    return two_frame(&b, relevance, target, score, 0, 0, frame) > 0 ? 0 : 1;
}
"""


def compiled(made: Firmware, folder: Path) -> None:
    """Declarations of README.md stand at file scope, calls in a function."""
    blocks = re.findall(r"```c\n(.*?)```", (folder / "README.md").read_text(), re.DOTALL)
    lines = "\n".join(blocks).splitlines()
    outside = [line for line in lines if line.startswith(("#include", "static"))]
    inside = [line for line in lines if line not in outside]
    head = ["static uint64_t sequence;", "static uint32_t seconds_since_2020;"] if made.frame else []
    body = [*outside, *head, "int main(void) {", *inside, "return 0;", "}"]
    if made.frame:
        body[-2] = "return size < 0;"
    (folder / "main.c").write_text("\n".join(body) + "\n")
    sources = ["main.c", f"{made.name}.c", *(f"src/{p.name}" for p in (folder / "src").glob("*.c"))]
    subprocess.run(["gcc", *STRICT, "-I.", "-Isrc", "-o", "t", *sources], cwd=folder, check=True)
    assert sum(f"{made.name}_{what}(" in "\n".join(inside) for what in ("predict", "explain", "frame", "reset")) >= 2
    subprocess.run([folder / "t"], check=True, timeout=60)


@needs_gcc
def test_the_code_of_the_readme_compiles_and_runs(tmp_path: Path) -> None:
    compiled(write(classifier(), tmp_path / "int8", "net", frame=64), tmp_path / "int8")
    floats = write(mixed(), tmp_path / "float", "net", Explaining("epsilon"), floats=True)
    compiled(floats, tmp_path / "float")


@needs_gcc
@needs_shared
def test_the_readme_of_a_stream_resets_it_and_takes_what_states_got(tmp_path: Path) -> None:
    made = write(WAKE, tmp_path, "wake", frame=64)
    compiled(made, tmp_path)
    assert "wake_reset(&arena);" in (tmp_path / "README.md").read_text()


@pytest.fixture
def two(tmp_path: Path) -> Path:
    """Two models; the second one's maps are larger, and its alone become frames."""
    write(classifier(), tmp_path / "one", "one", explains=Explaining("epsilon"))
    write(classifier(40), tmp_path / "two", "two", frame=64)
    (tmp_path / "main.c").write_text(TWO)
    return tmp_path


@needs_gcc
def test_two_models_live_in_one_program(two: Path) -> None:
    sources = ["main.c", "one/one.c", "two/two.c", *(f"two/src/{p.name}" for p in (two / "two" / "src").glob("*.c"))]
    command = ["gcc", *STRICT, SEVERAL, "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    subprocess.run([*command, "-Ione", "-Itwo", "-Itwo/src", "-o", "t", *sources], cwd=two, check=True)
    subprocess.run([two / "t"], check=True, timeout=60)


@needs_cmake
@needs_gcc
def test_cmake_links_two_models_whose_kernels_leave_nothing_out(two: Path) -> None:
    text = "cmake_minimum_required(VERSION 3.13)\nproject(app C)\nadd_subdirectory(one)\nadd_subdirectory(two)\n"
    (two / "CMakeLists.txt").write_text(text + "add_executable(app main.c)\ntarget_link_libraries(app one two)\n")
    subprocess.run(["cmake", "-S", two, "-B", two / "b"], check=True, capture_output=True)
    subprocess.run(["cmake", "--build", two / "b"], check=True, capture_output=True)
    subprocess.run([two / "b" / "app"], check=True, timeout=60)


@needs_cmake
@needs_gcc
def test_zephyr_takes_the_kernels_of_two_models_once(two: Path) -> None:
    (two / "CMakeLists.txt").write_text(ZEPHYR)
    subprocess.run(["cmake", "-S", two, "-B", two / "b"], check=True, capture_output=True)
    subprocess.run(["cmake", "--build", two / "b"], check=True, capture_output=True)
    subprocess.run([two / "b" / "app"], check=True, timeout=60)


def test_kernels_are_the_same_for_every_model(tmp_path: Path) -> None:
    """But for what they leave out."""
    for name, columns in (("a", 7), ("b", 40)):
        write(classifier(columns), tmp_path / name, name, frame=64)
    files = sorted(p.name for p in (tmp_path / "a" / "src").glob("e*") if p.name != "exai_uses.h")
    assert "edgexai_heatmap.c" in files
    assert all((tmp_path / "a" / "src" / f).read_bytes() == (tmp_path / "b" / "src" / f).read_bytes() for f in files)
