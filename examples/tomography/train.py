"""Edges of a CT slice from projections over 120° of 180°: which part of the sinogram does each stand on?

A ray sees an edge only if it runs along it. An edge along a direction that was never measured is invisible: nothing
in the data holds it (Quinto 1993). The network learns on drawn shapes and never sees the slice.
"""

import numpy as np

from examples import common
from examples.common import Array, check

SIDE, HALF = 24, 12
ANGLES = np.arange(0.0, 120.0, 4.0)
CLASSES = 6
WIDTH = 180 / CLASSES
NEAR, ASIDE = 16.0, 4
"""Degrees about the edge's direction and detectors about the middle in which the edge itself leaves its trace."""
ROWS, COLUMNS = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
DISC = np.hypot(ROWS, COLUMNS) < HALF - 0.5


def projector() -> Array:
    """The Radon transform as a matrix (angles × detectors, pixels), of scikit-image, one pixel after another."""
    from skimage.transform import radon

    found = np.zeros((len(ANGLES) * SIDE, SIDE * SIDE), np.float32)
    for p in np.flatnonzero(DISC.ravel()):
        one = np.zeros(SIDE * SIDE)
        one[p] = 1
        found[:, p] = radon(one.reshape(SIDE, SIDE), ANGLES, circle=True).T.ravel()
    return found


def sinograms(patches: Array, matrix: Array, noise: float, random: np.random.Generator) -> Array:
    """Patches (N, 24, 24) → their projections (N, angles, detectors, 1), each about 0 with unit spread."""
    inside = patches[:, DISC]
    level, spread = inside.mean(1)[:, None, None], inside.std(1)[:, None, None]
    flat = ((patches - level) / np.maximum(spread, 1e-6) * DISC).reshape(len(patches), -1)
    s = flat @ matrix.T
    s = s / s.std(1, keepdims=True) + random.normal(0, noise, s.shape)
    return s.reshape(len(s), len(ANGLES), SIDE, 1).astype(np.float32)


def direction(dr: Array, dc: Array) -> Array:
    """The angle at which rays run along an edge of this gradient (rows, columns), in degrees, 0…180.

    scikit-image turns the image by θ and adds up its rows: at 0° rays run down the columns.
    """
    return np.degrees(np.arctan2(-dr, dc)) % 180


def shapes(n: int, random: np.random.Generator) -> tuple[Array, Array]:
    """Drawn patches (N, 24, 24) with an edge near the middle, straight or round, and a second shape; its direction."""
    from scipy.ndimage import gaussian_filter

    angle = random.uniform(0, 360, n)
    nr, nc = np.sin(np.radians(angle))[:, None, None], np.cos(np.radians(angle))[:, None, None]
    along, across = ROWS * nc - COLUMNS * nr, ROWS * nr + COLUMNS * nc
    bend = random.uniform(-0.05, 0.05, (n, 1, 1))
    away = across + bend * along**2 - random.normal(0, 0.7, (n, 1, 1))
    patches = 1 / (1 + np.exp(-away / random.uniform(0.4, 1.5, (n, 1, 1)))) * random.choice([-1, 1], (n, 1, 1))
    far = np.hypot(ROWS - 9 * random.normal(size=(n, 1, 1)), COLUMNS - 9 * random.normal(size=(n, 1, 1)))
    patches = patches + random.normal(0, 0.35, (n, 1, 1)) * (far < random.uniform(3, 7, (n, 1, 1)))
    texture = gaussian_filter(random.normal(size=(n, SIDE, SIDE)), (0, 1.5, 1.5))
    return patches + random.uniform(0, 0.5, (n, 1, 1)) * texture, direction(nr.ravel(), nc.ravel())


def slice_edges(step: float) -> tuple[Array, Array, Array, Array]:
    """pydicom's CT slice (128, 128) in Hounsfield units; patches at its edges, their direction and place."""
    from pydicom import dcmread
    from pydicom.data import get_testdata_file
    from scipy.ndimage import gaussian_filter

    read = dcmread(str(get_testdata_file("CT_small.dcm")))
    image = read.pixel_array * float(read.RescaleSlope) + float(read.RescaleIntercept)
    dr, dc = (gaussian_filter(image, 1.5, order=order) for order in ((1, 0), (0, 1)))
    steep = np.hypot(dr, dc)
    at = np.argwhere(steep > np.quantile(steep, 0.85))
    at = at[((at >= HALF) & (at < len(image) - HALF)).all(1)]
    at = at[np.random.default_rng(0).random(len(at)) < step]
    patches = np.stack([image[r - HALF : r + HALF, c - HALF : c + HALF] for r, c in at])
    return image, patches, direction(dr[tuple(at.T)], dc[tuple(at.T)]), at


def train(x: Array, y: Array, epochs: int) -> object:
    """A small convolutional network on sinograms."""
    import keras

    keras.utils.set_random_seed(0)
    layers = keras.layers
    v = inputs = keras.Input(x.shape[1:])
    for width, strides in ((12, 1), (24, 2), (32, 2)):
        v = layers.Conv2D(width, 3, strides=strides, padding="same", activation="relu")(v)
    v = layers.Dropout(0.2)(layers.Flatten()(v))
    model = keras.Model(inputs, layers.Dense(CLASSES, activation="softmax")(v))
    model.compile(keras.optimizers.Adam(2e-3), "sparse_categorical_crossentropy")
    model.fit(x, y, batch_size=64, epochs=epochs, verbose=0)
    return model


def traces(angle: Array) -> Array:
    """Where an edge through the middle leaves its trace (N, angles, detectors): near its direction, near the middle."""
    apart = np.abs((ANGLES[None] - angle[:, None] + 90) % 180 - 90)
    middle = np.abs(np.arange(SIDE) - SIDE / 2) <= ASIDE
    return np.asarray((apart <= NEAR)[:, :, None] & middle[None, None])


def contrast(sinogram: Array, angle: float) -> float:
    """How far the two sides of the middle differ across an edge, in a filtered back-projection of a sinogram."""
    return between(reconstructed(sinogram), angle)


def between(image: Array, angle: float) -> float:
    """How far the two sides of the middle of an image (24, 24) differ across an edge."""
    across = np.cos(np.radians(angle)) * COLUMNS - np.sin(np.radians(angle)) * ROWS
    near = np.hypot(ROWS, COLUMNS) < 5
    return float(image[near & (across > 1)].mean() - image[near & (across < -1)].mean())


def steepness(patch: Array, angle: float) -> float:
    """The same of the patch itself, in its own standard deviations."""
    return max(abs(between(patch, angle)) / float(patch[DISC].std()), 0.1)


def reconstructed(sinogram: Array) -> Array:
    """Filtered back-projection (scikit-image)."""
    from skimage.transform import iradon

    return np.asarray(iradon(sinogram.T.astype(np.float64), ANGLES, filter_name="hann", circle=True))


def lost(d: common.Deployed, angle: Array, chosen: Array, random: np.random.Generator) -> tuple[Array, Array]:
    """The share of an edge's contrast that a reconstruction loses without the most relevant tenth of the sinogram,
    and without a tenth at random (N,)."""
    found = []
    for i in chosen:
        s, relevance = d.x[i, :, :, 0], d.maps[i].reshape(len(ANGLES), SIDE)
        before, row = contrast(s, angle[i]), []
        for order in (-relevance, random.random(relevance.shape)):
            gone = s.copy()
            gone.ravel()[np.argsort(order.ravel())[: s.size // 10]] = 0
            row.append(1 - contrast(gone, angle[i]) / before)
        found.append(row)
    one, other = np.clip(np.array(found), -1, 1).T
    return one, other


def main() -> None:
    args = common.options("tomography")
    random = np.random.default_rng(0)
    matrix = projector()
    drawn, turned = shapes(400 if args.quick else 9000, random)
    x, y = sinograms(drawn, matrix, 0.05, random), (turned // WIDTH).astype(np.int64)
    image, patches, angle, at = slice_edges(0.05 if args.quick else 0.5)
    test_x, test_y = sinograms(patches, matrix, 0.05, random), (angle // WIDTH).astype(np.int64)
    model = train(x, y, 2 if args.quick else 14)
    d = common.deployed(model, x[:500], test_x, test_y, args.output / "edges.tflite")
    block = at[:, 0] // 16 * 100 + at[:, 1] // 16
    visible = angle < ANGLES[-1]
    masks = traces(angle)
    seen = d.right & visible
    area, flat = masks.mean((1, 2)), d.maps.reshape(len(d.maps), len(ANGLES), SIDE)
    inside, ranked = common.quality.mass_accuracy(flat, masks), common.quality.rank_accuracy(flat, masks)
    pairs = random.choice(np.flatnonzero(~visible), visible.sum())
    shown = np.array([contrast(one[:, :, 0], a) for one, a in zip(d.x, angle, strict=True)])
    shown = np.abs(shown) / np.array([steepness(p, a) for p, a in zip(patches, angle, strict=True)])
    shown = shown / np.median(shown[visible])
    taken, usual = lost(d, angle, np.flatnonzero(seen)[:: 1 if args.quick else 2], random)
    by = block[np.flatnonzero(seen)[:: 1 if args.quick else 2]]
    rows = [
        check("visible edges: relevance where the edge leaves its trace", inside[seen], area[seen], block[seen]),
        check("their most relevant tenths of the sinogram are there", ranked[seen], area[seen], block[seen]),
        check(
            "contrast that a back-projection loses without the most relevant tenth (chance: a random tenth)",
            taken, usual, by,
        ),
        check(
            "contrast of visible edges in a back-projection (chance: of invisible edges)",
            shown[visible], shown[pairs], block[visible],
        ),
    ]  # fmt: skip
    common.audited(d, (x[:1000], y[:1000]), (d.x, d.y), np.where(visible, "visible", "invisible"), args)
    more = [f"Frames of at most {common.BUDGET} bytes: median cosine to the map {np.median(d.cosine()):.3f}."]
    for name, which in (("visible", visible), ("invisible", ~visible)):
        right = common.quality.share(d.right[which], block[which])
        more.append(f"Direction of {name} edges (one of six): right for {right.percent()[:-1]}).")
    if not args.quick:
        picture(d, image, patches, angle, at)
    common.publish("tomography", args.quick, common.quality.share(d.right, block), rows, more)


def picture(d: common.Deployed, image: Array, patches: Array, angle: Array, at: Array) -> None:
    """Left the slice and what 120° make of it; then edges: patch, reconstruction, sinogram, heatmap and the trace."""
    from skimage.transform import iradon, radon

    drawn, axes = common.figure(6, 4, 1.55, 1.45)
    whole = (image - image.mean()) * (np.hypot(*(np.indices(image.shape) - 63.5)) < 63)
    limited = iradon(radon(whole, np.arange(0.0, 120.0, 1.0), circle=True), np.arange(0.0, 120.0, 1.0), circle=True)
    axes[0][0].imshow(image, cmap="gray")
    axes[1][0].imshow(limited, cmap="gray")
    axes[2][0].imshow(image, cmap="gray")
    for chosen, colour in ((d.right, "#0072b2"), (~d.right, "#e69f00")):
        axes[2][0].scatter(at[chosen, 1], at[chosen, 0], s=0.6, c=colour)
    axes[3][0].axis("off")
    for row, name in enumerate(("slice", "from 120°", "direction right (blue)")):
        axes[row][0].set_title(name, fontsize=8)
    random = np.random.default_rng(1)
    for column, k in enumerate((0, 1, 2, 3, 4), 1):
        i = random.choice(np.flatnonzero(d.right & (d.y == k)))
        sinogram, column_axes = d.x[i, :, :, 0], axes[:, column]
        column_axes[0].imshow(np.where(DISC, patches[i], patches[i].mean()), cmap="gray")
        column_axes[1].imshow(reconstructed(sinogram), cmap="gray")
        column_axes[2].imshow(sinogram, cmap="gray", aspect="auto", extent=(0, SIDE, ANGLES[-1], 0))
        limit = np.abs(d.maps[i]).max()
        column_axes[3].imshow(
            d.maps[i].reshape(len(ANGLES), SIDE), cmap="seismic", vmin=-limit, vmax=limit, aspect="auto",
            extent=(0, SIDE, ANGLES[-1], 0),
        )  # fmt: skip
        if k < CLASSES - 2:
            column_axes[3].axhline(min(angle[i], ANGLES[-1]), color="0.3", lw=0.8, ls="--")
        column_axes[0].set_title(f"edge at {angle[i]:.0f}°{'' if angle[i] < ANGLES[-1] else ', invisible'}", fontsize=8)
    for row, name in enumerate(("patch", "reconstruction", "sinogram", "relevance")):
        axes[row][1].set_ylabel(name, fontsize=8)
    drawn.savefig(common.ROOT / "examples" / "tomography" / "heatmaps.png", dpi=100)


if __name__ == "__main__":
    main()
