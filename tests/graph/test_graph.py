"""Reading, verifying and writing `.tflite` files."""

import struct
from dataclasses import replace

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from hypothesis import given, settings
from hypothesis import strategies as st
from models import GOLDEN, NETWORKS, golden, run, single
from shared import SHARED, needs_shared

import edgexai
from edgexai.errors import Error, ModelError
from edgexai.graph import DType, Op, OpKind, Tensor, load, save, serialize, verify
from edgexai.runtime.interpreter import Interpreter

MODEL = (GOLDEN / "bottleneck" / "model.tflite").read_bytes()
REFERENCES = ["ad_float", "ad_int8", "ic_float", "ic_int8", "kws_float", "kws_int8"]


def same_runs(before: bytes, after: bytes) -> bool:
    a, b = Interpreter(before), Interpreter(after)
    random = np.random.default_rng(0)
    for _ in range(3):
        x = random.normal(size=a.inputs[0].shape).astype(np.float32)
        if not all(np.array_equal(p, q) for p, q in zip(a.run(x), b.run(x), strict=True)):
            return False
    return [p.name for p in a.outputs] == [p.name for p in b.outputs]


@pytest.mark.parametrize("name", NETWORKS)
def test_a_golden_model_written_again_runs_the_same(name: str) -> None:
    before = golden(name)[0].read_bytes()
    assert same_runs(before, serialize(load(before)))


@needs_shared
@pytest.mark.parametrize("name", REFERENCES)
def test_a_reference_model_written_again_runs_the_same(name: str) -> None:
    before = (SHARED / "models" / f"{name}.tflite").read_bytes()
    assert same_runs(before, serialize(load(before)))


def plain(value: object, buffers: list[object]) -> object:
    """A schema object as comparable data; buffers by content, because their numbers may change."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, list):
        return [plain(v, buffers) for v in value]
    if not hasattr(value, "__dict__"):
        return value
    fields = dict(vars(value))
    if "buffer" in fields:
        content = buffers[fields["buffer"]].data
        fields["buffer"] = None if content is None or len(content) == 0 else bytes(content)
    if "opcodeIndex" in fields:
        fields.pop("opcodeIndex")
    return {k: plain(v, buffers) for k, v in fields.items()}


@pytest.mark.parametrize("name", NETWORKS)
def test_every_tensor_option_buffer_and_signature_survives(name: str) -> None:
    data = golden(name)[0].read_bytes()
    before, after = (schema.ModelT.InitFromPackedBuf(d) for d in (data, serialize(load(data))))
    for field in ("subgraphs", "metadata", "signatureDefs", "description", "version"):
        old, new = getattr(before, field), getattr(after, field)
        assert plain(old, before.buffers) == plain(new, after.buffers), field
    codes = [[plain(m.operatorCodes[o.opcodeIndex], []) for o in m.subgraphs[0].operators] for m in (before, after)]
    assert codes[0] == codes[1]


def test_writing_is_stable() -> None:
    once = serialize(load(MODEL))
    assert serialize(load(once)) == once


def test_constants_are_aligned_for_kernels_that_read_in_place() -> None:
    data = serialize(load(MODEL))
    base = np.frombuffer(data, np.uint8).__array_interface__["data"][0]
    for tensor in load(data).tensors:
        if tensor.data is not None and tensor.data.size:
            assert (tensor.data.__array_interface__["data"][0] - base) % 16 == 0


def test_a_saved_file_is_whole_or_absent(tmp_path) -> None:
    graph = load(MODEL)
    save(graph, tmp_path / "model.tflite")
    assert [p.name for p in tmp_path.iterdir()] == ["model.tflite"]
    with pytest.raises(FileNotFoundError):
        save(graph, tmp_path / "missing" / "model.tflite")


def test_the_digest_is_that_of_the_file_and_not_of_what_is_made_from_it() -> None:
    graph = load(MODEL)
    assert len(graph.sha256) == 64
    assert replace(graph, name="other").sha256 == ""


@pytest.mark.parametrize("length", [0, 7, 8, 40, 200, len(MODEL) // 2, len(MODEL) - 600])
def test_a_truncated_file_is_refused(length: int) -> None:
    with pytest.raises(ModelError):
        load(MODEL[:length])


def test_a_file_that_is_none_is_refused(tmp_path) -> None:
    path = tmp_path / "photo.tflite"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    with pytest.raises(ModelError, match=r"photo\.tflite is not a TensorFlow Lite file"):
        load(path)


def test_one_table_listed_a_million_times_is_refused_at_once() -> None:
    """A small file whose vector of subgraphs claims to be huge must not be unpacked."""
    data = bytearray(MODEL)
    root = struct.unpack_from("<I", data, 0)[0]
    vtable = root - struct.unpack_from("<i", data, root)[0]
    field = struct.unpack_from("<H", data, vtable + 4 + 2 * 2)[0]
    vector = root + field + struct.unpack_from("<I", data, root + field)[0]
    struct.pack_into("<I", data, vector, 2**30)
    with pytest.raises(ModelError):
        load(bytes(data))


@settings(max_examples=400, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(MODEL) - 1), st.integers(0, 255)), min_size=1, max_size=8))
def test_a_mutated_file_is_refused_or_read(changes: list[tuple[int, int]]) -> None:
    data = bytearray(MODEL)
    for at, value in changes:
        data[at] = value
    try:
        graph = load(bytes(data))
    except Error:
        return
    verify(graph)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_random_bytes_with_the_right_identifier_are_refused(noise: bytes) -> None:
    with pytest.raises(Error):
        load(b"\x10\x00\x00\x00TFL3" + noise)


def test_verify_names_what_is_wrong() -> None:
    graph = single((1, 4), lambda b, x: b.relu(b.add(x, b.const(1.0))))
    with pytest.raises(ModelError, match="before anything has written it"):
        verify(replace(graph, ops=graph.ops[::-1]))
    with pytest.raises(ModelError, match="which is already set"):
        verify(replace(graph, ops=(*graph.ops, graph.ops[-1])))
    with pytest.raises(ModelError, match="names tensor 99"):
        verify(replace(graph, ops=(Op(OpKind.RELU, (99,), (1,)),)))
    with pytest.raises(ModelError, match="names tensor -1"):  # an input may be left out, an output may not
        verify(replace(graph, ops=(Op(OpKind.RELU, (graph.inputs[0],), (-1,)),)))
    with pytest.raises(ModelError, match="nothing computes the output"):
        verify(replace(graph, ops=()))
    cut = Tensor("w", (5,), DType.FLOAT32, np.zeros(8, np.uint8))
    with pytest.raises(ModelError, match="holds 8 bytes"):
        verify(replace(graph, tensors=(*graph.tensors, cut)))


def test_operators_newer_than_the_list_keep_their_number() -> None:
    assert OpKind(1234).name == "BUILTIN_1234"
    assert int(OpKind(1234)) == 1234


def test_the_builder_keeps_equal_constants_and_operators_once() -> None:
    graph = single((1, 4), lambda b, x: b.add(b.mul(x, b.const(2.0)), b.mul(x, b.const(2.0))))
    assert [op.kind for op in graph.ops] == [OpKind.MUL, OpKind.ADD]
    assert np.array_equal(run(graph, np.ones((1, 4), np.float32))[0], np.full((1, 4), 4.0))


def test_the_public_contract_loads_and_saves(tmp_path) -> None:
    graph = edgexai.load(GOLDEN / "mlp" / "model.tflite")
    edgexai.save(graph, tmp_path / "again.tflite")
    assert edgexai.load(tmp_path / "again.tflite").inputs == graph.inputs
