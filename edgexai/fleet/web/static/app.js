// The fleet's page: asks the JSON interface every two seconds and draws. Text from nodes is only ever set as text.
import { decode, FrameError, MissingBasis, readBasis } from "./heatmap.js";
import { bytesOf, mapElement, pictureOf } from "./map.js";

const $ = (id) => document.getElementById(id);
const MOST_NODES = 60;
const state = { scope: "", labels: {}, last: {} };

function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "class") node.className = value;
    else if (key.startsWith("--")) node.style.setProperty(key, value);
    else if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else node.setAttribute(key, value);
  }
  node.append(...children.filter((c) => c !== null && c !== undefined));
  return node;
}

const number = (x, digits = 0) => (Number.isFinite(x) ? x.toLocaleString("en", { maximumFractionDigits: digits }) : "–");
const percent = (x) => `${Math.round(100 * x)} %`;
const compact = (x) => number(x, x < 10 ? 2 : x < 100 ? 1 : 0);
const label = (model, target) => (state.labels[model] ?? [])[target] ?? String(target);

function ago(time) {
  const seconds = Math.max(0, Date.now() / 1000 - time);
  if (!Number.isFinite(seconds)) return "never";
  if (seconds < 90) return `${Math.round(seconds)} s ago`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min ago`;
  return seconds < 172800 ? `${Math.round(seconds / 3600)} h ago` : `${Math.round(seconds / 86400)} days ago`;
}

function cost(nodes) {
  const sum = (pick) => nodes.reduce((total, n) => total + (pick(n) || 0), 0);
  const explained = sum((n) => n.metrics?.explained);
  const withEnergy = nodes.filter((n) => Number.isFinite(n.metrics?.energy_uj));
  return {
    bytes: sum((n) => n.bytes) / sum((n) => n.frames),
    ms: sum((n) => n.metrics?.latency_ms?.sum) / explained,
    energy: withEnergy.length
      ? withEnergy.reduce((t, n) => t + n.metrics.energy_uj, 0) / withEnergy.reduce((t, n) => t + n.metrics.explained, 0)
      : NaN,
  };
}

function drawTiles(health, nodes) {
  const { bytes, ms, energy } = cost(nodes);
  const tile = (value, unit, text) => el("div", { class: "tile" }, el("b", {}, value, unit ? el("small", {}, unit) : null), el("span", {}, text));
  $("tiles").replaceChildren(
    tile(number(health.nodes), health.nodes === 1 ? "node" : "nodes", ["online", "lost", "finished", "stopped"]
      .map((s) => [s, health.states[s]]).filter(([, k]) => k).map(([s, k]) => `${number(k)} ${s}`).join(", ") || "none yet"),
    tile(number(health.frames), "", "heatmaps, each once"),
    tile(compact(bytes), "B", "per heatmap"),
    tile(compact(ms), "ms", "per explanation"),
    ...(Number.isFinite(energy) ? [tile(compact(energy), "µJ", "per explanation, estimated")] : []),
    tile(number(health.duplicates), "", "came twice, dropped"),
    tile(number(health.quarantined), "", "refused payloads"),
  );
}

function firstSuspects(models) {
  const seen = new Set();
  return models.flatMap((m) => m.suspects.map((s) => ({ model: m, ...s }))).filter((s) => {
    const key = `${s.model.model} ${s.target}`;
    return !seen.has(key) && seen.add(key);
  });
}

function drawSuspects(models) {
  $("suspects").replaceChildren(...firstSuspects(models).slice(0, 4).map((s) => {
    const one = s.model.classes.find((c) => c.target === s.target);
    const area = s.model.areas[s.model.regions.indexOf(s.region)];
    const top = Math.max(s.share, ...s.nodes.map((n) => n.share), 0.01);
    return el("article", { class: "suspect" },
      mapElement(one.map, s.region),
      el("div", {},
        el("h3", {}, "Class ", el("em", {}, label(s.model.model, s.target)), " may be recognised by what stands in the ", el("em", {}, s.region)),
        el("p", {}, el("strong", {}, percent(s.share)), " of its positive relevance lies there, in the other classes ",
          el("strong", {}, percent(s.usual)), `; the region is ${percent(area)} of the area. `,
          `Seen in ${number(one.count)} explanations. Test the class with and without what stands there.`)),
      el("div", { class: "bars" }, ...s.nodes.toSorted((a, b) => b.share - a.share).slice(0, 8).map((n) => el("div", { class: "bar", title: `${n.count} explanations` },
        el("span", {}, n.node.split("/")[1]), el("i", { "--share": `${(100 * n.share) / top}%` }), el("span", {}, percent(n.share))))));
  }));
}

function drawScope(nodes) {
  const names = nodes.filter((n) => n.frames).map((n) => `${n.fleet}/${n.node}`);
  if (names.length < 2 || names.length > 12) return $("scope").replaceChildren();
  const button = (value, text) => el("button", {
    type: "button", "aria-pressed": String(state.scope === value),
    onclick: () => { state.scope = value; refresh(); },
  }, text);
  $("scope").replaceChildren(button("", "all nodes"), ...names.map((n) => button(n, n.split("/")[1])));
}

function regionTable(m) {
  const flagged = new Set(m.suspects.map((s) => `${s.target} ${s.region}`));
  const gap = m.regions.findIndex((r) => r.startsWith("corner"));
  const cells = (make) => m.regions.flatMap((r, i) => (i === gap ? [el("td", { class: "gap" }), make(r, i)] : [make(r, i)]));
  return el("div", { class: "regions" }, el("table", {},
    el("caption", {}, "Share of positive relevance by region; last row: the region's share of the area. A corner is a quarter of each side."),
    el("thead", {}, el("tr", {}, el("th", {}), ...cells((r) => el("th", { scope: "col" }, r.replace("corner ", "◳ "))))),
    el("tbody", {}, ...m.classes.map((c) => el("tr", {}, el("th", { scope: "row" }, label(m.model, c.target)),
      ...cells((r, i) => el("td", { "--a": Math.min(0.85, c.shares[i] * 1.5).toFixed(3), class: flagged.has(`${c.target} ${r}`) ? "flag" : "" }, percent(c.shares[i])))))),
    el("tfoot", {}, el("tr", {}, el("th", { scope: "row" }, "area"), ...cells((r, i) => el("td", {}, percent(m.areas[i])))))));
}

function drawClasses(models) {
  if (!models.length) {
    $("classes").replaceChildren(el("p", { class: "empty" }, "No heatmap yet. Start a node: ",
      el("code", {}, `edgexai agent --fleet demo --node one --model explain.tflite --data samples.npz --broker ${state.broker ?? "…"}`)));
    return;
  }
  $("classes").replaceChildren(...models.flatMap((m) => {
    const flags = new Map(m.suspects.toReversed().map((s) => [s.target, s]));
    return [
      el("p", { class: "model" }, "model ", el("code", {}, m.model), ` · maps of ${m.rows} × ${m.columns}`),
      el("div", { class: "classes" }, ...m.classes.map((c) => {
        const s = flags.get(c.target);
        return el("article", { class: s ? "class flag" : "class" }, mapElement(c.map, s?.region),
          el("h3", { title: label(m.model, c.target) }, label(m.model, c.target)),
          el("p", {}, `${number(c.count)} ×, score ${number(c.score, 1)}`),
          s ? el("p", { class: "why" }, `${percent(s.share)} ${s.region}`) : null);
      })),
      regionTable(m),
    ];
  }));
}

// The bases in which frames are coded, by name: asked for when the first frame needs one, and now and then again until it is there.
const bases = new Map();
async function learn(frames) {
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
function decoded(frames) {
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

// lost nodes first, then those whose frames are at hand
const rank = (n, byNode) => (n.status?.state === "lost" ? 0 : byNode.has(`${n.fleet}/${n.node}`) ? 1 : 2);

function drawNodes(nodes, frames, total) {
  const byNode = Map.groupBy(frames, (f) => `${f.fleet}/${f.node}`);
  const drawn = [...nodes].sort((a, b) => rank(a, byNode) - rank(b, byNode) || (b.seen ?? 0) - (a.seen ?? 0)).slice(0, MOST_NODES);
  $("rest").textContent = total > drawn.length ? `${number(drawn.length)} of ${number(total)} are shown: lost ones first, then those heard last.` : "";
  $("nodes").replaceChildren(...drawn.map((n) => {
    const mine = (byNode.get(`${n.fleet}/${n.node}`) ?? []).slice(0, 8);
    const m = n.metrics ?? {};
    const long = mine.length > 0 && mine[0].map.columns > 3 * mine[0].map.rows;
    const pair = (name, value, unit = "") => el("div", {}, el("dt", {}, name), el("dd", {}, value, unit ? el("small", {}, ` ${unit}`) : null));
    const status = String(n.status?.state ?? "unknown");
    const about = [n.status?.board, n.status?.composite, `seen ${ago(n.seen)}`, n.status?.version && `v${n.status.version}`];
    return el("article", { class: "node" },
      el("h3", {}, n.node, el("small", {}, n.fleet), el("span", { class: `state ${["online", "lost"].includes(status) ? status : ""}` }, status)),
      el("p", { class: "about" }, about.filter(Boolean).join(" · ")),
      mine.length === 0 ? null : el("div", { class: long ? "strip long" : "strip" }, ...mine.map((f) => el("figure", { title: `frame ${f.sequence}, score ${number(f.score, 2)}, ${f.bytes} bytes` },
        mapElement(f.map), el("figcaption", {}, el("b", {}, label(f.model, f.target)), number(f.score, 1))))),
      n.frames === 0 && !n.metrics ? null : el("dl", {},
        pair("stored", number(n.frames)),
        pair("heatmap", compact(n.bytes / n.frames), "B"),
        pair("median", compact(m.latency_ms?.p50), "ms"),
        Number.isFinite(m.energy_uj) ? pair("energy", compact(m.energy_uj / m.explained), "µJ") : pair("95 %", compact(m.latency_ms?.p95), "ms"),
        pair("waiting", number(m.waiting?.frames))));
  }));
}

async function ask(path) {
  const answer = await fetch(path, { cache: "no-store" });
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return answer.json();
}

async function refresh() {
  const live = $("live");
  try {
    const scope = state.scope ? `?node=${encodeURIComponent(state.scope)}` : "";
    const [health, nodes, models, frames, all] = await Promise.all([
      ask("/api/health"), ask("/api/nodes"), ask(`/api/classes${scope}`), ask("/api/frames/latest?limit=8"),
      scope ? ask("/api/classes") : null,
    ]);
    const picture = JSON.stringify([health.frames, health.duplicates, health.quarantined, nodes.map((n) => [n.status, n.metrics, n.frames]), state.scope]);
    live.className = "live on";
    live.textContent = "live";
    if (picture === state.last.picture && Date.now() - state.last.time < 15000) return;
    state.last = { picture, time: Date.now() };
    state.broker = health.broker;
    // names of record are the operator's; what a node calls its classes counts where that node alone is shown
    for (const m of all ?? models) state.labels[m.model] = m.labels;
    const own = nodes.find((n) => `${n.fleet}/${n.node}` === state.scope)?.status;
    if (own && Array.isArray(own.labels) && !state.labels[own.model]?.length) state.labels[own.model] = own.labels.map(String);
    $("where").textContent = `${health.broker} · ${number(health.frames)} heatmaps · version ${health.version}`;
    await learn(frames);
    drawTiles(health, nodes);
    drawSuspects(all ?? models);
    drawScope(nodes);
    drawClasses(models);
    drawNodes(nodes, decoded(frames), Math.max(health.nodes, nodes.length));
  } catch (error) {
    live.className = "live off";
    live.textContent = "no answer";
    console.error(error);
  }
}

function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  state.last = {};
}

const wanted = new URLSearchParams(location.search).get("theme") ?? localStorage.getItem("theme");
setTheme(wanted ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light"));
$("theme").addEventListener("click", () => {
  setTheme(document.documentElement.dataset.theme === "dark" ? "light" : "dark");
  localStorage.setItem("theme", document.documentElement.dataset.theme);
  refresh();
});
refresh();
setInterval(refresh, 2000);
