// The JavaScript decoder under Node: node --test tests/heatmap/heatmap.test.mjs. CASES names more cases than the vectors.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { FrameError, MissingBasis, crc32c, decode, readBasis } from "../../edgexai/fleet/web/static/heatmap.js";
import { check } from "./heatmap-check.mjs";

const bytes = (text) => Uint8Array.from(Buffer.from(text, "hex"));
const read = (file) => JSON.parse(readFileSync(file, "utf8"));
const vectors = read(new URL("../vectors/heatmap.json", import.meta.url));

function sealed(body) {
  const frame = new Uint8Array(body.length + 4);
  frame.set(body);
  new DataView(frame.buffer).setUint32(body.length, crc32c(body));
  return frame;
}

function random(seed) { // mulberry32
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

test("the checksum is CRC-32C", () => assert.equal(crc32c(Buffer.from("123456789")), 0xe3069283));

for (const vector of vectors) test(`vector: ${vector.name}`, () => check(vector));

test("frames of Python give Python's maps", { skip: !process.env.CASES }, () => read(process.env.CASES).forEach(check));

test("what a frame says besides its map", () => {
  const said = decode(bytes(vectors.find((v) => v.name === "small fields").frame));
  assert.deepEqual([said.model, said.sequence, said.time, said.target, said.score], ["01020304", 300, 1_790_000_000, -5, 12.5]);
  assert.equal(said.conservation, 0.875);
  assert.ok(Math.abs(said.fields.confidence - 0.75) < 1 / 255);
  assert.deepEqual(said.fields.second, { target: 3, score: 1.5 });
  assert.equal(said.fields.energy, 1200);
  assert.deepEqual(said.fields.unknown.map((u) => [u.type, u.content.length]), [[9, 5], [12, 20]]);
});

test("without its reference a map is the difference, and says so", () => {
  const { frame, references } = vectors.find((v) => v.references.length);
  assert.equal(decode(bytes(frame)).missing, references[0].slice(-8));
});

test("without its basis a frame is refused by name, and so is a basis that is damaged", () => {
  const { frame, bases } = vectors.find((v) => v.name === "a basis"), data = bytes(bases[0]);
  assert.throws(() => decode(bytes(frame)), (error) => error instanceof MissingBasis && error.basis === bases[0].slice(-4));
  const other = { ...readBasis(data), model: "0505050505050505" };
  assert.throws(() => decode(bytes(frame), new Map(), [other]), MissingBasis);
  for (let at = 0; at < data.length; at += 1) {
    const broken = data.slice();
    broken[at] ^= 16;
    assert.throws(() => readBasis(broken), FrameError);
    assert.throws(() => readBasis(data.subarray(0, at)), FrameError);
  }
  for (const [at, value] of [[4, 255], [6, 0], [6, 4], [7, 2], [9, 255], [11, 1], [22, 255]]) {
    const broken = data.slice(0, -4);
    broken[at] = value;
    assert.throws(() => readBasis(sealed(broken)), FrameError);
  }
});

test("mutated frames are refused or give a map of their declared shape", () => {
  const dice = random(7), frames = vectors.map((v) => bytes(v.frame)).filter((f) => f.length < 300);
  const bases = vectors.flatMap((v) => v.bases).map((b) => readBasis(bytes(b)));
  let refused = 0;
  for (let round = 0; round < 1000; round += 1) {
    const body = frames[dice(frames.length)].slice(0, -4);
    for (let changes = 1 + dice(5); changes; changes -= 1) body[dice(body.length)] = dice(256);
    const cut = dice(4) ? body : body.subarray(0, 3 + dice(body.length - 2));
    try {
      const { map, shape, more } = decode(sealed(cut), new Map(), bases);
      for (const one of [map, ...more.map((m) => m.map)]) {
        assert.equal(one.length, shape.reduce((a, b) => a * b));
        assert.ok(one.every(Number.isFinite));
      }
    } catch (error) {
      if (!(error instanceof FrameError)) throw error;
      refused += 1;
    }
  }
  assert.ok(refused > 50 && refused < 950);
});

test("every shorter frame, and every frame with a flipped bit, is refused", () => {
  const frame = bytes(vectors.find((v) => v.name === "square").frame);
  for (let n = 0; n < frame.length; n += 1) assert.throws(() => decode(frame.subarray(0, n)), FrameError);
  for (let bit = 0; bit < 8 * frame.length; bit += 1) {
    const broken = frame.slice();
    broken[bit >> 3] ^= 1 << (bit & 7);
    assert.throws(() => decode(broken), FrameError);
  }
});

test("what is beyond the limits is refused before memory is taken", () => {
  const before = process.memoryUsage().arrayBuffers;
  for (const body of [
    [0x50, 64, 5], [0x50, 32, 5, 1, 2, 0], [0x70, 32, 5, 1, 2, 73], [0x40, 132, 1, 1, 1, 1, 0], [0x40, 131, 0xff, 3, 0xff, 3, 0xff, 3, 0], [0x40, 130, 0x80, 4, 0, 0],
    [0x50, 8, 127, 17, 0], [0x50, 8, 127, 0], [0x40, 130, ...Array(9).fill(0xff)], [0x40, 5, 127], [0x60, 5, 81], [0x80, 5, 0], [0x20, 5, 0],
    [0x50, 16, 5, 1, 2, 3, 4, 0x7c, 0, 0], [0x50, 4, 5, 0x1f], [0x42, 5, 0xff, 0xff, 0xff, 0xff, 0x1f, 0, 0, 0],
  ]) assert.throws(() => decode(sealed(Uint8Array.from(body))), FrameError);
  assert.ok(process.memoryUsage().arrayBuffers - before < 1 << 20);
});

test("the largest maps decode within seconds and bounded memory, whatever their bytes", () => {
  const dice = random(3), begin = performance.now();
  for (const shape of [[130, 0xff, 3, 0xff, 3], [131, 63, 63, 63], [129, 0xff, 3]]) {
    for (const [companded, fill] of [[0x40, () => 0], [0x60, () => 255], [0x60, () => dice(256)], [0x40, () => dice(256)]]) {
      const body = Uint8Array.from([companded, ...shape, 5, ...Array.from({ length: 200_000 }, fill)]);
      assert.ok(decode(sealed(body)).map.every(Number.isFinite));
    }
  }
  assert.ok(process.memoryUsage().rss < 1.5e9);
  assert.ok(performance.now() - begin < 60_000);
});
