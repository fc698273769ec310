// A basis learned from maps: its file, and a map's coefficients in it; docs/heatmap-format.md, section 7.
import * as tables from "./heatmap-tables.js";

const MAGIC = "EXB1", HEAD = 21, GAIN = 2 ** 24, MOST_ROWS = 1 << 22, NORM = 1 / 64;
const { PLANES, FRACTION, OPEN, COMPONENT_CLASSES } = tables;
const SIGN = tables.CONTEXT_COMPONENT_SIGN, REFINE = tables.CONTEXT_COMPONENT_REFINE;

const hex = (bytes) => Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");

// A basis of its file's bytes, whose checksum the caller has found right; null if they are none.
export function basisOf(bytes) {
  if (bytes.length < HEAD + 4 || String.fromCharCode(...bytes.subarray(0, 4)) !== MAGIC) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const count = bytes[4], rest = bytes[5], axes = bytes[6], lengths = [7, 9, 11].map((at) => view.getUint16(at));
  const values = lengths[0] * lengths[1] * lengths[2], shape = lengths.slice(0, axes);
  if (axes < 1 || axes > 3 || Math.min(...lengths) < 1 || Math.max(...lengths) > 512 || Math.max(1, ...lengths.slice(axes)) > 1) return null;
  if (count < 1 || count * values > MOST_ROWS || bytes.length !== HEAD + count * (4 + values) + 4) return null;
  const sizes = [], gains = [];
  for (let k = 0; k < count; k += 1) {
    sizes.push(bytes[HEAD + 4 * k]);
    gains.push(view.getUint32(HEAD + 4 * k) % GAIN);
  }
  const rows = new Int8Array(bytes.buffer, bytes.byteOffset + HEAD + 4 * count, count * values);
  for (let k = 0; k < count; k += 1) {
    let energy = 0;
    for (let i = k * values; i < (k + 1) * values; i += 1) energy += rows[i] * rows[i];
    if (Math.abs((Math.sqrt(energy) * gains[k]) / GAIN - 1) > NORM) return null;
  }
  return { name: hex(bytes.subarray(-2)), model: hex(bytes.subarray(13, HEAD)), shape, sizes, rest, gains, rows };
}

// Whether it is one of maps of this shape and, if both say so, of this model.
export function fits(basis, shape, model) {
  return basis.shape.join() === shape.join() && (/^0*$/.test(basis.model) || basis.model.startsWith(model));
}

// The coefficients as a stream tells them, plane by plane; `end` stands for a bit that the bytes do not settle.
export class Components {
  constructor(basis, end) {
    this.basis = basis;
    this.end = end;
    this.magnitudes = new Uint16Array(basis.sizes.length);
    this.minus = new Uint8Array(basis.sizes.length);
    this.planes = new Uint8Array(basis.sizes.length).fill(PLANES);
  }

  // The next plane; false at the end of the bytes.
  ask(ask, plane) {
    for (let k = 0; k < this.magnitudes.length; k += 1) {
      const above = this.magnitudes[k] >> (plane + 1);
      const bit = ask(above ? REFINE + (above > 1) : this.context(tables.CONTEXT_COMPONENT, this.basis.sizes[k], plane));
      if (bit === this.end) return false;
      if (bit && !above) {
        const minus = ask(SIGN + (k > 0));
        if (minus === this.end) return false;
        this.minus[k] = minus;
      }
      this.magnitudes[k] |= bit << plane;
      this.planes[k] = plane;
    }
    return true;
  }

  // In which context it is said that what the components leave begins in a plane.
  rest(plane) {
    return this.context(tables.CONTEXT_REST, this.basis.rest, plane);
  }

  context(first, size, plane) {
    return first + Math.min(Math.max(2 * (PLANES - 1 - plane) + 4 - size, 0), COMPONENT_CLASSES - 1);
  }

  // Add their map to integers.
  addTo(values) {
    const { gains, rows } = this.basis, n = values.length, total = new Float64Array(n);
    for (let k = 0; k < this.magnitudes.length; k += 1) {
      if (!this.magnitudes[k]) continue;
      const whole = this.magnitudes[k] * 2 ** FRACTION + OPEN * 2 ** this.planes[k];
      const factor = (this.minus[k] ? -whole : whole) * gains[k];
      for (let i = 0; i < n; i += 1) total[i] += factor * rows[k * n + i];
    }
    for (let i = 0; i < n; i += 1) values[i] += Math.floor((total[i] + GAIN / 2) / GAIN);
    return values;
  }
}
