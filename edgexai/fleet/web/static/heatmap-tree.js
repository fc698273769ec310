// The tree of a map's coefficients; docs/heatmap-format.md, section 4. Three axes always, the first of length 1 if need be.

// Per depth: the intervals of an axis that are not empty, in order; `rank` says which one an index is, or -1.
function intervals(n, depth) {
  let all = [{ index: 0, begin: 0, size: n }];
  const levels = [];
  for (let d = 0; d <= depth; d += 1) {
    const rank = new Int16Array(1 << d).fill(-1);
    all.forEach((one, i) => { rank[one.index] = i; });
    levels.push({ all, rank });
    all = all.flatMap(({ index, begin, size }) => {
      const half = (size + 1) >> 1;
      const first = { index: 2 * index, begin, size: half };
      return size > 1 ? [first, { index: 2 * index + 1, begin: begin + half, size: size - half }] : [first];
    });
  }
  return levels;
}

// Nodes in preorder; number `count` stands for a missing neighbour. Of each node: `leaf`, its coefficient or -1; `past`,
// the number after its last descendant; `parent`; `near`, four straight and four diagonal neighbours; `coarse`, the
// node in the coarser band; `size` class; `child`, siblings before it, at most 2; whether it is the `last`.
function build(shape) {
  const lengths = [1, 1, ...shape].slice(-3), flat = [lengths[1] * lengths[2], lengths[2], 1];
  const depth = 32 - Math.clz32(Math.max(...lengths) - 1);
  const axes = lengths.map((n) => intervals(n, depth));
  const tables = Array.from({ length: depth + 1 }, (_, d) => new Int32Array(axes.reduce((n, axis) => n * axis[d].all.length, 1)).fill(-1));
  const place = (d, r) => (r[0] * axes[1][d].all.length + r[1]) * axes[2][d].all.length + r[2];
  const nodes = [], leaf = [], past = [], parent = [], size = [], child = [], last = [];

  const visit = (d, r, up, before) => {
    const number = nodes.length, boxes = axes.map((axis, a) => axis[d].all[r[a]]);
    const volume = boxes[0].size * boxes[1].size * boxes[2].size;
    tables[d][place(d, r)] = number;
    nodes.push({ d, r });
    leaf.push(volume === 1 ? boxes.reduce((at, box, a) => at + box.begin * flat[a], 0) : -1);
    past.push(0);
    parent.push(up);
    size.push((volume > 1) + (volume > 4) + (volume > 16));
    child.push(Math.min(before, 2));
    last.push(0);
    if (volume > 1) {
      let of = 0, latest = number;
      for (let k = 0; k < 8; k += 1) {
        const ranks = boxes.map((box, a) => axes[a][d + 1].rank[2 * box.index + ((k >> (2 - a)) & 1)]);
        if (Math.min(...ranks) < 0) continue;
        latest = nodes.length;
        visit(d + 1, ranks, number, of);
        of += 1;
      }
      last[latest] = 1;
    }
    past[number] = nodes.length;
  };
  visit(0, [0, 0, 0], 0, 0);

  const count = nodes.length, near = new Int32Array(8 * count).fill(count), coarse = new Int32Array(count).fill(count);
  const planar = shape.length < 3;
  const steps = [[1, 0], [1, 1], [2, 0], [2, 1]].map(([axis, side]) => [0, 1, 2].map((a) => (a === axis ? 2 * side - 1 : 0)));
  steps.push(...(planar ? [[0, -1, -1], [0, -1, 1], [0, 1, -1], [0, 1, 1]] : [[-1, 0, 0], [1, 0, 0]]));
  for (let i = 0; i < count; i += 1) {
    const { d, r } = nodes[i], [a, b, c] = [axes[0][d].all, axes[1][d].all, axes[2][d].all];
    const x = a[r[0]].index, y = b[r[1]].index, z = c[r[2]].index, width = Math.max(31 - Math.clz32(x | y | z), 0);
    for (let slot = 0; slot < steps.length; slot += 1) {
      const p = r[0] + steps[slot][0], q = r[1] + steps[slot][1], s = r[2] + steps[slot][2];
      if (p < 0 || q < 0 || s < 0 || p >= a.length || q >= b.length || s >= c.length) continue;
      const number = tables[d][(p * b.length + q) * c.length + s];
      if (number >= 0 && ((a[p].index ^ x) | (b[q].index ^ y) | (c[s].index ^ z)) >> width === 0) near[8 * i + slot] = number;
    }
    for (let k = 1; coarse[i] === count; k += 1) {
      const level = d + 1 - k, p = axes[0][level].rank[x >> k], q = axes[1][level].rank[y >> k], s = axes[2][level].rank[z >> k];
      if (p < 0 || q < 0 || s < 0) continue;
      const number = tables[level][(p * axes[1][level].all.length + q) * axes[2][level].all.length + s];
      if (number >= 0) coarse[i] = number;
    }
  }
  return {
    count, near, coarse, leaf: Int32Array.from(leaf), past: Int32Array.from(past), parent: Int32Array.from(parent),
    size: Uint8Array.from(size), child: Uint8Array.from(child), last: Uint8Array.from(last),
  };
}

const KEPT = 4;
const known = new Map();

// The tree of a shape; those of the last few shapes are kept.
export function treeOf(shape) {
  const key = shape.join();
  const found = known.get(key) ?? build(shape);
  known.delete(key);
  known.set(key, found);
  if (known.size > KEPT) known.delete(known.keys().next().value);
  return found;
}
