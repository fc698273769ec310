"""The plan of the arena as a picture: which bytes each buffer takes, from which step to which."""

from xml.sax.saxutils import escape

from converters.c99.memory import Placement
from converters.c99.schedule import Schedule

WIDTH, HEIGHT, LEFT, TOP, BELOW = 960, 420, 80, 40, 70
COLOURS = {
    "map": "#4e79a7",
    "map kept for the way back": "#2f4b6e",
    "map computed again": "#b07aa1",
    "signs kept for the way back": "#59a14f",
    "relevance": "#e15759",
    "working space": "#bab0ac",
    "state kept between calls": "#f28e2b",
}
NAMES = {"g": "signs kept for the way back", "c": "relevance", "s": "working space", "v": "state kept between calls"}


def svg(plan: Schedule, placement: Placement, title: str) -> str:
    """Steps go from left to right, addresses upwards; each buffer is a rectangle that says its name and size."""
    steps, size = max(len(plan.steps), 1), max(placement.size, 1)
    across, up = (WIDTH - LEFT - 20) / steps, (HEIGHT - TOP - BELOW) / size
    bottom = HEIGHT - BELOW
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif"',
        ' font-size="11">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{LEFT}" y="20" font-size="14">{escape(title)}: {placement.size:,} bytes</text>',
    ]
    for part in range(5):
        y = bottom - up * size * part / 4
        out.append(f'<line x1="{LEFT}" x2="{WIDTH - 20}" y1="{y:.1f}" y2="{y:.1f}" stroke="#dddddd"/>')
        out.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{size * part // 4:,}</text>')
    back = next((i for i, step in enumerate(plan.steps) if step.function.startswith("exai_start")), None)
    used = set()
    for name, (first, last) in plan.lifetimes().items():
        if name not in placement.offsets:
            continue
        what = NAMES.get(name[0], "map")
        if what == "map" and back is not None:
            again, kept = "_" in name, first < back <= last
            what = "map computed again" if again else "map kept for the way back" if kept else "map"
        used.add(what)
        tall = up * plan.buffers[name].size
        x, y = LEFT + across * first, bottom - up * placement.offsets[name] - tall
        wide = across * (min(last, steps - 1) - first + 1)
        told = f"{what} {name}: {plan.buffers[name].size:,} bytes, steps {first} to {last}"
        out.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{wide:.1f}" height="{tall:.1f}" fill="{COLOURS[what]}" '
            f'stroke="white" stroke-width="0.7"><title>{escape(told)}</title></rect>'
        )
        label = f"{plan.buffers[name].size:,}"
        if tall > 12 and wide > 7 * len(label):
            middle = f'x="{x + wide / 2:.1f}" y="{y + tall / 2 + 4:.1f}" text-anchor="middle"'
            out.append(f'<text {middle} fill="white">{label}</text>')
    if back is not None:
        x = LEFT + across * back
        out.append(
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 8}" y2="{bottom}" stroke="black" stroke-dasharray="4 3"/>'
        )
        out.append(f'<text x="{x + 4:.1f}" y="{TOP - 2}">the way back</text>')
    for i in range(0, steps, -(-steps // 20)):
        out.append(f'<text x="{LEFT + across * (i + 0.5):.1f}" y="{bottom + 15}" text-anchor="middle">{i}</text>')
    out.append(f'<text x="{LEFT}" y="{bottom + 32}">step (the numbers of the report)</text>')
    at = LEFT
    for what, colour in COLOURS.items():
        if what in used:
            out.append(f'<rect x="{at}" y="{bottom + 42}" width="12" height="12" fill="{colour}"/>')
            out.append(f'<text x="{at + 17}" y="{bottom + 52}">{what}</text>')
            at += 40 + 7 * len(what)
    return "\n".join([*out, "</svg>", ""])
