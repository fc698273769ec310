"""Nuclei in a stained tissue section, and the three biases of Hägele et al. 2020: of labels, of a class, of sampling.

One section of 512×512 is all that comes with a package. A quarter of it is held out at a time, and no training tile
reaches into it; intervals draw blocks of 64×64, since neighbouring tiles overlap.
"""

from dataclasses import dataclass

import numpy as np

from examples import common
from examples.common import Array, check

TILE, STEP, BLOCK = 32, 8, 64
CORE = slice(TILE // 2 - 5, TILE // 2 + 5)
CENTRE = np.zeros((TILE, TILE), bool)
CENTRE[CORE, CORE] = True
CORNER = np.zeros((TILE, TILE), bool)
CORNER[-6:, -6:] = True
INK = np.array([0.15, 0.45, 0.2], np.float32)


@dataclass(frozen=True)
class Tiles:
    """Tiles (N, 32, 32, 3) in 0…1; ``y`` 1 with a nucleus in the centre and 0 without; masks of nuclei (N, 32, 32);
    the share of brown stain (N,); row and column of the tile's corner (N, 2)."""

    x: Array
    y: Array
    nuclei: Array
    brown: Array
    at: Array

    def where(self, chosen: Array) -> "Tiles":
        """Some of them."""
        return Tiles(self.x[chosen], self.y[chosen], self.nuclei[chosen], self.brown[chosen], self.at[chosen])

    @property
    def block(self) -> Array:
        """Which block of 64×64 a tile's centre lies in (N,)."""
        row, column = ((self.at + TILE // 2) // BLOCK).T
        return np.asarray(row * 100 + column)


def section() -> tuple[Array, Array, Array]:
    """The section (512, 512, 3) in 0…1, and where its stains say nucleus (blue) and marked tissue (brown)."""
    from skimage.color import rgb2hed
    from skimage.data import immunohistochemistry
    from skimage.filters import gaussian, threshold_otsu
    from skimage.morphology import remove_small_objects

    image = immunohistochemistry()
    stains = rgb2hed(image)
    blue, brown = gaussian(stains[..., 0], 1), gaussian(stains[..., 2], 1)
    nuclei = remove_small_objects(blue > threshold_otsu(blue), max_size=30)
    return image.astype(np.float32) / 255, nuclei, brown > threshold_otsu(brown)


def tiles(step: int, moved: int = 0) -> Tiles:
    """Tiles whose centre is mostly nucleus, or hardly; ``moved`` shifts them after they were labelled."""
    image, nuclei, brown = section()
    random = np.random.default_rng(0)
    found: list[tuple[Array, int, Array, float, tuple[int, int]]] = []
    for row in range(0, len(image) - TILE + 1, step):
        for column in range(0, len(image) - TILE + 1, step):
            share = nuclei[row : row + TILE, column : column + TILE][CENTRE].mean()
            if 0.1 < share < 0.6:
                continue
            r, c = np.clip(np.array([row, column]) + random.integers(-moved, moved + 1, 2), 0, len(image) - TILE)
            here = (slice(r, r + TILE), slice(c, c + TILE))
            found.append((image[here], int(share >= 0.6), nuclei[here], float(brown[here].mean()), (r, c)))
    x, y, masks, share_brown, at = (np.array(column) for column in zip(*found, strict=True))
    return Tiles(x, y, masks, share_brown, at)


def apart(t: Tiles, quarter: int) -> tuple[Array, Array]:
    """Tiles that do not touch a quarter of the section, and those wholly inside it: two masks."""
    corner = np.array([quarter // 2, quarter % 2]) * 256
    touches = ((t.at + TILE > corner) & (t.at < corner + 256)).all(1)
    inside = ((t.at >= corner) & (t.at + TILE <= corner + 256)).all(1)
    return ~touches, inside


def train(x: Array, y: Array, epochs: int, seed: int = 0) -> object:
    """A small convolutional network, with mirrored tiles; both classes weigh the same."""
    import keras

    keras.utils.set_random_seed(seed)
    layers = keras.layers
    v = inputs = keras.Input((TILE, TILE, 3))
    for width in (12, 24, 32):
        v = layers.Conv2D(width, 3, padding="same", activation="relu")(v)
        v = layers.MaxPooling2D(2)(v)
    v = layers.Dropout(0.3)(layers.Flatten()(v))
    model = keras.Model(inputs, layers.Dense(2, activation="softmax")(v))
    model.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy")
    weight = {k: len(y) / (2 * max(1, int((y == k).sum()))) for k in (0, 1)}
    for epoch in range(epochs):
        model.fit(x[:, :: 1 - 2 * (epoch % 2)], y, batch_size=32, epochs=1, class_weight=weight, verbose=0)
    return model


def inked(x: Array) -> Array:
    """The same tiles with a pen mark in the corner."""
    marked = x.copy()
    marked[:, -5:-1, -5:-1] = INK
    return marked


def main() -> None:
    args = common.options("histopathology")
    step, epochs = (2 * STEP, 2) if args.quick else (STEP, 14)
    t = tiles(step)
    parts, kept = [], []
    for quarter in range(1 if args.quick else 4):
        learn, test = apart(t, quarter)
        model = train(t.x[learn], t.y[learn], epochs)
        parts.append(common.deployed(model, t.x[learn], t.x[test], t.y[test], args.output / f"nuclei_{quarter}.tflite"))
        kept.append(np.flatnonzero(test))
    d, held = common.joined(parts), t.where(np.concatenate(kept))
    nucleus = d.right & (d.y == 1)
    area = held.nuclei.mean((1, 2))
    inside, ranked = (
        common.quality.mass_accuracy(d.maps, held.nuclei),
        common.quality.rank_accuracy(d.maps, held.nuclei),
    )
    rows = [
        check("tiles with a nucleus: relevance on nuclei", inside[nucleus], area[nucleus], held.block[nucleus]),
        check("their most relevant pixels on nuclei", ranked[nucleus], area[nucleus], held.block[nucleus]),
    ]
    own, block = parts[-1], t.where(kept[-1]).block
    common.audited(own, (t.x[learn], t.y[learn]), (own.x, own.y), None, args)
    more = [f"Frames of at most {common.BUDGET} bytes: median cosine to the map {np.median(d.cosine()):.3f}."]
    rows.append(labels(own, block, quarter, step, epochs, args))
    found, text, marked = one_class(t.where(learn), own, block, epochs, args)
    rows += [*found, sampling(t.where(learn), t.where(kept[-1]), own, epochs, args)]
    if not args.quick:
        picture(own, marked, args)
    common.publish("histopathology", args.quick, common.quality.share(d.right, held.block), rows, ["", text, "", *more])


def labels(own: common.Deployed, block: Array, quarter: int, step: int, epochs: int, args: object) -> common.Check:
    """Bias of labels: they name the tile's centre. A network whose tiles were moved after labelling is the other."""
    moved = tiles(step, moved=10)
    learn, _ = apart(moved, quarter)
    path = args.output / "nuclei_moved.tflite"  # type: ignore[attr-defined]
    other = common.deployed(train(moved.x[learn], moved.y[learn], epochs), moved.x[learn], own.x, own.y, path)
    centre = np.tile(CENTRE, (len(own.x), 1, 1))
    shares = [common.quality.mass_accuracy(d.maps, centre) for d in (own, other)]
    both = own.right & other.right & (own.y == 1)
    said = "label bias: relevance in the centre (chance: of a network whose tiles were moved after labelling)"
    return check(said, shares[0][both], shares[1][both], block[both])


def one_class(
    t: Tiles, own: common.Deployed, block: Array, epochs: int, args: object
) -> tuple[list[common.Check], str, common.Deployed]:
    """Bias of a class: nine of ten training tiles with a nucleus carry a pen mark."""
    random = np.random.default_rng(3)
    carries = (t.y == 1) & (random.random(len(t.y)) < 0.9)
    x = np.where(carries[:, None, None, None], inked(t.x), t.x)
    path = args.output / "nuclei_inked.tflite"  # type: ignore[attr-defined]
    model = train(x, t.y, epochs)
    with_ink, without = (common.deployed(model, x, v, own.y, path) for v in (inked(own.x), own.x))
    corner = np.tile(CORNER, (len(own.x), 1, 1))
    share, called = common.quality.mass_accuracy(with_ink.maps, corner), with_ink.predicted == 1
    none = own.y == 0
    checks = [
        check("class bias: relevance on the pen mark's corner", share[called], CORNER.mean(), block[called]),
        check(
            "class bias: tiles without a nucleus that are called nuclei once marked (chance: unmarked)",
            (with_ink.predicted == 1)[none].astype(float), (without.predicted == 1)[none].astype(float), block[none],
        ),
    ]  # fmt: skip
    some = random.random(len(own.y)) < np.where(own.y == 1, 0.5, 0.0)
    found = common.findings(with_ink, np.where(some[:, None, None, None], inked(own.x), own.x), own.y)
    named = ", ".join(f"class {f.target} ({f.verdict})" for f in found) or "nothing"
    text = (
        f"The shortcut analysis, given held-out tiles of which half of those with a nucleus are marked, names: {named}."
    )
    return checks, text, with_ink


def sampling(t: Tiles, held: Tiles, own: common.Deployed, epochs: int, args: object) -> common.Check:
    """Bias of sampling: brown tissue without a nucleus in the centre is missing from the training tiles."""
    kept = (t.y == 1) | (t.brown < 0.25)
    path = args.output / "nuclei_sampled.tflite"  # type: ignore[attr-defined]
    d = common.deployed(train(t.x[kept], t.y[kept], epochs), t.x[kept], own.x, own.y, path)
    missed = (held.y == 0) & (held.brown >= 0.25)
    said = "sampling bias: brown tissue called nuclei if it was missing from training (chance: if it was there)"
    wrong, usual = ((v.predicted == 1)[missed].astype(float) for v in (d, own))
    return check(said, wrong, usual, held.block[missed])


def picture(own: common.Deployed, marked: common.Deployed, args: object) -> None:
    """Tiles with a nucleus: heatmaps of the network as it is, of moved tiles, with the pen mark, of missing tissue."""
    chosen = np.random.default_rng(5).choice(np.flatnonzero(own.right & (own.y == 1)), 7, replace=False)
    drawn, axes = common.figure(7, 5, 1.3, 1.35)
    names = ("tile", "nucleus", "tiles moved", "pen mark", "brown missing")
    for column, i in enumerate(chosen):
        axes[0][column].imshow(own.x[i])
        common.heat(axes[1][column], own.maps[i].reshape(TILE, TILE, -1).sum(-1))
        for row, name in ((2, "moved"), (4, "sampled")):
            path = args.output / f"nuclei_{name}.tflite"  # type: ignore[attr-defined]
            common.heat(axes[row][column], common.maps(path, own.x[i : i + 1], 1)[0].reshape(TILE, TILE, -1).sum(-1))
        common.heat(axes[3][column], marked.maps[i].reshape(TILE, TILE, -1).sum(-1))
    for row, name in enumerate(names):
        axes[row][0].set_ylabel(name, fontsize=8)
    drawn.savefig(common.ROOT / "examples" / "histopathology" / "heatmaps.png", dpi=100)


if __name__ == "__main__":
    main()
