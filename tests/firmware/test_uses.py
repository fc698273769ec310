"""Kernels that are compiled for one model (`exai_uses.h`) give the bytes of those that leave nothing out."""

import subprocess
from pathlib import Path

import networks_int8 as layers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from explained_networks import network
from explaining import Both
from native import SANITIZED, SOURCES, STRICT, kernels, needs
from networks_int8 import Net
from operator_networks import PARTS
from operator_networks import network as of_one

from converters.c99 import Explaining, uses, write
from edgexai.graph import Graph, OpKind

pytest.importorskip("tflite_micro", reason="the tflite-micro wheel is not installed")
pytestmark = pytest.mark.skipif(needs("gcc") is not None, reason=str(needs("gcc")))

ASKING = [path.stem for path in SOURCES.values() if path.suffix == ".c" and "EXAI_USES" in path.read_text()]


def of_one_channel() -> Graph:
    """A depthwise layer that makes five channels of one."""
    net = Net(np.random.default_rng(3))
    x = net.map((1, 5, 6, 1))
    y = layers.depthwise(net, x, 5, (3, 3), 1, 1, 0, 1)
    y = layers.convolution(net, y, 6, (1, 1), (1, 1), 1, 0, 1)
    flat = net.same(y, (1, int(np.prod(net.tensors[y].shape))))
    y = net.op(OpKind.RESHAPE, [y, net.ints(list(net.tensors[flat].shape))], [flat], schema.ReshapeOptionsT())
    return net.finish(x, layers.dense(net, y, 4, 0))


def networks() -> list[tuple[Graph, str]]:
    composites = ["edge", "epsilon", "epsilon_plus", "epsilon_plus_flat"]
    drawn = [(network(seed), composite) for seed, composite in enumerate(composites)]
    drawn += [(of_one_channel(), "edge"), (of_one_channel(), "epsilon")]
    return drawn + [(of_one(part, at), composites[at % 3]) for at, part in enumerate(PARTS.values()) if at % 7 == 0]


def test_maps_of_kernels_of_ones_own(tmp_path: Path) -> None:
    others = [made for made in kernels("gcc", SANITIZED) if Path(made).stem not in ASKING]
    seen: set[str] = set()
    for number, (graph, composite) in enumerate(networks()):
        folder = tmp_path / f"net{number}"
        both = Both(graph, Explaining(composite), folder)
        header = (folder / "src" / uses.NAME).read_text()
        if header in seen:
            continue
        seen.add(header)
        own = [str(folder / "model.c"), *(str(folder / "src" / f"{stem}.c") for stem in ASKING)]
        options = ["-O1", "-shared", "-fPIC", *STRICT, *SANITIZED, f"-I{folder}", f"-I{folder / 'src'}"]
        subprocess.run(["gcc", *options, *own, *others, "-o", str(folder / "own.so")], check=True)
        x = np.random.default_rng(number).integers(-128, 128, both.explainer.input.shape).astype(np.int8)
        before = both(x)
        after = both.of(folder / "own.so").answer(x, before.theirs)
        assert after.relevance.tobytes() == before.relevance.tobytes(), (number, composite)
    assert len(seen) > 5


def test_kernels_of_another_model_are_not_linked(tmp_path: Path) -> None:
    """Where two models are linked with one's kernels, that is an error, not a wrong map."""
    for name, composite in (("one", "edge"), ("two", "epsilon")):
        write(network(0), tmp_path / name, name, explains=Explaining(composite))
    sources = [str(tmp_path / "two" / "two.c"), *map(str, sorted((tmp_path / "one" / "src").glob("exai_*.c")))]
    options = ["-w", "-shared", "-fPIC", "-Wl,-z,defs", f"-I{tmp_path / 'two'}", f"-I{tmp_path / 'two' / 'src'}"]
    done = subprocess.run(["gcc", *options, *sources, "-o", str(tmp_path / "t.so")], capture_output=True, text=True)
    assert done.returncode
    assert "exai_start_" in done.stderr
    shared = [*options, "-DEXAI_SEVERAL_MODELS", str(tmp_path / "one" / "one.c"), f"-I{tmp_path / 'one'}"]
    subprocess.run(["gcc", *shared, *sources, "-o", str(tmp_path / "t.so")], check=True)


def test_every_question_is_one_of_the_kernels() -> None:
    """The order of the questions is that of their names in C."""
    source = SOURCES["exai_flow.h"].read_text()
    for questions, first in ((uses.QUESTIONS, "EXAI_DIVIDES"), (uses.KEPT, "EXAI_ADDS")):
        names = source.split(f"enum {{ {first}")[1].split("}")[0].split(",")
        assert [first, *(name.strip() for name in names[1:])] == [f"EXAI_{q.upper()}" for q in questions]
