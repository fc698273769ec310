"""The C encoder: the bytes of Python's, small enough for a microcontroller."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from c_encoder import CORTEX_M4, SOURCES, STRICT, WITH_BASIS, build, build_for_qemu, case, qemu, run
from heatmap_vectors import VECTORS, arguments, array
from hypothesis import given, settings
from hypothesis import strategies as st

from edgexai.errors import FrameError
from edgexai.heatmap import Fields, Heatmap, encode
from edgexai.heatmap.basis import learn
from edgexai.heatmap.layout import COMPANDED, EPOCH, Reader, unpack

ROOT = Path(__file__).parents[2]


def tool(name: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(name) is None, reason=f"{name} is not installed")


def wanted() -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Vectors and their arguments. What compares with a decoded map has no place in an encoder without a decoder: a
    quality becomes the budget that it came to, a difference is left out; so are maps that are not companded."""
    found = []
    for one in (v for v in VECTORS if not (v["references"] or v["bases"]) and bytes.fromhex(v["frame"])[0] & COMPANDED):
        options = arguments(one)
        options.pop("reference")
        options.pop("basis")
        if options.pop("quality", None) or options.pop("kept", None):
            options["budget"] = len(one["frame"]) // 2
        found.append((one, options))
    return found


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    sanitizers = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")
    return [str(build(tmp_path_factory.mktemp("c"), ["cc", *STRICT, "-g", "-O1", *sanitizers]))]


def check_vectors(command: list[str]) -> None:
    cases = wanted()
    assert len(cases) > 20
    for phase in range(4):
        found = run(command, [case(array(v, v["input"]), phase=phase, **o) for v, o in cases])
        cases = [c for c, frame in zip(cases, found, strict=True) if frame != bytes.fromhex(c[0]["frame"])]
        if phase == 0:
            assert {v["name"] for v, _ in cases} <= {"quality", "share kept"}
    assert cases == []


@pytest.fixture(scope="module")
def host_with_basis(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    sanitizers = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")
    return [str(build(tmp_path_factory.mktemp("c"), ["cc", *STRICT, WITH_BASIS, "-g", "-O1", *sanitizers]))]


def check_vectors_of_a_basis(command: list[str]) -> None:
    cases = []
    for vector in (v for v in VECTORS if v["bases"]):
        options = {**arguments(vector), "basis": bytes.fromhex(vector["bases"][0])}
        options.pop("reference")
        if options.pop("quality", None):
            options["budget"] = len(vector["frame"]) // 2
        cases.append((vector, options))
    assert len(cases) >= 5
    for phase in range(4):
        found = run(command, [case(array(v, v["input"]), phase=phase, **o) for v, o in cases])
        cases = [c for c, frame in zip(cases, found, strict=True) if frame != bytes.fromhex(c[0]["frame"])]
        if phase == 0:
            assert {v["name"] for v, _ in cases} <= {"a basis, quality"}
    assert cases == []


@tool("cc")
def test_a_basis_gives_the_vectors_and_the_bytes_of_python(
    host_with_basis: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python takes the basis where it is better; here it always does."""
    check_vectors_of_a_basis(host_with_basis)
    monkeypatch.setattr("edgexai.heatmap.encoding._likeness", lambda frame, *_: unpack(Reader(frame)).basis > b"")
    for i, shape in enumerate([(9,), (40,), (16, 16), (28, 31), (3, 8, 7), (1, 1), (96, 96)]):
        maps = [values(shape, 10 * i + k, kind) for k, kind in enumerate((0, 1, 2, 3, 1))]
        some = learn(np.stack(maps[:4]), 3)
        for budget in (30, 200, None):
            more = [Heatmap(maps[0], 1)] if i % 2 else []
            wanted = encode(maps[4], budget=budget, basis=some, more=more)
            assert unpack(Reader(wanted)).basis == some.name
            assert run(host_with_basis, [case(maps[4], budget=budget, basis=some.data, more=more)]) == [wanted]
            plain = encode(maps[4], budget=budget, more=more)
            assert run(host_with_basis, [case(maps[4], budget=budget, basis=b"", more=more)]) == [plain]
        other = learn(values((2, *shape[:1]), 1, 0), 2).data
        assert run(host_with_basis, [case(maps[4], basis=b) for b in (other[:24], some.data[:-1])]) == ["shape"] * 2


@tool("cc")
def test_the_vectors_are_met_under_sanitizers(host: list[str]) -> None:
    check_vectors(host)


@tool("arm-none-eabi-gcc")
@tool("qemu-system-arm")
def test_the_vectors_are_met_on_a_cortex_m4(tmp_path: Path) -> None:
    check_vectors(qemu(build_for_qemu(tmp_path)))
    check_vectors_of_a_basis(qemu(build_for_qemu(tmp_path, WITH_BASIS)))


@tool("arm-none-eabi-gcc")
def test_code_and_state_fit_a_microcontroller(tmp_path: Path) -> None:
    """At most 6 KB of code and constants, 4 KB of state and stack; the stack counted as if all functions were open."""
    unit = tmp_path / "encoder.o"
    source = SOURCES / "edgexai_heatmap.c"
    subprocess.run([*CORTEX_M4, "-fstack-usage", "-c", str(source), "-o", str(unit)], check=True)
    listed = subprocess.run(["arm-none-eabi-size", "-A", str(unit)], check=True, capture_output=True, text=True).stdout
    sizes = {line.split()[0]: int(line.split()[1]) for line in listed.splitlines() if line.startswith(".")}
    assert sizes[".text"] + sizes[".rodata"] <= 6 * 1024
    assert sizes[".data"] == sizes[".bss"] == 0
    stack = sum(int(line.split("\t")[1]) for line in unit.with_suffix(".su").read_text().splitlines())
    (tmp_path / "state.c").write_text('#include "edgexai_heatmap.h"\nedgexai_heatmap_state state;\n')
    subprocess.run([*CORTEX_M4, f"-I{SOURCES}", "-c", "state.c"], check=True, cwd=tmp_path)
    listed = subprocess.run(["arm-none-eabi-nm", "-S", "state.o"], cwd=tmp_path, check=True, capture_output=True).stdout
    assert int(listed.split()[1], 16) + stack <= 4 * 1024
    undefined = subprocess.run(["arm-none-eabi-nm", "-u", str(unit)], check=True, capture_output=True, text=True).stdout
    assert set(undefined.split()) - {"U"} <= {"memcpy", "memset"}


def values(shape: tuple[int, ...], seed: int, kind: int) -> np.ndarray:
    """Maps of all kinds: noise, smooth, with grids, sparse, of wild scale, blank."""
    random = np.random.default_rng(seed)
    found = random.normal(size=shape)
    if kind == 1:
        for axis in range(len(shape)):
            found = np.cumsum(found, axis)
    elif kind == 2:
        for axis, n in enumerate(shape):
            row = random.uniform(0.05, 1, 4)[np.arange(n) % random.choice([2, 4])]
            found = np.abs(found) * row.reshape(-1, *(1,) * (len(shape) - axis - 1))
    elif kind == 3:
        found *= random.uniform(size=shape) < 0.05
    elif kind == 4:
        found *= 2.0 ** random.integers(-60, 60, shape)
    elif kind == 5:
        found = found * 2.0 ** random.choice([random.integers(-110, -92), random.integers(80, 88)])
    elif kind == 6:
        found = np.sign(found)
    return found.astype(np.float32)


SHAPES = st.one_of(
    st.tuples(st.integers(1, 200)),
    st.tuples(st.integers(1, 48), st.integers(1, 48)),
    st.tuples(st.integers(1, 9), st.integers(1, 12), st.integers(1, 12)),
)
MAPS = st.builds(values, SHAPES, st.integers(0, 1 << 30), st.integers(0, 6))
FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)
HEADERS = st.fixed_dictionaries(
    {
        "budget": st.one_of(st.none(), st.integers(1, 300)),
        "model": st.sampled_from([b"", b"\1\2\3\4", b"abcdefgh"]),
        "sequence": st.one_of(st.just(0), st.integers(0, 2**53 - 1)),
        "time": st.integers(0, 2**30 * 1000).map(lambda ms: EPOCH + ms / 1000),
        "target": st.one_of(st.just(0), st.integers(-(2**31), 2**31 - 1)),
        "score": st.one_of(st.just(0.0), FLOATS),
        "conservation": st.one_of(st.none(), st.floats(-2, 4, width=32), FLOATS),
        "fields": st.one_of(
            st.none(),
            st.builds(Fields, st.floats(0, 1), st.tuples(st.integers(-9, 9), st.floats(-9, 9)), st.integers(0, 10**9)),
        ),
    }
)


def expected(relevance: np.ndarray, **options: Any) -> bytes | str:
    try:
        return encode(relevance, **options)
    except FrameError as error:
        return "budget" if "too few" in str(error) or "needs" in str(error) else str(error)


@tool("cc")
@settings(max_examples=250, deadline=None)
@given(MAPS, HEADERS)
def test_any_map_gives_the_bytes_of_python(host: list[str], relevance: np.ndarray, options: dict[str, Any]) -> None:
    assert run(host, [case(relevance, **options)]) == [expected(relevance, **options)]


@tool("cc")
@settings(max_examples=60, deadline=None)
@given(
    MAPS, st.lists(st.tuples(st.integers(0, 6), FLOATS, st.booleans()), min_size=1, max_size=15), st.integers(7, 900)
)
def test_several_maps_share_a_frame_as_in_python(
    host: list[str], relevance: np.ndarray, others: list[tuple[int, float, bool]], budget: int
) -> None:
    more = [
        Heatmap(values(relevance.shape, i, kind), i, score, 0.5 if conserved else None)
        for i, (kind, score, conserved) in enumerate(others)
    ]
    options = {"budget": budget, "more": more, "conservation": 1.0}
    assert run(host, [case(relevance, **options)]) == [expected(relevance, **options)]


@tool("cc")
@pytest.mark.parametrize("shape", [(512, 512), (64, 64, 64), (1, 512), (511, 3, 170), (96, 96)])
def test_the_largest_maps_overflow_nothing(host: list[str], shape: tuple[int, ...]) -> None:
    maps = [np.sign(values(shape, 3, 1)), values(shape, 5, 2), np.ones(shape, np.float32)]
    maps[0][maps[0] == 0] = 1
    found = run(host, [case(m, budget=700) for m in maps], timeout=300)
    assert found == [encode(m, budget=700) for m in maps]


@tool("cc")
@pytest.mark.parametrize("kind", [np.int16, np.int32])
@pytest.mark.parametrize("exponent", [0, -20, 7])
def test_integer_maps_are_taken_as_float32_would(host: list[str], kind: type, exponent: int) -> None:
    limits = np.iinfo(kind)
    given = np.random.default_rng(1).integers(limits.min, limits.max, (20, 30), kind, endpoint=True)
    given[0, :3] = limits.min, limits.max, 0
    floats = np.ldexp(given.astype(np.float64), exponent).astype(np.float32)
    assert run(host, [case(given, budget=200, exponent=exponent)]) == [encode(floats, budget=200)]


@tool("cc")
def test_what_no_frame_holds_is_refused_and_no_buffer_overrun(host: list[str]) -> None:
    good = values((16, 16), 1, 0)
    bad = [np.full((4, 4), v, np.float32) for v in (np.inf, -np.inf, np.nan, 2.0**90)]
    assert run(host, [case(v) for v in bad]) == ["values"] * 4
    assert run(host, [case(np.zeros((1, 513), np.float32)), case(np.zeros((65, 64, 64), np.float32))]) == ["shape"] * 2
    assert run(host, [case(np.zeros((2, 0), np.float32))]) == ["shape"]
    assert run(host, [case(good, more=[Heatmap(good)] * 16)]) == ["shape"]
    headers = [{"model": b"abc"}, {"sequence": 1 << 53}]
    assert run(host, [case(good, **h) for h in headers]) == ["header"] * 2
    assert run(host, [case(good, budget=n) for n in range(1, 7)]) == ["budget"] * 6
    whole = encode(good)
    assert run(host, [case(good, capacity=len(whole))]) == [whole]
    tight = run(host, [case(good, capacity=n) for n in range(0, len(whole), 7)])
    assert tight == ["space"] * len(tight)


def test_the_tables_are_those_of_python() -> None:
    done = subprocess.run(
        [sys.executable, "scripts/heatmap-tables", "--check"], cwd=ROOT, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, "")
