"""Hostile explainer files: bytes of real ones changed, each read, verified, written anew and run.

    python -m benchmarks.attack.explainers [COUNT [SEED [FOLDER]]]

Nine of ten changes fall on the file's structure, one on its constants. What passes the verifier runs twice in a child
of its own, as `edgexai explain` does it; a child per file, forked from one that has the runtime loaded. Counts what was
refused, what ran, and what must not be: another exception than edgexai's, a hang above 5 s, more memory than the limit
that the graph declares, and children that a signal ended (the parent lives on: that is what the child is for).
FOLDER holds further models (`*.tflite`) to explain.
"""

import json
import os
import random
import resource
import signal
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np

import edgexai
from edgexai.errors import Error
from edgexai.graph import Graph, load, resident, serialize, verify_operators
from edgexai.runtime.explainer import Explainer
from edgexai.runtime.sandbox import Limits

ROOT = Path(__file__).parents[2]
COMPOSITES = ("edge", "epsilon_plus_flat", "epsilon_gamma_box(-1, 1)")
SECONDS = 5.0
CHILD_BASE = 2**29


def seeds(folder: Path | None) -> list[bytes]:
    """Explainers of the goldens, and of the models of a folder, under three composites."""
    models = sorted((ROOT / "tests" / "golden").glob("*/model.tflite"))
    models += sorted(folder.glob("*.tflite")) if folder is not None else []
    made = []
    for model in models:
        for composite in COMPOSITES:
            file = serialize(edgexai.attach(load(model), composite=composite))
            if len(file) < 300_000:
                made.append(file)
    return made


def structure(file: bytes) -> list[int]:
    """Where bytes of the file are not those of a large constant."""
    free = bytearray(b"\1" * len(file))
    for tensor in load(file).tensors:
        if tensor.data is not None and tensor.data.size > 32:
            at = file.find(tensor.data.tobytes())
            free[at : at + tensor.data.size] = bytes(tensor.data.size)
    return [i for i, own in enumerate(free) if own]


def changed(file: bytes, places: list[int], chance: random.Random) -> bytes:
    """The file with one to four bytes changed, a word set to a bad number, or cut short."""
    out = bytearray(file)
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        at = chance.choice(places) if chance.random() < 0.9 else chance.randrange(len(out))
        how = chance.random()
        if how < 0.5:
            out[at] ^= 1 << chance.randrange(8)
        elif how < 0.75:
            out[at] = chance.choice((0, 1, 2, 4, 127, 128, 255))
        elif how < 0.98:
            word = chance.choice((0, 1, 0xFFFFFFFF, 0x7FFFFFFF, 0x80000000, len(out), chance.randrange(2**32)))
            out[at & ~3 : (at & ~3) + 4] = word.to_bytes(4, "little")
        else:
            del out[at:]
            break
        if at >= len(out):
            break
    return bytes(out)


def run(content: bytes, graph: Graph) -> tuple[str, int]:
    """How a child ended that explains two samples, and its peak of memory in KiB above this process's."""
    limits = Limits(memory=CHILD_BASE + 4 * resident(graph))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    child = os.fork()
    if child == 0:
        code = 70
        try:
            pages = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (pages + limits.memory,) * 2)
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            signal.setitimer(signal.ITIMER_REAL, SECONDS)
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            code = 0 if _explained(content) else 3
        except MemoryError:
            code = 4
        except (RuntimeError, ValueError):
            code = 5
        finally:
            os._exit(code)
    _, status, usage = os.wait4(child, 0)
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        return ("hang" if number == signal.SIGALRM else f"child {signal.Signals(number).name}"), 0
    told = {0: "ran", 3: "refused at run time", 4: "out of its memory", 5: "the runtime refused"}
    return told.get(os.WEXITSTATUS(status), "child traceback"), max(0, usage.ru_maxrss - before)


def _explained(content: bytes) -> bool:
    try:
        explain = Explainer(content)
        noise = np.random.default_rng(0)
        for _ in range(2):
            xs = [noise.normal(size=p.shape) for p in explain.inputs]
            given = [x.astype(p.dtype) for x, p in zip(xs, explain.inputs, strict=True)]
            explain(given if len(given) > 1 else given[0])
    except Error:
        return False
    return True


def main(count: int, seed: int, folder: Path | None) -> dict[str, object]:
    chance = random.Random(seed)
    files = seeds(folder)
    Explainer(files[0])  # the runtime is loaded before a child is made
    places = [structure(file) for file in files]
    counts: Counter[str] = Counter()
    kept = Path(os.environ["ATTACK_KEEP"]) if "ATTACK_KEEP" in os.environ else None
    slowest, most = 0.0, 0
    begin = time.monotonic()
    for number in range(count):
        which = chance.randrange(len(files))
        content = changed(files[which], places[which], chance)
        start = time.monotonic()
        try:
            graph = load(content)
            verify_operators(graph, closed=True)
            anew = serialize(graph)
        except Error:
            how = "refused"
        except Exception as error:
            how = f"traceback {type(error).__name__}"
        else:
            how, peak = run(anew, graph)
            most = max(most, peak)
        took = time.monotonic() - start
        slowest = max(slowest, took)
        counts["hang" if took > SECONDS else how] += 1
        if kept is not None and how.startswith(("traceback", "child", "hang")):
            (kept / f"{number}-{how.replace(' ', '-')}.tflite").write_bytes(content)
    bad = sum(n for how, n in counts.items() if how.startswith(("traceback", "child traceback", "hang")))
    return {
        "files": count,
        "seeds": len(files),
        "counts": dict(sorted(counts.items())),
        "not right": bad,
        "children that a signal ended": sum(n for how, n in counts.items() if how.startswith("child SIG")),
        "slowest s": round(slowest, 2),
        "most MiB of a child": most // 1024,
        "seconds": round(time.monotonic() - begin),
    }


if __name__ == "__main__":
    given = sys.argv[1:]
    place = Path(given[2]) if len(given) > 2 else None
    told = main(int(given[0]) if given else 4000, int(given[1]) if len(given) > 1 else 0, place)
    print(json.dumps(told, indent=1))
    sys.exit(1 if told["not right"] else 0)
