// The fleet's page: one view at a time, by its address; asked for anew as soon as something has come. Text from nodes is
// only ever set as text.
import { asked, follow, go, linkTo, onMove } from "./address.js";
import { classSection } from "./classes.js";
import { clusterView } from "./cluster.js";
import { compareView } from "./compare.js";
import { ask, compact, el, keepFocus, number, session } from "./dom.js";
import { driftView } from "./drift.js";
import { drawFindings, isEditing } from "./findings.js";
import { learn, mapsOf } from "./frames.js";
import { modelView } from "./model.js";
import { learnNames } from "./names.js";
import { nodesView, nodeView } from "./nodes.js";
import { classView } from "./one-class.js";
import { rangeQuery } from "./range.js";

const $ = (id) => document.getElementById(id);
const VIEWS = { findings: "Findings", nodes: "Nodes", models: "Models", compare: "Compare" };
const WITHIN = { node: "nodes", model: "models", class: "models", drift: "models", cluster: "findings" }; // views that are reached from others
const EVERY = 700; // ms between two looks whether something has come
let since = 0; // when the service answered last
let shown = "", found = null, drawing = 0, again = false; // again: what is shown is not all yet

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

const DUTIES = { findings: "Findings are not looked for", heatmaps: "New heatmaps are not shown", store: "Old frames are not moved", alarms: "Alarms are not told", nodes: "Nodes are not announced", trials: "Suspicions are not tried" };

// What the service does again and again, and fails at now.
function drawTrouble(failing) {
  $("trouble").replaceChildren(...Object.entries(failing).map(([duty, why]) =>
    el("p", {}, el("strong", {}, `${DUTIES[duty] ?? duty}: `), why, "; the service tries again.")));
}

function drawMenu(view) {
  $("views").replaceChildren(...Object.entries(VIEWS).map(([name, text]) => follow(el("a", {
    href: linkTo({ view: name === "findings" ? "" : name }, true), ...(name === view || name === WITHIN[view] ? { "aria-current": "page" } : {}),
  }, text))));
  document.title = `${VIEWS[view] ?? `${view} ${asked("node") || asked("finding") || asked("target") || asked("model")}`} · edgexai fleet`;
}

const WAITING = { computed: null, newest: 20000, findings: [] };
const askFindings = async () => {
  const answer = await ask(`/api/findings?${rangeQuery()}`);
  return answer.state === "computing" ? WAITING : answer;
};

function showFindings(place) {
  if (found) drawFindings(place, found, mapsOf, async () => {
    if (!isEditing()) found = await askFindings();
    showFindings(place);
  });
}

const DRAW = {
  findings: async (place, isOld, health) => {
    const answer = await askFindings();
    await learn(answer.findings.flatMap((f) => f.shown));
    if (isOld()) return;
    found = answer;
    if (isEditing() && place.querySelector(".findings")) return;
    showFindings(place);
    if (answer === WAITING) again = true;
    if (!health.frames) place.querySelector(".empty")?.replaceWith(el("p", { class: "empty" }, "No heatmap yet. Start a node: ",
      el("code", {}, `edgexai agent --fleet demo --node one --model explain.tflite --data samples.npz --broker ${health.broker}`)));
  },
  nodes: nodesView,
  node: nodeView,
  model: modelView,
  class: classView,
  cluster: clusterView,
  drift: driftView,
  compare: compareView,
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
    live.className = "live on";
    live.textContent = "live";
    since = Date.now();
    if (now !== shown) {
      drawTiles(health);
      drawTrouble(health.failing);
      $("where").textContent = `${health.broker} · version ${health.version}`;
      await learnNames();
      await DRAW[view()]($("view"), () => mine !== drawing, health); // a slow answer covers no newer view
      if (mine !== drawing) return;
      shown = again ? "" : now;
      again = false;
      performance.clearMarks("drawn"); // when the last view was there, for whoever measures
      performance.mark("drawn");
    }
  } catch (error) {
    live.className = "live off";
    live.textContent = "no answer";
    shown = ""; // all is drawn anew once it answers
    if (since) $("trouble").replaceChildren(el("p", { role: "alert" }, el("strong", {}, "The service does not answer: "), `what is shown is of ${new Date(since).toLocaleTimeString("en-GB")}.`));
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
  const name = { f: "findings", n: "nodes", m: "models", c: "compare" }[event.key];
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
(async function always() {
  for (;;) {
    await new Promise((done) => { setTimeout(done, EVERY); });
    if (!document.hidden) await refresh();
  }
})();
