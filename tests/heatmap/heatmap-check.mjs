// Decodes a vector's frame and compares its maps bit by bit; for Node and for browsers.
const folder = typeof process === "undefined" ? "/static/" : "../../edgexai/fleet/web/static/";
const { decode, readBasis } = await import(`${folder}heatmap.js`);

export const bytes = (text) => Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));

export function check({ name, shape, frame, maps, references = [], bases = [] }) {
  const known = new Map(references.map((r) => [r.slice(-8), decode(bytes(r)).map]));
  const said = decode(bytes(frame), known, bases.map((b) => readBasis(bytes(b))));
  if (said.shape.join() !== shape.join()) throw new Error(`${name}: shape ${said.shape}, not ${shape}`);
  const found = [said.map, ...said.more.map((m) => m.map)];
  if (found.length !== maps.length) throw new Error(`${name}: ${found.length} maps, not ${maps.length}`);
  found.forEach((map, k) => {
    const wanted = new DataView(bytes(maps[k]).buffer), got = new DataView(map.buffer);
    for (let i = 0; i < map.length; i += 1) {
      if (got.getUint32(4 * i, true) !== wanted.getUint32(4 * i, true)) {
        throw new Error(`${name}: value ${i} of map ${k} is ${map[i]}, not ${wanted.getFloat32(4 * i, true)}`);
      }
    }
  });
}
