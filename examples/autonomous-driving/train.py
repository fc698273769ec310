"""Four kinds of vehicles, and which of them a network knows by what stands around them: ships by water?

CIFAR's things stand in the middle. The outer ring of an image is called its surroundings here.
"""

import numpy as np

from examples import common
from examples.common import Array, check

NAMES = {0: "aircraft", 1: "car", 8: "ship", 9: "truck"}
AIRCRAFT, CAR, SHIP, TRUCK = range(4)
MARGIN = 6
RING = np.ones((32, 32), bool)
RING[MARGIN:-MARGIN, MARGIN:-MARGIN] = False
DONORS = 4


def load(part: str) -> tuple[Array, Array]:
    """Vehicles (N, 32, 32, 3) in 0…1 and their classes 0…3; ``part`` is train or test."""
    with np.load(common.SHARED / "data" / f"cifar10_{part}.npz", allow_pickle=False) as file:
        x, y = file["x"], file["y"]
    kept = np.isin(y, list(NAMES))
    return x[kept].astype(np.float32) / 255, np.searchsorted(list(NAMES), y[kept]).astype(np.int64)


def train(x: Array, y: Array, epochs: int) -> object:
    """A small convolutional network, with mirrored and shifted images."""
    import keras

    keras.utils.set_random_seed(0)
    layers = keras.layers
    v = inputs = keras.Input((32, 32, 3))
    for width, strides in ((24, 1), (32, 2), (48, 1), (64, 2), (64, 2)):
        v = layers.Conv2D(width, 3, strides=strides, padding="same", use_bias=False)(v)
        v = layers.ReLU()(layers.BatchNormalization()(v))
    v = layers.Dropout(0.3)(layers.GlobalAveragePooling2D()(v))
    model = keras.Model(inputs, layers.Dense(len(NAMES), activation="softmax")(v))
    model.compile(keras.optimizers.Adam(2e-3), "sparse_categorical_crossentropy")
    random = np.random.default_rng(0)
    for epoch in range(epochs):
        if epoch == epochs * 3 // 4:
            model.optimizer.learning_rate = 4e-4
        moved = np.roll(x, random.integers(-3, 4, 2), (1, 2))
        mirrored = np.where(random.random((len(x), 1, 1, 1)) < 0.5, moved[:, :, ::-1], moved)
        model.fit(mirrored, y, batch_size=32, epochs=1, verbose=0)
    return model


def surrounded(x: Array, others: Array) -> Array:
    """Things of x (N, 32, 32, 3) in the surroundings of others (N, 32, 32, 3)."""
    return np.where(RING[None, :, :, None], others, x).astype(np.float32)


def backdrop(x: Array) -> Array:
    """The colours behind things (N, 32, 32, 3): from the mean of the three rows on top to that of the three below.

    Water, sky and road stay; parts of the thing that reach into the ring do not.
    """
    top, bottom = (x[:, rows].mean((1, 2))[:, None, None] for rows in (slice(0, 3), slice(-3, None)))
    down = np.linspace(0, 1, 32)[None, :, None, None]
    return np.broadcast_to(top * (1 - down) + bottom * down, x.shape).astype(np.float32)


def swapped(d: common.Deployed, kept: Array, k: int, random: np.random.Generator) -> tuple[Array, Array]:
    """Vehicles of other classes before the backdrop of class k: which are called k (N,), and which are before that of
    another image of their own class, which has the same seam."""
    hosts = np.flatnonzero(kept & (d.y != k))
    donors = random.choice(np.flatnonzero(kept & (d.y == k)), len(hosts))
    own = np.array([random.choice(np.flatnonzero(kept & (d.y == d.y[i]))) for i in hosts])
    found = [common.scores(d.path, surrounded(d.x[hosts], backdrop(d.x[at]))).argmax(1) == k for at in (donors, own)]
    return found[0].astype(float), found[1].astype(float)


def fall(d: common.Deployed, random: np.random.Generator) -> Array:
    """How far each image's class falls (N,), on average, when other classes' surroundings take the place of its own."""
    before = common.scores(d.path, d.x)[np.arange(len(d.x)), d.predicted]
    after = np.zeros(len(d.x))
    for _ in range(DONORS):
        others = np.array([random.choice(np.flatnonzero(d.y != k)) for k in d.predicted])
        after += common.scores(d.path, surrounded(d.x, d.x[others]))[np.arange(len(d.x)), d.predicted] / DONORS
    return before - after


def agreement(a: Array, b: Array, y: Array) -> Array:
    """Products of standardized ranks within each class (N,); their mean is the rank correlation."""
    found = np.zeros(len(a))
    for k in np.unique(y):
        own = np.flatnonzero(y == k)
        ranks = [np.argsort(np.argsort(v[own])).astype(float) for v in (a, b)]
        one, other = ((r - r.mean()) / max(float(r.std()), 1e-9) for r in ranks)
        found[own] = one * other
    return found


def main() -> None:
    args = common.options("autonomous-driving")
    (x, y), (test_x, test_y) = load("train"), load("test")
    if args.quick:
        x, y, test_x, test_y = x[::4], y[::4], test_x[::3], test_y[::3]
    model = train(x, y, 2 if args.quick else 36)
    d = common.deployed(model, x, test_x, test_y, args.output / "vehicles.tflite")
    random = np.random.default_rng(0)
    around = common.quality.mass_accuracy(
        d.maps.sum(-1) if d.maps.ndim > 3 else d.maps, np.tile(RING, (len(d.x), 1, 1))
    )
    kept = d.right | args.quick  # a reduced run may know no image of some class
    land = np.flatnonzero(kept & np.isin(d.y, (CAR, TRUCK)))
    sky = np.flatnonzero(kept & (d.y == AIRCRAFT))
    paired = random.choice(land, len(sky), replace=len(land) < len(sky))
    rows = [
        check("aircraft: relevance on the surroundings (chance: that of cars and trucks)", around[sky], around[paired]),
        check(
            "rank correlation, within classes, of relevance on the surroundings and of what their exchange takes",
            agreement(around, fall(d, random), d.predicted)[kept], 0.0,
        ),
    ]  # fmt: skip
    table = ["| class | relevance on the surroundings | others called so before its backdrop | and before their own |"]
    table.append("|---|---|---|---|")
    for k, name in enumerate(NAMES.values()):
        turned, usual = swapped(d, kept, k, random)
        if k in (AIRCRAFT, SHIP):
            rows.append(
                check(f"others are called {name} before its backdrop (chance: before their own)", turned, usual)
            )
        share = common.quality.mean(around[kept & (d.y == k)])
        table.append(f"| {name} | {share} | {common.quality.mean(turned)} | {common.quality.mean(usual)} |")
    common.audited(d, (x, y), (test_x, test_y), None, args)
    more = ["", *table, "", f"The surroundings are {RING.mean():.0%} of the image."]
    more += [f"Frames of at most {common.BUDGET} bytes: median cosine to the map {np.median(d.cosine()):.3f}."]
    if not args.quick:
        picture(d, random)
    common.publish("autonomous-driving", args.quick, common.quality.share(d.right), rows, more)


def picture(d: common.Deployed, random: np.random.Generator) -> None:
    """Two vehicles a class above their heatmaps; the white frame parts thing and surroundings."""
    from matplotlib.patches import Rectangle

    drawn, axes = common.figure(8, 2, 1.3, 1.4)
    for k, name in enumerate(NAMES.values()):
        for column, i in enumerate(random.choice(np.flatnonzero(d.right & (d.y == k)), 2, replace=False)):
            above, below = axes[:, 2 * k + column]
            above.imshow(d.x[i])
            above.set_title(name, fontsize=9)
            common.heat(below, d.maps[i])
            for ax, colour in ((above, "white"), (below, "0.4")):
                side = 32 - 2 * MARGIN
                ax.add_patch(Rectangle((MARGIN - 0.5, MARGIN - 0.5), side, side, fill=False, edgecolor=colour, lw=0.8))
    drawn.savefig(common.ROOT / "examples" / "autonomous-driving" / "heatmaps.png", dpi=110)


if __name__ == "__main__":
    main()
