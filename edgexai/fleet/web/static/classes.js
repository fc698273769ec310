// What each class of each model looks at: mean maps, and shares by region.
import { follow, linkTo } from "./address.js";
import { ask, el, number, percent } from "./dom.js";
import { mapElement } from "./map.js";
import { modelName } from "./names.js";
import { range } from "./range.js";

const classLink = (m, target, ...content) => follow(el("a", { href: linkTo({ ...range(), view: "class", model: m.model, target }, true) }, ...content));
const CORNERS = { "top left": "◰", "top right": "◳", "bottom left": "◱", "bottom right": "◲" };
const label = (m, target) => m.labels[target] ?? String(target);

function regionTable(m) {
  const gap = m.regions.findIndex((r) => r.startsWith("corner"));
  const cells = (make) => m.regions.flatMap((r, i) => (i === gap ? [el("td", { class: "gap" }), make(r, i)] : [make(r, i)]));
  return el("div", { class: "regions", tabindex: "0", role: "region", "aria-label": `shares by region, model ${modelName(m.model)}, maps of ${m.rows} × ${m.columns}` }, el("table", {},
    el("caption", {}, "Share of positive relevance by region; last row: the region's share of the area. A corner is a quarter of each side."),
    el("thead", {}, el("tr", {}, el("td", {}), ...cells((r) => el("th", { scope: "col" }, r.replace(/^corner (.*)$/, (_, place) => `${CORNERS[place] ?? ""} ${place}`))))),
    el("tbody", {}, ...m.classes.map((c) => el("tr", {}, el("th", { scope: "row" }, label(m, c.target)),
      ...cells((r, i) => el("td", { "--a": Math.min(0.5, c.shares[i] * 1.5).toFixed(3) }, percent(c.shares[i])))))),
    el("tfoot", {}, el("tr", {}, el("th", { scope: "row" }, "area"), ...cells((r, i) => el("td", {}, percent(m.areas[i])))))));
}

// The section of one node's classes, or of all nodes together; `only` names one model.
export async function classSection(node, only = "") {
  const models = (await ask(`/api/classes${node ? `?node=${encodeURIComponent(node)}` : ""}`)).filter((m) => !only || m.model === only);
  const title = el("div", { class: "title" }, el("h2", {}, "What each class looks at"),
    el("p", {}, "Mean heatmap of each predicted class, of the newest frames.",
      el("span", { class: "legend" }, el("i", { class: "against" }), "speaks against ", el("i", { class: "for" }), "speaks for")));
  if (!models.length) return el("section", {}, title, el("p", { class: "empty" }, "No heatmap of it is at hand yet."));
  return el("section", {}, title, ...models.flatMap((m) => [
    el("p", { class: "model" }, "model ", follow(el("a", { href: linkTo({ view: "model", model: m.model }, true) }, el("code", { title: m.model }, modelName(m.model)))), ` · maps of ${m.rows} × ${m.columns}`),
    el("div", { class: "classes" }, ...m.classes.map((c) => el("article", { class: "class" }, mapElement(c.map),
      el("h3", { title: label(m, c.target) }, classLink(m, c.target, label(m, c.target))),
      el("p", {}, `${number(c.count)} frames`, el("br"), `score ${number(c.score, 1)}`)))),
    regionTable(m),
  ]));
}
