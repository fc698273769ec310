// Frames arrive as the bytes that nodes sent; here they become maps, each decoded once.
import { decode, FrameError, MissingBasis, readBasis } from "./heatmap.js";
import { ask } from "./dom.js";
import { bytesOf, pictureOf } from "./map.js";

// The bases in which frames are coded, by name: asked for when the first frame needs one, and now and then again until it is there.
const bases = new Map();
export async function learn(frames) {
  for (const f of frames.filter((one) => !pictures.get(one.id))) {
    try {
      decode(bytesOf(f.frame), new Map(), [...bases.values()].flatMap((b) => b.found));
    } catch (error) {
      if (!(error instanceof MissingBasis) || Date.now() - (bases.get(error.basis)?.asked ?? 0) < 15000) continue;
      const found = (await ask(`/api/bases/${error.basis}`)).map((one) => readBasis(bytesOf(one)));
      bases.set(error.basis, { found, asked: Date.now() });
      pictures = new Map([...pictures].filter(([, map]) => map));
    }
  }
}

// Frames with their maps, decoded once each; without those that a newer version made, or whose basis is not here.
let pictures = new Map();
export function decoded(frames) {
  const kept = new Map();
  const shown = frames.flatMap((f) => {
    let map = pictures.get(f.id);
    if (map === undefined) {
      try {
        map = pictureOf(decode(bytesOf(f.frame), new Map(), [...bases.values()].flatMap((b) => b.found)));
      } catch (error) {
        if (!(error instanceof FrameError)) throw error;
        map = null;
      }
    }
    kept.set(f.id, map);
    return map ? [{ ...f, map }] : [];
  });
  pictures = kept;
  return shown;
}

// Of the frames that are shown with a finding, those whose map can be read.
export function mapsOf(frames) {
  return frames.flatMap((f) => {
    try {
      return [{ ...f, map: pictureOf(decode(bytesOf(f.frame), new Map(), [...bases.values()].flatMap((b) => b.found))) }];
    } catch (error) {
      if (!(error instanceof FrameError)) throw error;
      return [];
    }
  });
}
