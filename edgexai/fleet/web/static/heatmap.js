// Decodes heatmap frames: docs/heatmap-format.md, whose sections are named below. The same maps as Python's, to the bit.
//
//   import { decode } from "./heatmap.js";
//   const { map, shape, target, score } = decode(bytes);   // Uint8Array → Float32Array, row by row
//
// Bytes may be anything: FrameError, or a map of the shape that they declare.
import { basisOf, fits } from "./heatmap-basis.js";
import { BITS, FRACTION, PLANES, QUARTERS, ROOT } from "./heatmap-tables.js";
import { attenuations, streamOf } from "./heatmap-stream.js";
import { inverse } from "./heatmap-wavelet.js";

const VERSION = 1, EPOCH = 1_577_836_800, BLANK = -128, HIGHEST = 120, HIGHEST_COMPANDED = 80, HIGHEST_OF_BASIS = 72;
const COMPANDED = 32, EXTENDED = 16, MODEL = 8, STAMP = 4, CLASS = 2, CONSERVATION = 1;
const LONG_MODEL = 1, PRECISE = 2, FIELDS = 4, SEVERAL = 8, REFERENCE = 16, BASIS = 32, UNKNOWN = 64;
const MOST_BYTES = 1 << 20, MOST_AXES = 3, MOST_LENGTH = 512, MOST_VALUES = 1 << 18, MOST_MAPS = 16;

export class FrameError extends Error {}

// A frame of a basis that is not at hand; `basis` is its name.
export class MissingBasis extends FrameError {
  constructor(name) {
    super(`the frame needs the basis ${name}, which is not here`);
    this.basis = name;
  }
}

const CRC = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit += 1) value = (value >>> 1) ^ (value & 1 ? 0x82f63b78 : 0);
  return value;
});

export function crc32c(bytes) {
  let value = -1;
  for (const byte of bytes) value = (value >>> 8) ^ CRC[(value ^ byte) & 255];
  return ~value >>> 0;
}

const hex = (bytes) => Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");

// Takes bytes apart from the front.
class Reader {
  constructor(bytes) {
    this.bytes = bytes;
    this.at = 0;
  }

  take(count) {
    if (this.at + count > this.bytes.length) throw new FrameError(`the frame ends too early (${this.bytes.length} bytes)`);
    this.at += count;
    return this.bytes.subarray(this.at - count, this.at);
  }

  number(count) {
    return this.take(count).reduce((value, byte) => 256 * value + byte, 0);
  }

  varint() {
    let value = 0;
    for (let i = 0; i < 8; i += 1) {
      const byte = this.number(1);
      value += (byte & 127) * 2 ** (7 * i);
      if (byte < 128 && value < 2 ** 53) return value;
    }
    throw new FrameError("a number in the frame has no end; it was made by no encoder");
  }

  zigzag() {
    const value = this.varint();
    if (value >= 2 ** 32) throw new FrameError("the frame names a class beyond 32 bits; it was made by no encoder");
    return (value >>> 1) ^ -(value & 1);
  }

  float(precise) {
    if (precise) {
      const four = this.take(4);
      return new DataView(four.buffer, four.byteOffset, 4).getFloat32(0);
    }
    const bits = this.number(2), e = (bits >> 10) & 31, m = bits & 1023, sign = bits >> 15 ? -1 : 1;
    if (e === 31) return m ? NaN : sign * Infinity;
    return sign * (e ? (1024 + m) * 2 ** (e - 25) : m * 2 ** -24);
  }
}

// Section 1, up to the maps.
function preamble(reader) {
  const flags = reader.number(1);
  if (flags >> 6 !== VERSION) throw new FrameError("this is not a heatmap frame of a version that is known here");
  const more = flags & EXTENDED ? reader.number(1) : 0;
  if (more >= UNKNOWN) throw new FrameError("the frame uses flags that are not known here");
  const shape = shapeOf(reader);
  const model = flags & MODEL ? hex(reader.take(more & LONG_MODEL ? 8 : 4)) : "";
  const basis = more & BASIS ? hex(reader.take(2)) : null;
  if (basis && !(flags & COMPANDED)) throw new FrameError("the frame names a basis for a map that is not companded");
  let sequence = 0, time = EPOCH;
  if (flags & STAMP) {
    sequence = reader.varint();
    time += more & PRECISE ? reader.number(5) / 1000 : reader.number(4);
  }
  const count = more & SEVERAL ? reader.number(1) : 1;
  if (count < 1 || count > MOST_MAPS || count * shape.reduce((a, b) => a * b) > MOST_VALUES) {
    throw new FrameError(`the frame declares ${count} maps of ${shape}; at most ${MOST_MAPS}, and 2^18 values, are read`);
  }
  const fields = more & FIELDS ? fieldsOf(reader) : { regions: [], concepts: [], unknown: [] };
  return { flags, more, shape, model, basis, sequence, time, count, fields };
}

function shapeOf(reader) {
  const kind = reader.number(1);
  if (kind < 128) return [kind + 1, kind + 1];
  const axes = kind - 128;
  if (axes < 1 || axes > MOST_AXES) throw new FrameError(`the frame declares a map of ${axes} axes; it was made by no encoder`);
  const shape = Array.from({ length: axes }, () => reader.varint() + 1);
  if (Math.max(...shape) > MOST_LENGTH || shape.reduce((a, b) => a * b) > MOST_VALUES) {
    throw new FrameError(`the frame declares a map of ${shape}; at most ${MOST_LENGTH} an axis and 2^18 values are read`);
  }
  return shape;
}

// Section 2.
function fieldsOf(reader) {
  const fields = { regions: [], concepts: [], unknown: [] };
  for (let tag = reader.number(1); tag; tag = reader.number(1)) {
    if (tag < 16) throw new FrameError("the frame holds a small field of type 0; it was made by no encoder");
    const content = reader.take((tag & 15) === 15 ? reader.number(1) : tag & 15), inner = new Reader(content);
    if (tag >> 4 === 1) fields.confidence = inner.number(1) / 255;
    else if (tag >> 4 === 2) fields.second = { target: inner.zigzag(), score: inner.float(false) };
    else if (tag >> 4 === 3) fields.energy = inner.varint();
    else if (tag >> 4 === 4) fields.regions = Array.from(content, (b) => b / 255);
    else if (tag >> 4 === 5) fields.concepts = conceptsOf(inner);
    else fields.unknown.push({ type: tag >> 4, content });
  }
  return fields;
}

// Section 2, field 5: relevances of inner channels, one Float32Array a part.
function conceptsOf(reader) {
  const head = reader.number(1), bits = head & 15, content = reader.bytes;
  if (head & 128 || bits < 1 || bits > 8) throw new FrameError("the frame's concepts are none; it was made by no encoder");
  const parts = Array.from({ length: (head >> 4) + 1 }, () => ({ count: reader.number(1) + 1, scale: reader.take(2) }));
  const total = parts.reduce((sum, part) => sum + part.count, 0), begin = reader.at, top = 2 ** bits - 1;
  if (content.length !== begin + Math.ceil((bits * total) / 8)) throw new FrameError("the frame's concepts have another length than they say");
  let at = 8 * begin;
  const next = () => {
    let value = 0;
    for (let i = 0; i < bits; i += 1, at += 1) value = 2 * value + ((content[at >> 3] >> (7 - (at & 7))) & 1);
    return value;
  };
  return parts.map(({ count, scale }) => {
    const s = new DataView(Uint8Array.of(scale[0], scale[1], 0, 0).buffer).getFloat32(0);
    if (!(s >= 0 && s < Infinity)) throw new FrameError("the frame's concepts have no finite scale");
    return Float32Array.from({ length: count }, () => { const q = next(); return s * ((q * q) / (top * top)); });
  });
}

// Section 3: what comes before a stream, and the stream.
function section(reader, { flags, more, basis }, last) {
  const precise = more & PRECISE, found = { target: 0, score: 0, conservation: null, reference: null, factor: 0 };
  if (flags & CLASS) {
    found.target = reader.zigzag();
    found.score = reader.float(precise);
  }
  if (flags & CONSERVATION) found.conservation = precise ? reader.float(false) : reader.number(1) / 64 - 1;
  if (more & REFERENCE) {
    found.reference = hex(reader.take(4));
    found.factor = reader.float(false);
  }
  found.exponent = (reader.number(1) << 24) >> 24;
  const highest = basis ? HIGHEST_OF_BASIS : flags & COMPANDED ? HIGHEST_COMPANDED : HIGHEST;
  if ((found.exponent !== BLANK && Math.abs(found.exponent) > highest) || !Number.isFinite(found.factor)) {
    throw new FrameError(`the frame declares relevance of 2^${found.exponent}; it was made by no encoder`);
  }
  found.stream = reader.take(last ? reader.bytes.length - reader.at : reader.varint());
  return found;
}

// Section 4, the decoder.
function mapOf({ exponent, stream }, shape, companded, basis) {
  const map = new Float32Array(shape.reduce((a, b) => a * b));
  if (exponent === BLANK) return map;
  const { pattern, phase, coefficients, components } = streamOf(stream, shape, basis);
  const values = inverse(coefficients, shape);
  components?.addTo(values);
  const quarters = attenuations(shape, pattern, phase), scale = (companded ? 6 : 4) * (exponent - PLANES - FRACTION);
  for (let i = 0; i < map.length; i += 1) {
    const v = values[i], k = quarters[i] - scale;
    const value = companded ? v * Math.floor(Math.sqrt(Math.abs(v) * 2 ** ROOT + 0.5)) * 2 ** (-ROOT / 2) : v;
    map[i] = value * QUARTERS[-k & 3] * 2 ** (-BITS - ((k + 3) >> 2));
  }
  return map;
}

// A frame: its header, and the first map with its target, score and conservation; `more` has the other maps.
// `references`: maps by name, the last four bytes of their frames in hexadecimal; `missing` is the name of one that
// was not given, the map then only the difference to it. `bases`: what `readBasis` gives; MissingBasis without the right one.
export function decode(frame, references = new Map(), bases = []) {
  if (frame.length < 7 || frame.length > MOST_BYTES) throw new FrameError(`${frame.length} bytes are no heatmap frame`);
  const body = frame.subarray(0, -4);
  if (crc32c(body) !== new Reader(frame.subarray(-4)).number(4)) throw new FrameError("the frame is damaged (CRC-32C does not match)");
  const reader = new Reader(body), about = preamble(reader), { shape, count } = about;
  const sections = Array.from({ length: count }, (_, i) => section(reader, about, i === count - 1));
  const basis = about.basis && bases.find((one) => one.name === about.basis && fits(one, shape, about.model));
  if (about.basis && !basis) throw new MissingBasis(about.basis);
  const [first, ...more] = sections.map((one) => {
    const { target, score, conservation, reference, factor } = one;
    const map = mapOf(one, shape, about.flags & COMPANDED, basis), known = references.get(reference);
    const added = known?.length === map.length;
    if (added) for (let i = 0; i < map.length; i += 1) map[i] += factor * known[i];
    return { map, target, score, conservation, missing: added ? null : reference };
  });
  const { model, sequence, time, fields } = about;
  return { shape, model, sequence, time, fields, ...first, more };
}

// A basis of its file's bytes.
export function readBasis(bytes) {
  const found = bytes.length >= 8 && crc32c(bytes.subarray(0, -4)) === new Reader(bytes.subarray(-4)).number(4) ? basisOf(bytes) : null;
  if (!found) throw new FrameError("this is no basis of heatmaps, or it is damaged");
  return found;
}
