"""Mutants of every format: frames, parts, messages, bases, `.exq`, profiles, numpy's files, settings.

    python -m benchmarks.attack.formats [COUNT [SEED]]

Bytes of valid ones are changed, cut, doubled and put in; checksums are made right again in nine of ten frames, so that
the decoder is reached. Each must be refused by an error of edgexai's or read; COUNT is shared by WEIGHTS, since some
decoders are slow. Not right: another exception, more than 5 s, or more than MOST_MIB of memory above the start.
"""

import io
import json
import random
import resource
import sys
import time
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from edgexai import npy
from edgexai.agent.config import TEMPLATE, read, settings
from edgexai.board import load_board
from edgexai.errors import Error
from edgexai.heatmap import decode, encode, join, split
from edgexai.heatmap.basis import learn
from edgexai.heatmap.basis import load as load_basis
from edgexai.heatmap.crc import crc32c
from edgexai.messaging import messages
from edgexai.profile import file as profile
from edgexai.profile.sums import ProfileSums
from edgexai.relevance.composite_file import read as read_composite
from edgexai.transit import exq

ROOT = Path(__file__).parents[2]
SECONDS, MOST_MIB = 5.0, 512
WEIGHTS = {"exq": 2, "agent.toml": 5, "npz": 20, "frame": 20, "board": 20, "profile": 40}
USUAL = 100
Read = Callable[[bytes], object]


def formats(folder: Path) -> dict[str, tuple[list[bytes], Read]]:
    """Valid bytes of each format, and what reads it; ``folder`` is for those that are files."""
    noise = np.random.default_rng(0)
    maps = np.cumsum(noise.normal(size=(20, 9, 10)), axis=-1).astype(np.float32)
    frames = [encode(maps[0], budget=48), encode(maps[1], budget=26), encode(maps[2][0], budget=40, precise=True)]
    basis = learn(maps, 5)
    table = noise.integers(-128, 128, (16, 8)).astype(np.int8)
    small = b"TFL3" + bytes(60) + table.tobytes() + bytes(40)
    packed = io.BytesIO()
    np.savez_compressed(packed, x=maps[:2], y=np.arange(2))
    saved = io.BytesIO()
    np.save(saved, maps[:2])
    composite = 'name = "mine"\n[[line]]\nrule = "gamma"\ngamma = 0.3\nkinds = ["convolution"]\nfrom_output = [0, 4]\n'
    board = (ROOT / "firmware_profiles" / "nucleo_l4r5zi.toml").read_bytes()

    def as_file(name: str, reads: Callable[[Path], object]) -> Read:
        def run(content: bytes) -> object:
            (folder / name).write_bytes(content)
            return reads(folder / name)

        return run

    return {
        "frame": (frames, lambda b: decode(b, None, [basis])),
        "part": ([p for f in frames for p in split(f, 30)], lambda b: join([b])),
        "heatmap message": ([messages.pack_heatmap("ab" * 7, f) for f in frames], messages.unpack_heatmap),
        "receipt": ([messages.pack_receipt("ab" * 7, [(0, 3), (7, 9)])], messages.unpack_receipt),
        "message": ([messages.pack({"state": "online", "n": [1, 2.5, {"a": None}]})], messages.unpack),
        "basis": ([basis.data], load_basis),
        "exq": ([exq.pack(small, [table])], exq.restore),
        "profile": ([_profile()], lambda b: profile.unpack(b, "it")),
        "npz": ([packed.getvalue()], as_file("a.npz", lambda p: npy.members(p, most=2**24))),
        "npy": ([saved.getvalue()], as_file("a.npy", npy.opened)),
        "agent.toml": ([TEMPLATE.encode()], as_file("agent.toml", lambda p: settings(read(p)))),
        "board": ([board], as_file("b.toml", load_board)),
        "composite": ([composite.encode()], as_file("c.toml", read_composite)),
    }


def _profile() -> bytes:
    sums, noise = ProfileSums(3, [8, 4]), np.random.default_rng(1)
    for _ in range(3):
        logits, values = noise.normal(size=3), [noise.normal(size=(2, 2, n)).astype(np.float32) for n in (8, 4)]
        sums.add(logits.astype(np.float32), values, lambda target, values=values: values)  # type: ignore[misc]
    return sums.packed("ab" * 32, "edge", [3, 5])


SEALS: dict[str, Callable[[bytes], bytes]] = {
    "frame": lambda body: crc32c(body).to_bytes(4, "big"),
    "basis": lambda body: crc32c(body).to_bytes(4, "big"),
    "profile": lambda body: zlib.crc32(body).to_bytes(4, "little"),
}


def mutated(content: bytes, chance: random.Random, seal: Callable[[bytes], bytes] | None) -> bytes:
    """Some bytes changed, left out, put in, doubled or cut off; with a ``seal`` the last four are a right checksum."""
    out = bytearray(content[:-4] if seal else content)
    for _ in range(chance.choice((1, 1, 1, 2, 3, 8))):
        at, kind = chance.randrange(len(out) + 1), chance.randrange(8)
        if kind < 4 and at < len(out):
            out[at] = chance.choice((0, 255, 128, 127, out[at] ^ 1 << chance.randrange(8), chance.randrange(256)))
        elif kind == 4:
            del out[at : at + chance.randrange(1, 5)]
        elif kind == 5:
            out[at:at] = chance.choice((chance.randbytes(chance.randrange(1, 5)), b"9" * 400, b"e308", b"[" * 300))
        elif kind == 6:
            out[at:at] = out[at : at + chance.randrange(1, 9)]
        else:
            del out[at:]
        if not out:
            break
    body = bytes(out)
    return body + seal(body) if seal else body


def main(count: int, seed: int) -> dict[str, object]:
    chance = random.Random(seed)
    counts: dict[str, Counter[str]] = {}
    spent: dict[str, float] = {}
    slowest, before = 0.0, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begin = time.monotonic()
    with TemporaryDirectory(prefix="edgexai-") as place:
        known = formats(Path(place))
        total = sum(WEIGHTS.get(name, USUAL) for name in known)
        for name, (seeds, reads) in known.items():
            started = time.monotonic()
            done = counts[name] = Counter()
            for _ in range(-(-count * WEIGHTS.get(name, USUAL) // total)):
                seal = SEALS.get(name) if chance.random() < 0.9 else None
                content = mutated(chance.choice(seeds), chance, seal)
                start = time.monotonic()
                try:
                    reads(content)
                    how = "read"
                except Error:
                    how = "refused"
                except Exception as error:
                    how = f"not right: {type(error).__name__}"
                    print(name, repr(error)[:200], content[:200].hex(), file=sys.stderr)
                took = time.monotonic() - start
                slowest = max(slowest, took)
                done["not right: hang" if took > SECONDS else how] += 1
            spent[name] = round(time.monotonic() - started, 1)
    memory = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024
    bad = sum(n for done in counts.values() for how, n in done.items() if how.startswith("not right"))
    return {
        "mutants": sum(sum(done.values()) for done in counts.values()),
        "seconds of each": spent,
        "formats": {name: dict(sorted(done.items())) for name, done in counts.items()},
        "not right": bad + (memory > MOST_MIB),
        "slowest s": round(slowest, 3),
        "memory MiB": memory,
        "seconds": round(time.monotonic() - begin),
    }


if __name__ == "__main__":
    given = [int(v) for v in sys.argv[1:]]
    told = main(*(given + [30_000, 0][len(given) :]))
    print(json.dumps(told, indent=1))
    sys.exit(1 if told["not right"] else 0)
