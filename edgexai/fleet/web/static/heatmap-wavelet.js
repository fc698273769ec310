// The inverse 9/7 wavelet of integers; docs/heatmap-format.md, section 4. Doubles hold every product exactly.
import { LIFTING, SYNTHESIS } from "./heatmap-tables.js";

const scaled = (value, weight) => Math.floor((value * weight + 8192) / 16384);

function inverseLine(values, start, stride, n, line) {
  const half = (n + 1) >> 1;
  for (let i = 0; i < n; i += 1) line[i] = scaled(values[start + (i & 1 ? half + (i >> 1) : i >> 1) * stride], SYNTHESIS[i & 1]);
  for (let step = 3; step >= 0; step -= 1) {
    for (let i = 1 - (step & 1); i < n; i += 2) {
      line[i] -= scaled((i ? line[i - 1] : line[i + 1]) + (i + 1 < n ? line[i + 1] : line[i - 1]), LIFTING[step]);
    }
  }
  for (let i = 0; i < n; i += 1) values[start + i * stride] = line[i];
}

// The integers of the map, in the place of the coefficients (a Float64Array, row by row).
export function inverse(values, shape) {
  const [a, b, c] = [1, 1, ...shape].slice(-3), strides = [b * c, c, 1], line = new Float64Array(512);
  const sizes = [[a, b, c]];
  while (Math.max(...sizes[0]) > 1) sizes.unshift(sizes[0].map((n) => (n + 1) >> 1));
  for (const size of sizes.slice(1)) {
    for (let axis = 2; axis >= 0; axis -= 1) {
      if (size[axis] === 1) continue;
      const [p, q] = [0, 1, 2].filter((other) => other !== axis);
      for (let i = 0; i < size[p]; i += 1) {
        for (let j = 0; j < size[q]; j += 1) inverseLine(values, i * strides[p] + j * strides[q], strides[axis], size[axis], line);
      }
    }
  }
  return values;
}
