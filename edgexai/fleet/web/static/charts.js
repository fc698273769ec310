// Small charts as SVG, in the colours of the theme; a table or a sentence beside each says the same in words.
import { number, svg } from "./dom.js";

const WIDTH = 640, HEIGHT = 150, FOOT = 20, SIDE = 44;
const day = (time) => new Date(1000 * time).toISOString().slice(0, 16).replace("T", " ");

function chart(label, ...children) {
  return svg("svg", { class: "chart", viewBox: `0 0 ${WIDTH} ${HEIGHT + FOOT}`, role: "img", "aria-label": label }, ...children);
}

const text = (x, y, anchor, content) => svg("text", { x, y, "text-anchor": anchor }, content);

// By value, what share of the frames inside and of those outside.
export function histogram(h, label) {
  const shares = (counts) => counts.map((n) => n / Math.max(1, counts.reduce((sum, one) => sum + one, 0)));
  const inside = shares(h.inside), outside = shares(h.outside), top = Math.max(1e-9, ...inside, ...outside), wide = WIDTH / inside.length;
  const bars = (some, kind) => some.map((share, i) => svg("rect", { class: kind, x: i * wide + 1, y: HEIGHT - (HEIGHT * share) / top, width: wide - 2, height: (HEIGHT * share) / top }));
  return chart(label, ...bars(outside, "outside"), ...bars(inside, "inside"), svg("line", { class: "axis", x1: 0, x2: WIDTH, y1: HEIGHT, y2: HEIGHT }),
    text(0, HEIGHT + 16, "start", number(h.from, 2)), text(WIDTH, HEIGHT + 16, "end", number(h.to, 2)));
}

// A mean with its spread over time; `change` is a moment.
export function overTime(series, label, change = null) {
  const times = series.map((s) => s.time), low = Math.min(...series.map((s) => s.mean - s.spread)), high = Math.max(...series.map((s) => s.mean + s.spread));
  const [begin, end] = [Math.min(...times), Math.max(...times)];
  const x = (time) => 4 + ((WIDTH - SIDE - 4) * (time - begin)) / (end - begin || 1), y = (value) => 4 + ((HEIGHT - 8) * (high - value)) / (high - low || 1);
  const path = (values) => values.map(([time, value], i) => `${i ? "L" : "M"}${x(time).toFixed(1)} ${y(value).toFixed(1)}`).join("");
  const band = [...series.map((s) => [s.time, s.mean + s.spread]), ...[...series].reverse().map((s) => [s.time, s.mean - s.spread])];
  return chart(label, svg("path", { class: "band", d: `${path(band)}Z` }), svg("path", { class: "mean", d: path(series.map((s) => [s.time, s.mean])) }),
    ...series.map((s) => svg("circle", { class: "dot", cx: x(s.time), cy: y(s.mean), r: 2.5 }, svg("title", {}, `${day(s.time)}: ${number(s.mean, 2)} of ${s.count} frames`))),
    ...(change === null ? [] : [svg("line", { class: "change", x1: x(change), x2: x(change), y1: 0, y2: HEIGHT })]),
    svg("line", { class: "axis", x1: 0, x2: WIDTH - SIDE, y1: HEIGHT, y2: HEIGHT }), text(0, HEIGHT + 16, "start", day(begin)), text(WIDTH - SIDE, HEIGHT + 16, "end", day(end)),
    text(WIDTH, 16, "end", number(high, 1)), text(WIDTH, HEIGHT, "end", number(low, 1)));
}

export { day };
