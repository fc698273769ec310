"""Frames that generated C makes of its own maps are the bytes of `edgexai.encode`."""

import subprocess
from pathlib import Path

import numpy as np
import pytest
from native import STRICT, needs
from networks_int8 import classifier

import edgexai
from converters.c99 import Explaining, write
from edgexai.errors import ConfigError
from edgexai.graph import fingerprint
from edgexai.heatmap.layout import EPOCH

SANITIZED = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")
HARNESS = """
#include <stdio.h>
#include "net.h"
static net_explain_arena arena;
static float relevance[NET_RELEVANCE];
int main(void) {
    int8_t x[NET_X0], y[NET_Y0];
    uint8_t frame[NET_FRAME];
    uint32_t count = 0;
    while (fread(x, 1, sizeof x, stdin) == sizeof x) {
        int32_t target, size;
        float score;
        net_explain(&arena, x, y, relevance, &target, &score);
        size = net_frame(&arena, relevance, target, score, count, count ? 86400 * count : 0, frame);
        count++;
        fwrite(&target, 4, 1, stdout);
        fwrite(&score, 4, 1, stdout);
        fwrite(relevance, 4, NET_RELEVANCE, stdout);
        fwrite(&size, 4, 1, stdout);
        if (size > 0) fwrite(frame, 1, (size_t)size, stdout);
    }
    return 0;
}
"""


@pytest.mark.parametrize("size", [40, 64, 128])
@pytest.mark.skipif(needs("gcc") is not None, reason=str(needs("gcc")))
def test_a_frame_is_the_bytes_of_python(size: int, tmp_path: Path) -> None:
    graph = classifier()
    write(graph, tmp_path, "net", frame=size)
    (tmp_path / "main.c").write_text(HARNESS)
    sources = ["main.c", "net.c", *(f"src/{p.name}" for p in (tmp_path / "src").glob("*.c"))]
    command = ["gcc", *STRICT, "-O1", *SANITIZED, "-I.", "-Isrc", "-o", "net", *sources]
    subprocess.run(command, check=True, cwd=tmp_path)
    xs = np.random.default_rng(0).integers(-128, 128, (30, 9, 7, 3)).astype(np.int8)
    xs[7] = xs[8]  # and whatever else: a frame depends on its map alone
    said = subprocess.run([tmp_path / "net"], input=xs.tobytes(), capture_output=True, check=True).stdout
    at, lengths = 0, set()
    for i in range(len(xs)):
        target = int(np.frombuffer(said, np.int32, 1, at)[0])
        score = np.frombuffer(said, np.float32, 1, at + 4)[0]
        relevance = np.frombuffer(said, np.float32, 63, at + 8).reshape(9, 7)
        (length,) = np.frombuffer(said, np.int32, 1, at + 260)
        frame = said[at + 264 : at + 264 + length]
        at += 264 + length
        total = np.cumsum(relevance.ravel(), dtype=np.float32)[-1]
        theirs = edgexai.encode(
            relevance,
            budget=size,
            model=bytes.fromhex(fingerprint(graph))[:4],
            sequence=i,
            time=EPOCH + 86400 * i,
            target=target,
            score=float(score),
            conservation=None if score == 0 else float(np.float32(total / score)),
        )
        assert frame == theirs
        lengths.add(int(length))
        assert np.array_equal(edgexai.decode(frame).map, edgexai.decode(theirs).map)
    assert at == len(said)
    assert max(lengths) <= size


def test_a_frame_too_small_for_what_precedes_the_map_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="40 to 65536 bytes, not 12"):
        write(classifier(), tmp_path, frame=12)


def test_a_map_that_no_frame_holds_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no frame holds a map of 9×700"):
        write(classifier(columns=700), tmp_path, frame=64)


def test_the_encoder_is_not_written_where_nobody_asks_for_frames(tmp_path: Path) -> None:
    made = write(classifier(), tmp_path, explains=Explaining())
    assert made.frame is None
    assert not [file for file in made.files if "heatmap" in file]
