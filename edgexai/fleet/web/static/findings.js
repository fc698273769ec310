// The findings: what the analyses hold for worth an operator's time, and what operators decided about each.
import { asked, follow, go, linkTo } from "./address.js";
import { ago, ask, el, keepFocus, number, session } from "./dom.js";
import { mapElement } from "./map.js";
import { modelName, withNames } from "./names.js";
import { chance, to } from "./panel.js";
import { range, rangeForm, rangeText } from "./range.js";

const KINDS = {
  shortcut: "Shortcut", bias: "Bias", drift: "Drift", compare: "Two models differ", health: "Node leaves its peers",
};
const VERDICTS = { confirmed: "confirmed", dismissed: "dismissed", open: "opened again" };
const FILTERS = ["open", "decided", "all"];
const wanted = new URLSearchParams(location.search);
const state = { show: FILTERS.includes(wanted.get("findings")) ? wanted.get("findings") : "open", editing: null };

let own = { login: false, user: null, role: "operator" };
session().then((found) => { own = found; });

const isAsked = (f) => !asked("kind") || f.kind === asked("kind");
const isDecided = (f) => f.decision !== null && f.decision.verdict !== "open";

export const isEditing = () => state.editing !== null;

function choose(show, again) {
  state.show = show;
  const url = new URL(location.href);
  url.searchParams.set("findings", show);
  history.replaceState(null, "", url);
  again();
}

// A form in place of the buttons: who decides, and why.
function form(finding, verdict, again) {
  const who = own.user ? null : el("input", { name: "who", "aria-label": "your name", placeholder: "your name", required: "", maxlength: 100, value: localStorage.getItem("who") ?? "" });
  const why = el("input", { name: "why", "aria-label": "why", placeholder: "why", maxlength: 2000 });
  const failed = el("p", { class: "failed", role: "alert" });
  const close = () => { state.editing = null; again(); };
  const send = async (event) => {
    event.preventDefault();
    try {
      await ask("/api/decisions", { finding: finding.id, verdict, who: who?.value ?? own.user, why: why.value });
      if (who) localStorage.setItem("who", who.value);
      close();
    } catch (error) {
      failed.textContent = error.message;
    }
  };
  const body = el("form", { class: "decide", onsubmit: send, onkeydown: (e) => { if (e.key === "Escape") close(); } },
    who, why, el("button", { type: "submit", class: "main" }, verdict === "confirmed" ? "Confirm" : verdict === "dismissed" ? "Dismiss" : "Open again"),
    el("button", { type: "button", onclick: close }, "Cancel"), failed);
  queueMicrotask(() => (who && !who.value ? who : why).focus());
  return body;
}

function decide(finding, again) {
  if (state.editing?.id === finding.id) return form(finding, state.editing.verdict, again);
  const button = (verdict, text) => el("button", { type: "button", onclick: () => { state.editing = { id: finding.id, verdict }; again(); } }, text);
  const made = finding.decision;
  return el("div", { class: "decide" },
    made === null ? null : el("p", {}, el("strong", {}, VERDICTS[made.verdict] ?? made.verdict), ` by ${made.who}, ${ago(made.time)}`, made.why ? `: ${made.why}` : ""),
    ...(own.role !== "operator" ? [] : isDecided(finding) ? [button("open", "Open again")] : [button("confirmed", "Confirm"), button("dismissed", "Dismiss")]));
}

// Words between backticks are what one types.
const typed = (text) => text.split("`").map((part, i) => (i % 2 ? el("code", {}, part) : part));

const named = (finding) => finding.class ?? (finding.target === null ? null : `class ${finding.target}`);
const nodeLink = (finding, node) => {
  const place = finding.places.find((p) => p === node || p.endsWith(`/${node}`));
  return follow(el("a", { href: linkTo(place ? { view: "node", node: place } : { view: "nodes", q: node }, true) }, node));
};

// Where an operator looks into it.
function inside(finding) {
  const { kind, model, target } = finding;
  if (kind === "shortcut") return to({ view: "cluster", finding: finding.id }, "Look at its members");
  if (kind === "drift" && target !== null) return to({ view: "drift", model, target }, "Look at it over time");
  if (finding.sides.length === 2) return to({ view: "compare", a: finding.sides[0], b: finding.sides[1] }, "Look at both sides");
  return finding.nodes.length ? nodeLink(finding, finding.nodes[0]) : null;
}

// A finding in one line, for the views of what it is about.
export const findingLine = (finding) => el("li", { class: finding.severity }, el("span", { class: "severity" }, finding.severity), ` ${KINDS[finding.kind] ?? finding.kind}`,
  named(finding) ? `, ${named(finding)}: ` : ": ", inside(finding), finding.decision && isDecided(finding) ? ` (${finding.decision.verdict})` : "");

function card(finding, again, pictures) {
  const name = named(finding);
  const facts = [
    `${number(finding.frames)} ${finding.figure === "latency" ? "explanations" : "frames"}`,
    `p ${chance(finding.p)}`,
    `effect ${number(finding.effect, 1)} standard deviations`,
    finding.verdict ? `intervention: ${finding.verdict}` : null,
  ];
  const maps = pictures(finding.shown);
  return el("article", { class: `finding ${finding.severity}`, "aria-label": `${KINDS[finding.kind] ?? finding.kind}, ${finding.severity}` },
    el("h3", {}, el("span", { class: "severity" }, finding.severity), KINDS[finding.kind] ?? finding.kind, name ? el("em", {}, to({ view: "class", model: finding.model, target: finding.target }, name)) : null,
      to({ view: "model", model: finding.model }, el("code", { title: finding.model }, modelName(finding.model)))),
    el("p", {}, withNames(finding.text)),
    maps.length ? el("div", { class: "strip" }, ...maps.map((m) => el("figure", { title: `${m.node}, score ${number(m.score, 2)}` }, mapElement(m.map), el("figcaption", {}, m.node.split("/").pop())))) : null,
    el("p", { class: "next" }, el("strong", {}, "Next: "), ...typed(finding.next)),
    el("p", { class: "facts" }, facts.filter(Boolean).join(" · "), ...(finding.nodes.length ? [` · ${number(finding.nodes.length)} ${finding.nodes.length === 1 ? "node" : "nodes"}: `,
      ...finding.nodes.slice(0, 3).flatMap((node, i) => [i ? ", " : "", nodeLink(finding, node)]), finding.nodes.length > 3 ? ", …" : ""] : [])),
    el("p", { class: "inside" }, inside(finding)),
    decide(finding, again));
}

// Draws all that is asked for; `pictures` decodes the frames that are shown with a finding, `again` draws anew.
export function drawFindings(place, answer, pictures, again) {
  const shown = answer.findings.filter(isAsked).filter((f) => state.show === "all" || isDecided(f) === (state.show === "decided"));
  const count = (show) => answer.findings.filter(isAsked).filter((f) => show === "all" || isDecided(f) === (show === "decided")).length;
  const tabs = FILTERS.map((show) => el("button", { type: "button", "aria-pressed": String(show === state.show), onclick: () => choose(show, again) }, answer.computed === null ? show : `${show} ${number(count(show))}`));
  const which = Object.keys(range()).length ? `${number(answer.newest)} frames at most of: ${rangeText()}` : `the newest ${number(answer.newest)} frames at most`;
  const told = answer.computed === null ? "the look is under way …" : `looked ${ago(answer.computed)}, at ${which}`;
  const empty = answer.computed === null ? "Looking for findings …"
    : answer.frames === 0 ? "There is no frame in this time range."
    : answer.findings.length === 0 ? "Nothing that a fleet without faults would not show too. Classes are judged from 40 frames on, nodes from 30." : `No finding is ${state.show}.`;
  const kinds = el("div", { class: "scope kinds", role: "group", "aria-label": "which kind" }, ...[["", "every kind"], ...Object.entries(KINDS)].map(([kind, text]) =>
    el("button", { type: "button", "aria-pressed": String(asked("kind") === kind), onclick: () => go({ kind }) }, text)));
  keepFocus(place, () => place.replaceChildren(
    el("div", { class: "title" }, el("h2", {}, "Findings"), el("p", {}, told), el("div", { class: "scope", role: "group", "aria-label": "which findings" }, ...tabs)),
    el("div", { class: "choose" }, kinds, rangeForm()),
    ...(shown.length ? [el("div", { class: "findings" }, ...shown.map((f) => card(f, again, pictures)))] : [el("p", { class: "empty" }, empty)])));
}
