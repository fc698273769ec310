// A class over time: when its reasons changed most, and what is different since.
import { asked } from "./address.js";
import { day, overTime } from "./charts.js";
import { el, number, percent } from "./dom.js";
import { className } from "./names.js";
import { card, chance, channelTable, frames, modelLink, nodeTable, panel, table, threeMaps, to } from "./panel.js";
import { rangeQuery } from "./range.js";

export async function driftView(place, isOld) {
  const model = asked("model"), target = asked("target");
  const title = (a) => className(a?.labels?.[model], target);
  await panel(`/api/panel/drift?${rangeQuery({ model, target })}`, place, isOld,
    (a) => [el("h2", {}, to({ view: "class", model, target }, title(a)), " over time"), el("p", {}, "model ", modelLink(model), a && !a.error ? ` · ${number(a.frames)} frames` : "")],
    (a) => {
      const { change } = a, sure = change.p <= 0.05;
      const caption = (f) => [el("b", {}, f.node), day(f.time).slice(5)];
      return [
        el("p", { class: "said" }, sure ? `The reasons changed most about ${day(change.time)} UTC, by ${number(change.effect, 1)} standard deviations (p ${chance(change.p)}): ${number(change.before)} frames before, ${number(change.after)} since.`
          : `No change stands out (p ${chance(change.p)}). The most probable moment of one would be ${day(change.time)} UTC.`),
        el("div", { class: "pair" },
          card("Reasons", "How far frames are from those before the change, in their standard deviations, along what changed most.", overTime(a.reasons, "reasons over time", change.time)),
          card("Score", "Mean and spread of as many frames each; the line marks the change.", overTime(a.scores, "score over time", change.time))),
        card("Mean heatmaps", "On one scale.", threeMaps(a.maps, "before", "since")),
        el("div", { class: "pair" }, card("Frames before", null, frames(a.before, caption)), card("Frames since", null, frames(a.after, caption))),
        channelTable(a.channels, "since", "before"),
        el("div", { class: "pair" },
          table("All classes of the model, their share of its frames", ["class", "before", "since"], a.mix.map((m) => [className(a.labels[model], m.target), percent(m.before), percent(m.after)])),
          nodeTable(a.nodes, "frames since")),
      ];
    });
}
