// A class of a model: what it looks at, on which nodes, and how surely over time.
import { asked } from "./address.js";
import { histogram, overTime } from "./charts.js";
import { ago, el, number, percent } from "./dom.js";
import { className } from "./names.js";
import { card, channelTable, frames, modelLink, nodeTable, panel, prototypes, table, threeMaps, to } from "./panel.js";
import { rangeQuery } from "./range.js";

export async function classView(place, isOld) {
  const model = asked("model"), target = asked("target");
  const title = (a) => className(a?.labels?.[model], target);
  await panel(`/api/panel/class?${rangeQuery({ model, target })}`, place, isOld,
    (a) => [el("h2", {}, title(a)), el("p", {}, "of model ", modelLink(model), a && !a.error ? ` · ${number(a.frames)} of ${number(a.of)} frames` : ""),
      el("p", { class: "links" }, to({ view: "drift", model, target }, "over time"))],
    (a) => [
      card("What it looks at", "Mean heatmaps, on one scale.", threeMaps(a.maps, "all other classes", title(a))),
      card("Prototypes", "The frames that stand for the others of this class, with their strongest inner channels.", prototypes(a.prototypes, (p) => `stands for ${number(p.stands_for)}`)),
      el("div", { class: "pair" },
        card("Score", `Orange: ${title(a)}; grey: all other classes. Each bar is a share of its own frames.`, histogram(a.scores, `scores of ${title(a)} and of all other classes`)),
        card("Score over time", "Mean and spread of as many frames each.", overTime(a.over_time, `score of ${title(a)} over time`))),
      el("div", { class: "pair" },
        table("Share of positive relevance by region", ["region", "this class", "other classes", "area"], a.regions.map((r) => [r.name, percent(r.share), percent(r.others), percent(r.area)])),
        nodeTable(a.nodes, "frames of this class")),
      channelTable(a.channels, "this class", "others"),
      a.unusual.length ? card("Unusual frames", "No prototype stands for them: how far they are from the nearest, against the median frame.", prototypes(a.unusual, (p) => `${number(p.times, 1)} times as far`)) : null,
      card("Newest frames", null, frames(a.newest, (f) => [el("b", {}, f.node), ago(f.time)])),
    ]);
}
