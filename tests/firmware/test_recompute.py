"""Maps that explaining computes again: the cheapest order that fits, the least RAM, and the same bytes."""

import ctypes
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from explained_networks import network
from explaining import samples
from hypothesis import given, settings
from hypothesis import strategies as st
from native import SANITIZED, SEVERAL, STRICT, kernels, needs
from shared import SHARED, needs_shared

from converters.c99 import Explaining, Firmware, write
from converters.c99.memory import blocks, lower_bound, placed
from converters.c99.recompute import fitted, least
from converters.c99.schedule import Buffer, Schedule, Step
from converters.c99.work import price
from edgexai.cli import main
from edgexai.errors import ConfigError
from edgexai.graph import Graph, save

AGAIN = 4
"""Steps that run again in the orders that are all tried."""


def cost(step: Step) -> float:
    return float(step.parameters.get("cost", 1))


@st.composite
def problems(draw: st.DrawFn) -> Schedule:
    """Two or three maps, each made of the input or of earlier ones, and a way back that reads them from the last on."""
    count = draw(st.integers(2, 3))
    sizes = st.integers(1, 6).map(lambda n: 8 * n)
    buffers = {"x0": Buffer("x0", 0, "input"), "y0": Buffer("y0", 0, "output")}
    steps = []
    for i in range(count):
        earlier = [f"t{j}" for j in range(i)]
        reads = draw(st.sets(st.sampled_from(earlier), min_size=1, max_size=2)) if earlier else {"x0"}
        buffers |= {f"t{i}": Buffer(f"t{i}", draw(sizes)), f"s{i}": Buffer(f"s{i}", draw(sizes) // 3, "scratch")}
        parameters = {"cost": draw(st.integers(1, 9))}
        steps.append(Step("make", "", parameters, (), tuple(sorted(reads)), (f"t{i}", f"s{i}")))
    buffers["c"] = Buffer("c", draw(sizes))
    steps.append(Step("start", "", {}, (), (f"t{count - 1}",), ("c", "y0")))
    for i in reversed(range(count)):
        steps.append(Step("back", "", {}, (), ("c", f"t{i}"), ("c",)))
    return Schedule(tuple(steps), buffers, ("x0",), ("y0",))


def orders(plan: Schedule) -> Iterator[tuple[Step, ...]]:
    """Every order with at most AGAIN steps more than the plan's, written without the planner."""
    making = {step.writes[0]: step for step in plan.steps if step.function == "make"}
    once = [step for step in plan.steps if step.function != "make"]
    todo: list[tuple[tuple[Step, ...], int]] = [((), 0)]
    while todo:
        ran, done = todo.pop()
        if done == len(once):
            yield ran
            continue
        if len(ran) == len(plan.steps) + AGAIN:
            continue
        made = {name for step in ran for name in step.writes} | {"x0"}
        if made.issuperset(once[done].reads):
            todo.append(((*ran, once[done]), done + 1))
        for name, step in making.items():
            last = max((i for i, s in enumerate(ran) if s is step), default=None)
            is_read = last is None or any(name in s.reads for s in ran[last + 1 :])  # else it was made for nothing
            if made.issuperset(step.reads) and is_read:
                todo.append(((*ran, step), done))


def fits(plan: Schedule, ran: tuple[Step, ...], ram: int) -> bool:
    """Whether an order runs in an arena of so many bytes: what is made again is another buffer."""
    runs: dict[str, int] = {}
    buffers, steps = dict(plan.buffers), []
    for step in ran:
        fresh = set(step.writes) - set(step.reads)
        reads = tuple(f"{n}.{runs.get(n, 0)}" for n in step.reads)
        for name in fresh:
            runs[name] = runs.get(name, 0) + 1
        writes = tuple(f"{n}.{runs.get(n, 0)}" for n in step.writes)
        buffers |= {f"{n}.{runs.get(n, 0)}": plan.buffers[n] for n in (*step.reads, *step.writes)}
        buffers |= {new: plan.buffers[new.split(".")[0]] for new in reads}
        steps.append(Step(step.function, "", {}, (), reads, writes))
    found = Schedule(tuple(steps), buffers)
    return lower_bound(blocks(found)) <= ram and placed(found).size <= ram


@settings(max_examples=40, deadline=None)
@given(problems(), st.integers(0, 100))
def test_no_order_that_fits_is_cheaper_and_none_takes_less(plan: Schedule, share: int) -> None:
    fewest = least(plan, cost)
    ram = fewest + (placed(plan).size - fewest) * share // 100
    found = fitted(plan, ram, cost)
    assert found is not None
    whole, room = found
    assert room.size <= ram
    spent = sum(map(cost, whole.steps))
    for ran in orders(plan):
        assert not fits(plan, ran, fewest - 8)
        assert sum(map(cost, ran)) >= spent or not fits(plan, ran, ram)


@settings(max_examples=40, deadline=None)
@given(problems())
def test_every_map_is_there_when_it_is_read(plan: Schedule) -> None:
    found = fitted(plan, least(plan, cost), cost)
    assert found is not None
    what: dict[str, str] = {"x0": "x0"}
    for step in found[0].steps:
        expected = next(
            s for s in plan.steps if s.writes[0] == step.writes[0].split("_")[0] and s.function == step.function
        )
        if step.function == "make":
            what[step.writes[0]] = expected.writes[0]
            assert [what[name] for name in step.reads] == list(expected.reads)
    backs = [[what.get(n, n) for n in step.reads] for step in found[0].steps if step.function != "make"]
    assert backs == [list(step.reads) for step in plan.steps if step.function != "make"]


def built(graph: Graph | Path, asked: Explaining, folder: Path, ram: int | None) -> tuple[Firmware, ctypes.CDLL]:
    """Sources in an arena of at most ``ram`` bytes, compiled under UBSan."""
    folder.mkdir()
    made = write(graph, folder, explains=asked, ram=ram)
    options = ["-O1", "-shared", "-fPIC", *STRICT, SEVERAL, *SANITIZED]
    options += [f"-I{folder}", f"-I{folder / 'src'}", str(folder / "model.c")]
    objects = kernels("gcc", SANITIZED)
    subprocess.run(["gcc", *options, *objects, "-o", str(folder / "model.so")], check=True)
    return made, ctypes.CDLL(str(folder / "model.so"))


def explained(made: Firmware, library: ctypes.CDLL, x: np.ndarray) -> bytes:
    """Every byte that explaining gives."""
    size = (made.explain_arena or 0) // 8
    arena = np.full(size + 16, 0x5A5A5A5A5A5A5A5A, np.int64)
    y, relevance = np.zeros(made.port_bytes, np.int8), np.zeros(made.relevance, np.float32)
    target, score = np.zeros(1, np.int32), np.zeros(1, np.float32)
    x = np.ascontiguousarray(x)
    library.model_explain(*(ctypes.c_void_p(a.ctypes.data) for a in (arena, x, y, relevance, target, score)))
    assert np.all(arena[-15:] == 0x5A5A5A5A5A5A5A5A), "the arena is too small"
    assert np.abs(relevance).max() > 0
    return b"".join(a.tobytes() for a in (y, relevance, target, score))


@pytest.mark.skipif(needs("gcc") is not None, reason=str(needs("gcc")))
@needs_shared
@pytest.mark.parametrize(("model", "ram"), [("kws", 64_000), ("kws", 40_000), ("ic", 140_000)])
def test_maps_are_the_same_bytes_in_less_ram(model: str, ram: int, tmp_path: Path) -> None:
    path = SHARED / "models" / f"{model}_int8.tflite"
    whole, first = built(path, Explaining("edge"), tmp_path / "whole", None)
    small, second = built(path, Explaining("edge"), tmp_path / "small", ram)
    assert (small.explain_arena or 0) <= ram < (whole.explain_arena or 0)
    assert small.constants == whole.constants
    for x in samples(model, 10):
        assert explained(small, second, x) == explained(whole, first, x)


@pytest.mark.skipif(needs("gcc") is not None, reason=str(needs("gcc")))
@pytest.mark.parametrize("composite", ["edge", "epsilon"])
@pytest.mark.parametrize("seed", [0, 2])
def test_random_networks_are_explained_in_the_least_ram(seed: int, composite: str, tmp_path: Path) -> None:
    graph = network(seed)
    whole, first = built(graph, Explaining(composite), tmp_path / "whole", None)
    with pytest.raises(ConfigError, match="bytes") as refused:
        write(graph, tmp_path / "none", explains=Explaining(composite), ram=whole.arena)
    fewest = int(str(refused.value).split(" bytes")[0].split()[-1].replace(",", ""))
    small, second = built(graph, Explaining(composite), tmp_path / "small", fewest)
    assert small.explain_arena == fewest <= (whole.explain_arena or 0)
    xs = np.random.default_rng(seed).integers(-128, 128, (5, *graph.tensors[graph.inputs[0]].shape)).astype(np.int8)
    for x in xs:
        assert explained(small, second, x) == explained(whole, first, x)


@needs_shared
def test_more_ram_never_takes_longer(tmp_path: Path) -> None:
    """With 45,056 bytes KWS once took half as many instructions again as with 44,000."""
    plan = write(SHARED / "models" / "kws_int8.tflite", tmp_path, explains=Explaining()).explanation
    assert plan is not None
    found = [fitted(plan, ram, lambda step: price(step, plan)) for ram in (39_000, 41_400, 44_000, 45_056, 47_000)]
    assert None not in found
    costs = [sum(price(step, plan) for step in one[0].steps) for one in found if one is not None]
    assert costs == sorted(costs, reverse=True)
    assert costs[3] < 0.7 * costs[0]


def test_the_command_takes_ram_and_says_the_least_that_would_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    graph = network(1)
    save(graph, tmp_path / "m.tflite")
    command = ["firmware", str(tmp_path / "m.tflite"), "-o", str(tmp_path / "c"), "--explain"]
    assert main([*command, "--ram", "1K"]) != 0
    said = capsys.readouterr().err
    assert "1,024 are allowed" in said
    for wrong in ("50%", "44X", "0"):
        assert main([*command, "--ram", wrong]) != 0
        assert f"--ram takes bytes, as in 64K, not '{wrong}'" in capsys.readouterr().err
