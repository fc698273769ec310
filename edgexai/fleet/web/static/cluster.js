// A suspected shortcut: its members, what they have in common, and what stands for them.
import { asked, go } from "./address.js";
import { histogram } from "./charts.js";
import { el, number } from "./dom.js";
import { className } from "./names.js";
import { card, channelTable, frames, modelLink, nodeTable, panel, prototypes, threeMaps, to } from "./panel.js";
import { rangeQuery } from "./range.js";

const PAGE = 48;

function pager(a) {
  const last = a.offset + a.members.length;
  const step = (text, offset, off) => el("button", { type: "button", ...(off ? { disabled: "" } : {}), onclick: () => go({ offset: offset > 0 ? String(offset) : "" }) }, text);
  return el("div", { class: "pager" }, el("p", { role: "status" }, `${number(a.offset + 1)} to ${number(last)} of ${number(a.frames)}, the surest first`),
    step("Back", a.offset - PAGE, a.offset === 0), step("Next", a.offset + PAGE, last >= a.frames));
}

export async function clusterView(place, isOld) {
  const finding = asked("finding"), [, model, target] = finding.split(" ");
  const title = (a) => className(a?.labels?.[model], target);
  const query = rangeQuery({ finding, ...(asked("offset") ? { offset: asked("offset") } : {}) });
  await panel(`/api/panel/cluster?${query}`, place, isOld,
    (a) => (target === undefined ? [el("h2", {}, "Suspected shortcut")] : [el("h2", {}, "Suspected shortcut of ", to({ view: "class", model, target }, title(a))), el("p", {}, "model ", modelLink(model), a && !a.error ? ` · ${number(a.carriers)} of ${number(a.frames)} frames` : ""),
      el("p", { class: "links" }, to({ view: "drift", model, target }, "over time"))]),
    (a) => [
      el("p", { class: "said" }, a.text),
      card("Mean heatmaps", "On one scale; red in the difference is what the members look at more.", threeMaps(a.maps, "the rest of the class", "members")),
      card("Prototypes", "The members that stand for the others, with their strongest inner channels.", prototypes(a.prototypes, (p) => `stands for ${number(p.stands_for)}`)),
      channelTable(a.channels, "members", "the rest"),
      el("div", { class: "pair" }, card("Score", "Orange: members; grey: the rest. Each bar is a share of its own frames.", histogram(a.scores, "scores of members and of the rest")), nodeTable(a.nodes, "members")),
      card("All frames of the class", "By how much speaks for each being a member (1: all).", frames(a.members, (f) => [el("b", {}, number(f.carries, 2)), f.node]), pager(a)),
    ]);
}
