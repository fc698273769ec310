// All nodes as a table that the service filters, sorts and pages; and one node.
import { asked, follow, go, linkTo } from "./address.js";
import { classSection } from "./classes.js";
import { ago, ask, compact, el, keepFocus, number } from "./dom.js";
import { decoded, learn } from "./frames.js";
import { mapElement } from "./map.js";
import { modelName } from "./names.js";

const ROWS = 50;
const COLUMNS = [["name", "Node"], ["state", "State"], ["site", "Site"], ["model", "Model"], ["seen", "Heard"], ["frames", "Stored"], ["waiting", "Waiting"]];
const HEARD = [["", "any time"], ["3600", "the last hour"], ["86400", "the last day"], ["604800", "the last week"]];
const known = (state) => (["online", "lost"].includes(state) ? state : "");
export const badge = (state) => el("span", { class: `state ${known(state)}` }, state);

let typing = 0;

function filters(answer) {
  const select = (name, text, options) => el("label", {}, text, el("select", { name, onchange: (e) => go({ [name]: e.target.value, offset: "" }) },
    ...options.map(([value, shown]) => el("option", { value, ...(asked(name) === value ? { selected: "" } : {}) }, shown))));
  const counted = (part, all) => {
    const found = Object.entries(answer.counts[part]).filter(([value]) => value);
    if (asked(part) && !answer.counts[part][asked(part)]) found.unshift([asked(part), 0]);
    return [["", all], ...found.map(([value, n]) => [value, `${part === "model" ? modelName(value) : value} (${number(n)})`])];
  };
  const search = el("input", { type: "search", name: "q", value: asked("q"), placeholder: "name, site, model, board", autocomplete: "off",
    oninput: (e) => {
      clearTimeout(typing);
      typing = setTimeout(() => go({ q: e.target.value, offset: "" }, { quietly: true }), 150);
    } });
  return el("form", { class: "filters", role: "search", onsubmit: (e) => e.preventDefault() },
    el("label", { class: "wide" }, "Search", search),
    select("state", "State", counted("state", "every state")), select("site", "Site", counted("site", "every site")),
    select("model", "Model", counted("model", "every model")), select("heard", "Heard within", HEARD));
}

function table(answer) {
  const by = asked("sort") || "state";
  const head = ([name, text]) => el("th", { scope: "col", "aria-sort": by === name ? "ascending" : "none" },
    el("button", { type: "button", onclick: () => go({ sort: name, offset: "" }) }, text));
  const row = (n) => el("tr", {},
    el("th", { scope: "row" }, follow(el("a", { href: linkTo({ view: "node", node: n.id }, true) }, n.node)), el("small", {}, n.fleet)),
    el("td", {}, badge(n.state)), el("td", {}, n.site || "–"), el("td", {}, n.model ? follow(el("a", { href: linkTo({ view: "model", model: n.model }, true) }, el("code", { title: n.model }, modelName(n.model)))) : "–"),
    el("td", {}, n.seen ? ago(n.seen) : "never"), el("td", { class: "figure" }, number(n.frames)), el("td", { class: "figure" }, number(n.waiting)));
  return el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "nodes" },
    el("table", { class: "table nodes-table" }, el("thead", {}, el("tr", {}, ...COLUMNS.map(head))), el("tbody", {}, ...answer.rows.map(row))));
}

function pager(answer) {
  const last = answer.offset + answer.rows.length;
  const step = (text, offset, off) => el("button", { type: "button", ...(off ? { disabled: "" } : {}), onclick: () => go({ offset: String(Math.max(0, offset)) }) }, text);
  return el("div", { class: "pager" }, el("p", { role: "status" }, answer.total ? `${number(answer.offset + 1)} to ${number(last)} of ${number(answer.total)}` : "none"),
    step("Back", answer.offset - ROWS, answer.offset === 0), step("Next", answer.offset + ROWS, last >= answer.total));
}

export async function nodesView(place, isOld) {
  const wanted = new URLSearchParams({ limit: ROWS, offset: asked("offset") || 0, sort: asked("sort") || "state" });
  for (const name of ["q", "state", "site", "model"]) if (asked(name)) wanted.set(name, asked(name));
  if (asked("heard")) wanted.set("since", Date.now() / 1000 - Number(asked("heard")));
  const answer = await ask(`/api/inventory?${wanted}`);
  if (isOld()) return;
  const focused = place.querySelector(".filters") && place.contains(document.activeElement) ? document.activeElement.getAttribute("name") : null;
  // a field that somebody is in stays as it is
  const form = focused ? place.querySelector(".filters") : filters(answer);
  const empty = answer.all === 0 ? "No node has been heard yet." : "No node is like that; take a filter away.";
  const below = [answer.rows.length ? table(answer) : el("p", { class: "empty" }, empty), pager(answer)];
  if (focused) {
    for (const old of [...form.parentNode.children].slice([...form.parentNode.children].indexOf(form) + 1)) old.remove();
    form.after(...below);
    return;
  }
  const title = el("div", { class: "title" }, el("h2", {}, "Nodes"), el("p", {}, `${number(answer.all)} in all`));
  keepFocus(place, () => place.replaceChildren(el("section", {}, title, form, ...below)));
}

// A node: what it says of itself, its last heatmaps, and what its classes look at.
export async function nodeView(place, isOld) {
  const [fleet, node] = asked("node").split("/");
  const one = (await ask(`/api/nodes?id=${encodeURIComponent(asked("node"))}`))[0];
  if (isOld()) return;
  if (!one) {
    place.replaceChildren(el("p", { class: "empty" }, `No node ${asked("node")} is known. `, follow(el("a", { href: linkTo({ view: "nodes" }, true) }, "All nodes"))));
    return;
  }
  const frames = await ask(`/api/frames/latest?limit=24&fleet=${encodeURIComponent(fleet)}&node=${encodeURIComponent(node)}`);
  await learn(frames);
  const mine = decoded(frames), m = one.metrics ?? {}, s = one.status ?? {};
  const long = mine.length > 0 && mine[0].map.columns > 3 * mine[0].map.rows;
  const pair = (name, value, unit = "") => el("div", {}, el("dt", {}, name), el("dd", {}, value, unit ? el("small", {}, ` ${unit}`) : null));
  const names = Array.isArray(s.labels) ? s.labels.map(String) : [];
  const about = [s.board, s.composite, `heard ${ago(one.seen)}`, s.version && `version ${s.version}`, ...Object.entries(s.context ?? {}).map(([k, v]) => `${k} ${v}`)];
  const classes = await classSection(asked("node"));
  if (isOld()) return;
  keepFocus(place, () => place.replaceChildren(
    el("section", {}, el("article", { class: "node" },
      el("h2", {}, one.node, el("small", {}, one.fleet), badge(String(s.state ?? "unknown"))),
      el("p", { class: "about" }, about.filter(Boolean).join(" · ")),
      mine.length === 0 ? el("p", { class: "about" }, "None of its heatmaps is at hand.") : el("div", { class: long ? "strip long" : "strip" }, ...mine.map((f) => el("figure", { title: `frame ${f.sequence}, score ${number(f.score, 2)}, ${f.bytes} bytes` },
        mapElement(f.map), el("figcaption", {}, el("b", {}, f.class ?? names[f.target] ?? String(f.target)), number(f.score, 1))))),
      el("dl", {}, pair("stored", number(one.frames)), pair("heatmap", compact(one.bytes / one.frames), "B"), pair("explains in", compact(m.latency_ms?.p50), "ms"),
        Number.isFinite(m.energy_uj) ? pair("energy", compact(m.energy_uj / m.explained), "µJ") : pair("95 % within", compact(m.latency_ms?.p95), "ms"),
        pair("waiting", number(m.waiting?.frames))))),
    classes));
}
