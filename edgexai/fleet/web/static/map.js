// Draws a relevance map: {rows, columns, values: Int8Array}, or `data` for the values, int8 in base64. Warm speaks for
// the class, cold against it.

const RAMPS = {
  light: {
    for: [[255, 255, 255], [254, 215, 170], [249, 115, 22], [185, 28, 28], [90, 14, 14]],
    against: [[255, 255, 255], [191, 219, 254], [59, 130, 246], [29, 78, 216], [23, 37, 84]],
  },
  dark: {
    for: [[16, 18, 23], [110, 24, 24], [220, 60, 30], [251, 146, 60], [254, 240, 170]],
    against: [[16, 18, 23], [26, 42, 100], [37, 99, 235], [96, 165, 250], [219, 234, 254]],
  },
};

function table(stops) {
  return Array.from({ length: 128 }, (_, i) => {
    const at = (i / 127) ** 0.8 * (stops.length - 1);
    const k = Math.min(stops.length - 2, Math.floor(at));
    return stops[k].map((c, j) => Math.round(c + (at - k) * (stops[k + 1][j] - c)));
  });
}

const TABLES = Object.fromEntries(
  Object.entries(RAMPS).map(([theme, r]) => [theme, { for: table(r.for), against: table(r.against) }]),
);

export const bytesOf = (base64) => Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));

// A decoded map for the screen: channels summed, a line as one row, the greatest magnitude 127.
export function pictureOf({ map, shape }) {
  const planes = shape.length < 3 ? 1 : shape[2], values = new Float64Array(map.length / planes);
  map.forEach((value, i) => { values[Math.floor(i / planes)] += value; });
  const peak = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0) || 1;
  const [rows, columns] = shape.length === 1 || shape[1] === 1 ? [1, values.length] : shape;
  return { rows, columns, values: Int8Array.from(values, (value) => Math.round((127 * value) / peak)) };
}

export function draw(canvas, map) {
  const { rows, columns } = map;
  const values = map.values ?? new Int8Array(bytesOf(map.data).buffer);
  const colours = TABLES[document.documentElement.dataset.theme === "dark" ? "dark" : "light"];
  canvas.width = columns;
  canvas.height = rows;
  const image = new ImageData(columns, rows);
  for (let i = 0; i < rows * columns; i += 1) {
    const [r, g, b] = values[i] < 0 ? colours.against[Math.min(127, -values[i])] : colours.for[values[i]];
    image.data.set([r, g, b, 255], 4 * i);
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
}

export function mapElement(map) {
  const frame = document.createElement("div");
  frame.className = "map";
  const ratio = map.columns / map.rows;
  frame.style.aspectRatio = ratio > 3 ? "3" : ratio < 1 / 2 ? "1 / 2" : String(ratio);
  const canvas = document.createElement("canvas");
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", `relevance map of ${map.rows} by ${map.columns}`);
  draw(canvas, map);
  frame.append(canvas);
  return frame;
}
