// What the views of a class, a cluster, a drift and a comparison have in common.
import { follow, linkTo } from "./address.js";
import { ask, el, keepFocus, number, percent } from "./dom.js";
import { mapElement } from "./map.js";
import { modelName } from "./names.js";
import { range, rangeForm } from "./range.js";

const AGAIN = 500; // ms between two questions whether an answer is there

export const to = (changes, ...text) => follow(el("a", { href: linkTo({ ...range(), ...changes }, true) }, ...text));
export const modelLink = (model) => to({ view: "model", model }, el("code", { title: model }, modelName(model)));

// Ask for something that may take a while; null once nobody wants it any more.
async function settled(path, place, head, isOld) {
  for (let told = false; ; told = true) {
    const answer = await ask(path);
    if (isOld()) return null;
    if (answer.state !== "computing") return answer;
    if (!told) place.replaceChildren(el("section", { "aria-busy": "true" }, head(null), el("p", { class: "empty", role: "status" }, "Reading the frames of this time range …")));
    await new Promise((done) => { setTimeout(done, AGAIN); });
    if (isOld()) return null;
  }
}

let drawn = null;

// Draw a view of an answer: `head(answer)` its title (also while there is none), `body(answer)` the sections below.
export async function panel(path, place, isOld, head, body) {
  const top = (answer) => el("div", { class: "title" }, ...head(answer), rangeForm());
  const answer = await settled(path, place, top, isOld);
  if (answer === null) return;
  const now = JSON.stringify([path, answer, document.documentElement.dataset.theme]);
  if (now === drawn && place.querySelector("[data-panel]")) return; // nothing new: whoever reads or chooses is left alone
  const below = answer.error ? [el("p", { class: "empty" }, `${answer.error[0].toUpperCase()}${answer.error.slice(1)}.`)] : body(answer);
  keepFocus(place, () => place.replaceChildren(el("section", { "data-panel": "" }, top(answer), ...below)));
  drawn = now;
}

// Two mean maps on one scale, and their difference.
export function threeMaps(maps, first, second, difference = `${second} less ${first}`) {
  const one = (map, text) => (map ? el("figure", {}, mapElement(map), el("figcaption", {}, text)) : null);
  return el("div", { class: "three" }, one(maps.first, first), one(maps.second, second), one(maps.difference, difference));
}

export function frames(list, caption) {
  return el("div", { class: "frames" }, ...list.map((f) => el("figure", { title: `frame ${f.sequence} of ${f.node}` }, mapElement(f.map), el("figcaption", {}, ...caption(f)))));
}

// Frames that stand for others, or that nothing stands for, with their strongest inner channels.
export function prototypes(list, about) {
  const bar = (c) => el("li", {}, el("span", {}, `channel ${c.channel}`), el("meter", { min: 0, max: 1, value: c.share, "aria-label": `channel ${c.channel}` }), percent1(c.share));
  return el("div", { class: "prototypes" }, ...list.map((p) => el("figure", {}, mapElement(p.map), el("figcaption", {}, el("b", {}, about(p)), ` ${p.node}`),
    p.channels.length ? el("ul", {}, ...p.channels.map(bar)) : null)));
}

export const card = (title, about, ...content) => el("article", { class: "card" }, el("h3", {}, title), about ? el("p", { class: "about" }, about) : null, ...content);

export function table(caption, columns, rows) {
  return el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption }, el("table", { class: "table" }, el("caption", {}, caption),
    el("thead", {}, el("tr", {}, ...columns.map((c) => el("th", { scope: "col" }, c)))),
    el("tbody", {}, ...rows.map(([first, ...rest]) => el("tr", {}, el("th", { scope: "row" }, first), ...rest.map((c) => el("td", { class: "figure" }, c)))))));
}

export function channelTable(channels, inside, outside) {
  if (!channels.length) return el("p", { class: "empty" }, "These nodes send no concepts (relevances of inner channels), so that no channel can be named.");
  return table("Channels that differ most, by their share of relevance", ["channel", inside, outside, "apart, in standard deviations"],
    channels.map((c) => [`channel ${c.channel}`, percent1(c.inside), percent1(c.outside), number(c.effect, 1)]));
}

export function nodeTable(nodes, what) {
  return table("By node", ["node", what, "of its frames", "share"], nodes.map((n) => [
    follow(el("a", { href: linkTo({ view: "nodes", q: n.node }, true) }, n.node)), number(n.count), number(n.of), percent(n.count / n.of)]));
}

export const percent1 = (x) => `${number(100 * x, 1)} %`;
export const chance = (p) => (p === null ? "–" : p < 0.0001 ? "< 0.0001" : `= ${number(p, 4)}`);
