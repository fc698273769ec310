// The fleet's page: one view at a time, by its address; asked for anew as soon as something has come. Text from nodes is
// only ever set as text.
import { asked, follow, go, linkTo, onMove } from "./address.js";
import { classSection } from "./classes.js";
import { ask, compact, el, keepFocus, number, session } from "./dom.js";
import { drawFindings, isEditing } from "./findings.js";
import { learn, mapsOf } from "./frames.js";
import { nodesView, nodeView } from "./nodes.js";

const $ = (id) => document.getElementById(id);
const VIEWS = { findings: "Findings", nodes: "Nodes", models: "Models" };
const EVERY = 700; // ms between two looks whether something has come
let shown = "", found = null, drawing = 0;

function drawTiles(health) {
  const tile = (value, unit, text) => el("div", { class: "tile" }, el("b", {}, value, unit ? el("small", {}, unit) : null), el("span", {}, text));
  const states = ["online", "lost", "finished", "stopped"].map((s) => [s, health.states[s]]).filter(([, k]) => k);
  $("tiles").replaceChildren(
    tile(number(health.nodes), health.nodes === 1 ? "node" : "nodes", states.map(([s, k]) => `${number(k)} ${s}`).join(", ") || "none yet"),
    tile(number(health.frames), "", "heatmaps, each once"),
    tile(compact(health.bytes ?? NaN), "B", "per heatmap"),
    tile(compact(health.ms ?? NaN), "ms", "per explanation"),
    ...(health.energy_uj === null ? [] : [tile(compact(health.energy_uj), "µJ", "per explanation, estimated")]),
    tile(number(health.duplicates), "", "came twice, dropped"),
    tile(number(health.quarantined), "", "refused payloads"),
  );
}

const DUTIES = { findings: "Findings are not looked for", heatmaps: "New heatmaps are not shown", store: "Old frames are not moved", alarms: "Alarms are not told", nodes: "Nodes are not announced" };

// What the service does again and again, and fails at now.
function drawTrouble(failing) {
  $("trouble").replaceChildren(...Object.entries(failing).map(([duty, why]) =>
    el("p", {}, el("strong", {}, `${DUTIES[duty] ?? duty}: `), why, "; the service tries again.")));
}

function drawMenu(view) {
  $("views").replaceChildren(...Object.entries(VIEWS).map(([name, text]) => follow(el("a", {
    href: linkTo({ view: name === "findings" ? "" : name }, true), ...(name === view || (view === "node" && name === "nodes") ? { "aria-current": "page" } : {}),
  }, text))));
  document.title = `${VIEWS[view] ?? asked("node")} · edgexai fleet`;
}

function showFindings(place) {
  if (found) drawFindings(place, found, mapsOf, async () => {
    if (!isEditing()) found = await ask("/api/findings");
    showFindings(place);
  });
}

const DRAW = {
  findings: async (place, isOld, health) => {
    const answer = await ask("/api/findings");
    await learn(answer.findings.flatMap((f) => f.shown));
    if (isOld()) return;
    found = answer;
    if (isEditing() && place.querySelector(".findings")) return;
    showFindings(place);
    if (!health.frames) place.append(el("p", { class: "empty" }, "No heatmap yet. Start a node: ",
      el("code", {}, `edgexai agent --fleet demo --node one --model explain.tflite --data samples.npz --broker ${health.broker}`)));
  },
  nodes: nodesView,
  node: nodeView,
  models: async (place, isOld) => {
    const section = await classSection("", asked("model"));
    if (!isOld()) keepFocus(place, () => place.replaceChildren(section));
  },
};

const view = () => (DRAW[asked("view")] ? asked("view") : "findings");

async function refresh(moved = false) {
  const mine = moved ? (drawing += 1) : drawing;
  const live = $("live");
  try {
    const health = await ask("/api/health");
    const now = JSON.stringify([health.frames, health.shown, health.duplicates, health.quarantined, health.states, health.looked, health.failing, location.search, Math.floor(Date.now() / 15000)]);
    if (now !== shown) {
      await DRAW[view()]($("view"), () => mine !== drawing, health); // a slow answer covers no newer view
      if (mine !== drawing) return;
      shown = now;
      drawTiles(health);
      drawTrouble(health.failing);
      performance.clearMarks("drawn"); // when the last view was there, for whoever measures
      performance.mark("drawn");
      $("where").textContent = `${health.broker} · version ${health.version}`;
    }
    live.className = "live on";
    live.textContent = "live";
  } catch (error) {
    live.className = "live off";
    live.textContent = "no answer";
    if (!$("view").children.length || moved) $("view").replaceChildren(el("p", { class: "empty", role: "alert" }, `The service does not answer: ${error.message}`));
  }
}

function move() {
  shown = "";
  drawMenu(view());
  refresh(true);
}

function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
}

const wanted = asked("theme") || localStorage.getItem("theme");
setTheme(wanted || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light"));
$("theme").addEventListener("click", () => {
  setTheme(document.documentElement.dataset.theme === "dark" ? "light" : "dark");
  localStorage.setItem("theme", document.documentElement.dataset.theme);
  move();
});
document.addEventListener("keydown", (event) => {
  if (event.target.closest("input, select, textarea") || event.ctrlKey || event.metaKey || event.altKey) return;
  const name = { f: "findings", n: "nodes", m: "models" }[event.key];
  if (name) go({ view: name === "findings" ? "" : name }, { fresh: true });
  if (event.key === "/" && document.querySelector("[type=search]")) {
    event.preventDefault();
    document.querySelector("[type=search]").focus();
  }
});
session().then((own) => {
  if (!own.user) return;
  $("user").replaceChildren(el("button", { type: "button", class: "out", title: `${own.role}; log out`, onclick: async () => {
    await ask("/api/logout", {});
    location.assign("/login");
  } }, `${own.user} · log out`));
});
onMove(move);
move();
(async function again() {
  for (;;) {
    await new Promise((done) => { setTimeout(done, EVERY); });
    if (!document.hidden) await refresh();
  }
})();
