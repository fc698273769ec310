"""The files around the sources: build files for CMake, Zephyr, PlatformIO and Arduino, a README, a self-test."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converters.c99.text import wrapped
from edgexai._version import VERSION

Port = tuple[str, int]


def texts(
    name: str,
    inputs: Sequence[Port],
    outputs: Sequence[Port],
    arena: int,
    constants: int,
    explains: bool = False,
    frame: int | None = None,
    keeps: bool = False,
) -> dict[str, str]:
    """File names and contents."""
    only_arduino = f"src/{name}_arduino"
    return {
        "CMakeLists.txt": _cmake(name),
        "README.md": _readme(name, inputs, outputs, arena, constants, explains, frame, keeps),
        "library.json": json.dumps(
            {
                "name": name,
                "version": VERSION,
                "description": "A neural network as C99, written by edgexai",
                "build": {
                    "srcDir": ".",
                    "includeDir": ".",
                    "srcFilter": [f"+<{name}.c>", "+<src/*.c>", f"-<{only_arduino}.c>"],
                    "flags": ["-Isrc"],
                },
            },
            indent=2,
        )
        + "\n",
        "library.properties": _arduino(name),
        f"{only_arduino}.h": f'/* For a sketch: #include <{name}_arduino.h> */\n#include "../{name}.h"\n',
        f"{only_arduino}.c": "/* The Arduino IDE compiles `src` alone; other builds compile the file itself. */\n"
        f'#if defined(ARDUINO) && !defined(PLATFORMIO)\n#include "../{name}.c"\n#else\n'
        f"typedef int {name}_is_compiled_by_itself;\n#endif\n",
        "zephyr/module.yml": "build:\n  cmake: .\n",
    }


def _arduino(name: str) -> str:
    fields = {
        "name": name,
        "version": VERSION,
        "author": "edgexai",
        "maintainer": "edgexai",
        "sentence": "A neural network as plain C99.",
        "paragraph": "Written by edgexai firmware; it predicts bit for bit as TensorFlow Lite Micro does.",
        "category": "Data Processing",
        "url": "https://arduino.github.io/arduino-cli/latest/library-specification/",
        "architectures": "*",
        "includes": f"{name}_arduino.h",
        "dot_a_linkage": "true",
    }
    return "".join(f"{key}={value}\n" for key, value in fields.items())


def _cmake(name: str) -> str:
    return f"""cmake_minimum_required(VERSION 3.13)
file(GLOB {name}_kernels ${{CMAKE_CURRENT_LIST_DIR}}/src/*.c)
list(FILTER {name}_kernels EXCLUDE REGEX "_arduino\\.c$")
set({name}_sources ${{CMAKE_CURRENT_LIST_DIR}}/{name}.c ${{{name}_kernels}})

get_property(others GLOBAL PROPERTY edgexai_models) # with which kernels are shared, so that they leave nothing out
set_property(GLOBAL APPEND PROPERTY edgexai_models {name})

if(COMMAND zephyr_library)
  if(others)
    zephyr_compile_definitions(EXAI_SEVERAL_MODELS)
  endif()
  zephyr_library()
  zephyr_library_sources(${{CMAKE_CURRENT_LIST_DIR}}/{name}.c)
  foreach(kernel IN LISTS {name}_kernels) # which another model may have brought along
    get_filename_component(file ${{kernel}} NAME)
    get_property(there GLOBAL PROPERTY edgexai_${{file}})
    if(NOT there)
      set_property(GLOBAL PROPERTY edgexai_${{file}} TRUE)
      zephyr_library_sources(${{kernel}})
    endif()
  endforeach()
  zephyr_include_directories(${{CMAKE_CURRENT_LIST_DIR}} ${{CMAKE_CURRENT_LIST_DIR}}/src)
else()
  project({name} C)
  set(CMAKE_C_STANDARD 99)
  add_library({name} STATIC ${{{name}_sources}})
  target_include_directories({name} PUBLIC ${{CMAKE_CURRENT_LIST_DIR}} ${{CMAKE_CURRENT_LIST_DIR}}/src)
  if(others)
    foreach(model IN LISTS others ITEMS {name})
      target_compile_definitions(${{model}} PUBLIC EXAI_SEVERAL_MODELS)
    endforeach()
  endif()
  if(CMAKE_SOURCE_DIR STREQUAL CMAKE_CURRENT_LIST_DIR AND EXISTS ${{CMAKE_CURRENT_LIST_DIR}}/selftest.c)
    enable_testing()
    add_executable({name}_selftest selftest.c)
    target_link_libraries({name}_selftest {name})
    add_test(NAME {name}_selftest COMMAND {name}_selftest)
  endif()
endif()
"""


def _readme(
    name: str,
    inputs: Sequence[Port],
    outputs: Sequence[Port],
    arena: int,
    constants: int,
    explains: bool,
    frame: int | None,
    keeps: bool,
) -> str:
    upper = name.upper()
    arrays = "\n".join(
        f"static {kind} {side}{k}[{upper}_{side.upper()}{k}];"
        for side, ports in (("x", inputs), ("y", outputs))
        for k, (kind, _) in enumerate(ports)
    )
    given = ", ".join([*(f"x{k}" for k in range(len(inputs))), *(f"y{k}" for k in range(len(outputs)))])
    more, space = "", "arena" if keeps else "explain_arena"
    if keeps:
        more = f"""
The arena keeps the state of one stream between calls. Before the first one, and where a new stream begins:

```c
{name}_reset(&arena);
```
"""
    if explains:
        where = "in the same arena, and goes on with the stream" if keeps else "in an arena of its own"
        own = "" if keeps else f"static {name}_explain_arena explain_arena; /* may lie over the other one */\n"
        state = ", &state" if keeps else ""
        more += f"""
Explaining predicts too, {where}:

```c
{own}static float relevance[{upper}_RELEVANCE], score{", state" if keeps else ""};
static int32_t target;

{name}_explain(&{space}, {given}, relevance, &target, &score{state});
```
"""
    if frame is not None:
        more += f"""
A heatmap frame of at most {frame} bytes, ready to be sent:

```c
static uint8_t frame[{upper}_FRAME];

int32_t size = {name}_frame(&{space}, relevance, target, score, sequence, seconds_since_2020, frame);
```
"""
    return f"""# {name}

A neural network as plain C99: {arena:,} bytes of RAM while it predicts, {constants:,} bytes of constants in flash.
No heap, no globals, no recursion; re-entrant with one arena a thread.

```c
#include "{name}.h"

static {name}_arena arena;
{arrays}

{name}_predict(&arena, {given});
```
{more}
## Bare metal
Compile `{name}.c` and `src/*.c` with `-O2` and the options of your core (`-mcpu=cortex-m4 -mfloat-abi=hard
-mfpu=fpv4-sp-d16`), and add this folder and `src` to the include paths. Cores with DSP or MVE use it by
themselves, and need every register: no `-fno-omit-frame-pointer`, or `-DEXAI_PORTABLE`. On a Cortex-M55 switch the
vector unit on first (CPACR, as for floats). Nothing of a C library is called but `memcpy` and `memset`. With
`-ffunction-sections` and `-Wl,--gc-sections` a linker leaves out the kernels that the model does not need; `-flto`
makes it smaller still, and faster.

## CMake
`add_subdirectory` this folder and link `{name}`. By itself it builds the self-test too, where there is a `selftest.c`:
`cmake -B build && cmake --build build && ctest --test-dir build` runs it.

## Zephyr
List this folder in `EXTRA_ZEPHYR_MODULES` (`west build -- -DEXTRA_ZEPHYR_MODULES=/path/to/{name}`), and include
`{name}.h`. Set `CONFIG_FPU=y` on a core with a floating-point unit, and `CONFIG_FPU_SHARING=y` if more than one thread
calls it: vectors of a Cortex-M55 are in that unit's registers.

## STM32Cube
Copy this folder into the project. In *Project, Properties, C/C++ General, Paths and Symbols* add it and its `src` to
*Includes* and to *Source Location*; leave `selftest.c` out of the build. Set *Optimization* to `-O2`.

## Arduino
Put this folder under `libraries/` of the sketchbook and `#include <{name}_arduino.h>`.

## PlatformIO
Put this folder under `lib/` of the project and `#include <{name}.h>`.

## Several models in one program
Write them with one version of edgexai. Kernels are compiled for one model (`src/exai_uses.h`) unless
`EXAI_SEVERAL_MODELS` is defined. CMake and Zephyr define it, and take each kernel once. Elsewhere compile one `src`, of
a model with frames if there is one, and every model's own `.c`, all of it with `-DEXAI_SEVERAL_MODELS` (PlatformIO:
`build_flags`).
"""


def selftest(
    name: str,
    samples: NDArray[Any],
    expected: NDArray[Any],
    maps: NDArray[np.float32] | None = None,
    keeps: bool = False,
    floats: bool = False,
) -> str:
    """A program that ends with 0 if every answer is the expected one, and every map near the one of an explainer."""
    arrays = []
    given = [("samples", samples), ("expected", expected), *([] if maps is None else [("maps", maps)])]
    for what, values in given:
        kind = "float" if values.dtype == np.float32 else f"{values.dtype}_t"
        words = [f"{float(v).hex()}f" if kind == "float" else str(int(v)) for v in values.reshape(-1)]
        arrays.append(f"static const {kind} {what}[{values.size}] = {{\n" + "\n".join(wrapped(words)) + "\n};\n")
    kind = "float" if expected.dtype == np.float32 else f"{expected.dtype}_t"
    tables = "\n".join(arrays)
    same = "memcmp(y, expected + i * {n}, sizeof y) != 0"
    if floats:
        same = "!near(y, expected + i * {n})"
        tables += f"""
/* Whether answers are equal to five digits. */
static int near(const float *a, const float *b) {{
    for (int i = 0; i < {expected.shape[1]}; i++) {{
        const float apart = a[i] - b[i], most = 1e-5f * (1.0f + (b[i] < 0.0f ? -b[i] : b[i]));
        if (!(apart <= most && apart >= -most)) return 0;
    }}
    return 1;
}}
"""
    differs = same.format(n=expected.shape[1])
    reset = "\n    {name}_reset(&{arena});" if keeps else ""
    explained = ""
    if maps is not None:
        tables += f"""
static {name}_explain_arena explain_arena;
static float relevance[{name.upper()}_RELEVANCE];

/* Whether two maps have a cosine of more than 0.995, or are both 0. */
static int alike(const float *a, const float *b) {{
    float both = 0.0f, first = 0.0f, second = 0.0f;
    for (int i = 0; i < {name.upper()}_RELEVANCE; i++) {{
        both += a[i] * b[i];
        first += a[i] * a[i];
        second += b[i] * b[i];
    }}
    return both >= 0.0f && both * both >= 0.99f * first * second && (first > 0.0f) == (second > 0.0f);
}}
"""
        passed = f"&explain_arena, samples + i * {samples.shape[1]}, y, relevance, &target, &score"
        explained = f"""{reset.format(name=name, arena="explain_arena")}
    for (int i = 0; i < {len(samples)}; i++) {{
        {kind} y[{expected.shape[1]}];
        int32_t target;
        float score{", state" if keeps else ""};
        {name}_explain({passed}{", &state" if keeps else ""});
        wrong += {differs};
        wrong += !alike(relevance, maps + i * {name.upper()}_RELEVANCE);
    }}"""
    return f"""/* Answers to samples, compared with the reference kernels'; exits with the number of wrong ones. */

{"" if floats else "#include <string.h>"}

#include "{name}.h"

{tables}
static {name}_arena arena;

int main(void) {{
    int wrong = 0;{reset.format(name=name, arena="arena")}
    for (int i = 0; i < {len(samples)}; i++) {{
        {kind} y[{expected.shape[1]}];
        {name}_predict(&arena, samples + i * {samples.shape[1]}, y);
        wrong += {differs};
    }}{explained}
    return wrong;
}}
"""
