// What the bytes of a stream say: range decoder, pattern, bit planes; docs/heatmap-format.md, sections 4 and 5.
import * as tables from "./heatmap-tables.js";
import { Components } from "./heatmap-basis.js";
import { treeOf } from "./heatmap-tree.js";

const { ONE, FLOOR, SLOWEST, PLANES, RATES, FRACTION, OPEN, ATTENUATION_MOST } = tables;
const SIGN = tables.CONTEXT_SIGN, REFINE = tables.CONTEXT_REFINE;
const END = -1; // instead of a bit: the bytes settle no more
const CLASS_OF = Uint8Array.from({ length: 85 }, (_, total) => 4 * tables.SURROUNDINGS.filter((step) => total >= step).length);

// Gives the next bit in a context, or END from the end on.
function rangeDecoder(data) {
  const chance = Uint32Array.from(tables.FIRST_CHANCE, (p) => 256 * p), seen = Uint8Array.from(tables.FIRST_COUNT);
  let width = 2 ** 32 - 1, at = 4, code = 0, open = 2 ** (8 * (4 - Math.min(data.length, 4))) - 1, ended = false;
  for (let i = 0; i < 4; i += 1) code = 256 * code + (data[i] ?? 0);
  return (context) => {
    const p = chance[context], bound = (width >>> 12) * (p >>> 4), rate = RATES[seen[context]];
    let bit;
    if (!ended && code + open < bound) {
      bit = 1;
      width = bound;
      chance[context] = Math.min(p + (((ONE - p) * rate) >>> 16), ONE - FLOOR);
    } else if (!ended && code >= bound) {
      bit = 0;
      code -= bound;
      width -= bound;
      chance[context] = Math.max(p - ((p * rate) >>> 16), FLOOR);
    } else {
      ended = true;
      return END;
    }
    if (seen[context] < SLOWEST) seen[context] += 1;
    while (width < 2 ** 24) {
      width *= 256;
      code = 256 * code + (data[at] ?? 0);
      if (at >= data.length) open = 256 * open + 255;
      at += 1;
    }
    return bit;
  };
}

const fits = (n, period) => n >= 4 * period;

// The pattern: attenuations by axis and phase; null at the end of the bytes.
function patternOf(ask, shape) {
  let period = 0, bit = 0;
  if (shape.some((n) => fits(n, 2)) && (bit = ask(tables.CONTEXT_GRID)) === 1) {
    period = shape.some((n) => fits(n, 4)) && (bit = ask(tables.CONTEXT_GRID + 1)) === 1 ? 4 : 2;
  }
  const pattern = shape.map((n) => Array.from({ length: period && fits(n, period) ? period : 0 }, () => {
    let k = 0;
    while (k < ATTENUATION_MOST && (bit = ask(tables.CONTEXT_ATTENUATION + Math.min(k, 5) + (period === 4 ? 6 : 0))) === 1) k += 1;
    return k;
  }));
  return bit === END ? null : pattern;
}

// The phase; null at the end of the bytes.
function phaseOf(ask) {
  let phase = 0, bit = 0;
  while (phase < 3 && (bit = ask(tables.CONTEXT_PHASE + phase)) === 1) phase += 1;
  return bit === END ? null : phase;
}

// Quarter octaves by which each value is attenuated.
export function attenuations(shape, pattern, phase) {
  const total = new Uint8Array(shape.reduce((a, b) => a * b)).fill(phase);
  let inner = total.length;
  shape.forEach((n, axis) => {
    const ks = pattern[axis];
    inner /= n;
    if (ks.length) for (let i = 0; i < total.length; i += 1) total[i] += ks[(Math.floor(i / inner) % n) % ks.length];
  });
  return total;
}

// Coefficients in units of 2^-3 of the last plane, behind those of the components if there are any.
function coefficientsOf(ask, nodes, coefficients, components) {
  const { count, leaf, past, parent, near, coarse, size, child, last } = nodes;
  const found = new Uint8Array(count + 1), busy = new Uint8Array(count + 1);
  const magnitude = new Uint16Array(count), minus = new Uint8Array(count);
  const straight = new Uint8Array(PLANES + 1), diagonal = new Uint8Array(PLANES + 1), above = new Uint8Array(PLANES + 1);
  let i = 0, plane = PLANES - 1;

  const walk = () => { // false at the end of the bytes, which came at node i of the plane
    const fresh = plane + 1;
    i = 0;
    if (components) {
      if (!components.ask(ask, plane)) return false;
      if (!found[0]) {
        const begins = ask(components.rest(plane));
        if (begins !== 1) return begins !== END;
      }
    }
    found[0] = found[0] || fresh;
    while (i < count) {
      const age = found[i];
      let bit = 0;
      if (age) {
        if (leaf[i] >= 0 && age > fresh) {
          if ((bit = ask(REFINE + (age > fresh + 1))) === END) return false;
          magnitude[i] |= bit << plane;
        } else if (leaf[i] >= 0 && i === 0) {
          if ((bit = ask(SIGN + 1)) === END) return false;
          minus[i] = bit;
          magnitude[i] = 1 << plane;
        }
        i += 1;
        continue;
      }
      const up = parent[i], isNew = found[up] === fresh;
      if (!(isNew && last[i] && !busy[up])) {
        const n = 8 * i;
        const total = straight[found[near[n]]] + straight[found[near[n + 1]]] + straight[found[near[n + 2]]] +
          straight[found[near[n + 3]]] + diagonal[found[near[n + 4]]] + diagonal[found[near[n + 5]]] +
          diagonal[found[near[n + 6]]] + diagonal[found[near[n + 7]]] + above[found[coarse[i]]];
        const run = !isNew ? 0 : busy[up] ? 1 : 1 + child[i];
        if ((bit = ask(28 * size[i] + CLASS_OF[total] + run)) === END) return false;
        if (!bit) {
          i = past[i];
          continue;
        }
      }
      if (leaf[i] >= 0) {
        if ((bit = ask(SIGN + (leaf[i] === 0))) === END) return false;
        minus[i] = bit;
        magnitude[i] = 1 << plane;
      }
      found[i] = fresh;
      busy[up] = 1;
      i += 1;
    }
    return true;
  };

  for (; plane >= 0; plane -= 1) {
    for (let h = 1; h <= PLANES; h += 1) {
      const age = Math.min(Math.max(h - plane, 0), 4);
      straight[h] = 4 * age;
      diagonal[h] = 2 * Math.min(age, 1);
      above[h] = 3 * age;
    }
    if (!walk()) break;
  }
  if (plane < 0) { // all is known
    plane = 0;
    i = count;
  }
  for (let k = 0; k < count; k += 1) {
    if (!magnitude[k]) continue;
    const whole = magnitude[k] * 2 ** FRACTION + OPEN * 2 ** (k < i ? plane : plane + 1);
    coefficients[leaf[k]] = minus[k] ? -whole : whole;
  }
}

export function streamOf(data, shape, basis) {
  const ask = rangeDecoder(data), coefficients = new Float64Array(shape.reduce((a, b) => a * b));
  const components = basis ? new Components(basis, END) : null, none = shape.map(() => []);
  const pattern = basis ? none : patternOf(ask, shape), phase = pattern && phaseOf(ask);
  if (phase !== null) coefficientsOf(ask, treeOf(shape), coefficients, components);
  return { pattern: pattern ?? none, phase: phase ?? 0, coefficients, components };
}
