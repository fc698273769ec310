// The fleet's page: asks the JSON interface every two seconds and draws. Text from nodes is only ever set as text.
import { decode, FrameError, MissingBasis, readBasis } from "./heatmap.js";
import { ago, ask, compact, el, number, percent, session } from "./dom.js";
import { drawFindings, isEditing } from "./findings.js";
import { bytesOf, mapElement, pictureOf } from "./map.js";

const $ = (id) => document.getElementById(id);
const MOST_NODES = 60;
const state = { scope: "", labels: {}, last: {} };

const label = (model, target) => (state.labels[model] ?? [])[target] ?? String(target);

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
  const gap = m.regions.findIndex((r) => r.startsWith("corner"));
  const cells = (make) => m.regions.flatMap((r, i) => (i === gap ? [el("td", { class: "gap" }), make(r, i)] : [make(r, i)]));
  return el("div", { class: "regions" }, el("table", {},
    el("caption", {}, "Share of positive relevance by region; last row: the region's share of the area. A corner is a quarter of each side."),
    el("thead", {}, el("tr", {}, el("th", {}), ...cells((r) => el("th", { scope: "col" }, r.replace("corner ", "◳ "))))),
    el("tbody", {}, ...m.classes.map((c) => el("tr", {}, el("th", { scope: "row" }, label(m.model, c.target)),
      ...cells((r, i) => el("td", { "--a": Math.min(0.85, c.shares[i] * 1.5).toFixed(3) }, percent(c.shares[i])))))),
    el("tfoot", {}, el("tr", {}, el("th", { scope: "row" }, "area"), ...cells((r, i) => el("td", {}, percent(m.areas[i])))))));
}

function drawClasses(models) {
  if (!models.length) {
    $("classes").replaceChildren(el("p", { class: "empty" }, "No heatmap yet. Start a node: ",
      el("code", {}, `edgexai agent --fleet demo --node one --model explain.tflite --data samples.npz --broker ${state.broker ?? "…"}`)));
    return;
  }
  $("classes").replaceChildren(...models.flatMap((m) => {
    return [
      el("p", { class: "model" }, "model ", el("code", {}, m.model), ` · maps of ${m.rows} × ${m.columns}`),
      el("div", { class: "classes" }, ...m.classes.map((c) => el("article", { class: "class" }, mapElement(c.map),
        el("h3", { title: label(m.model, c.target) }, label(m.model, c.target)),
        el("p", {}, `${number(c.count)} ×, score ${number(c.score, 1)}`)))),
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

// Of the frames that are shown with a finding, those whose map can be read.
function mapsOf(frames) {
  return frames.flatMap((f) => {
    try {
      return [{ ...f, map: pictureOf(decode(bytesOf(f.frame), new Map(), [...bases.values()].flatMap((b) => b.found))) }];
    } catch (error) {
      if (!(error instanceof FrameError)) throw error;
      return [];
    }
  });
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

function showFindings() {
  if (state.found) drawFindings($("findings"), state.found, mapsOf, async () => {
    if (!isEditing()) state.found = await ask("/api/findings");
    showFindings();
  });
}

async function refresh() {
  const live = $("live");
  try {
    const scope = state.scope ? `?node=${encodeURIComponent(state.scope)}` : "";
    const [health, nodes, models, frames, found, all] = await Promise.all([
      ask("/api/health"), ask("/api/nodes"), ask(`/api/classes${scope}`), ask("/api/frames/latest?limit=8"), ask("/api/findings"),
      scope ? ask("/api/classes") : null,
    ]);
    const picture = JSON.stringify([health.frames, health.duplicates, health.quarantined, nodes.map((n) => [n.status, n.metrics, n.frames]), state.scope, found.computed]);
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
    await learn([...frames, ...found.findings.flatMap((f) => f.shown)]);
    drawTiles(health, nodes);
    state.found = found;
    if (!isEditing()) showFindings();
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
session().then((own) => {
  if (!own.user) return;
  $("user").replaceChildren(el("button", { type: "button", class: "out", title: `${own.role}; log out`, onclick: async () => {
    await ask("/api/logout", {});
    location.assign("/login");
  } }, `${own.user} · log out`));
});
refresh();
setInterval(refresh, 2000);
