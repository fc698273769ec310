// What operators call models and classes.
import { ask } from "./dom.js";

let models = {};
let at = -Infinity;

// Asked for when a view is opened, at most twice a minute.
export async function learnNames() {
  if (Date.now() - at < 30000) return;
  at = Date.now();
  models = (await ask("/api/names")).models;
}

export const modelName = (model) => models[model] ?? model;
export const className = (labels, target) => labels?.[target] ?? `class ${target}`;

// A sentence of an analysis, with names in place of digits; no line ends within "p < 0.0001".
export const withNames = (text) => text.replace(/\b[0-9a-f]{16}\b/g, modelName).replace(/\bp ([<=]) /g, "p\u00a0$1\u00a0");
