// Two sides beside each other, class by class: two models, or two groups or nodes of a model.
import { asked, go } from "./address.js";
import { ask, el, number, percent } from "./dom.js";
import { className, modelName } from "./names.js";
import { card, chance, modelLink, panel, threeMaps, to } from "./panel.js";
import { rangeQuery } from "./range.js";

function nameOf(side) {
  const [model, kind, ...rest] = side.split("~"), name = rest.join("~");
  return { undefined: modelName(model), group: name, other: `groups but ${name}`, node: name }[kind];
}

// What can be chosen for a side: every model; with an answer, also groups and nodes of the models that are compared.
function choices(models, answer) {
  const possible = Object.entries(answer?.possible ?? {});
  return [...models.map((m) => [m, `model ${modelName(m)}`]),
    ...possible.flatMap(([m, p]) => [...p.groups.map((g) => [`${m}~group~${g}`, `group ${g} of ${modelName(m)}`]), ...p.nodes.map((n) => [`${m}~node~${n}`, `node ${n} of ${modelName(m)}`])])];
}

function select(name, text, models, answer) {
  const all = choices(models, answer);
  if (asked(name) && !all.some(([value]) => value === asked(name))) all.unshift([asked(name), nameOf(asked(name))]);
  return el("label", {}, text, el("select", { name, onchange: (e) => go({ [name]: e.target.value }) },
    ...(asked(name) ? [] : [el("option", { value: "" }, "choose …")]),
    ...all.map(([value, shown]) => el("option", { value, ...(value === asked(name) ? { selected: "" } : {}) }, shown))));
}

function classCard(c, a, sides) {
  const [model] = sides[0].split("~"), name = className(a.labels[model], c.target);
  const about = (side) => `${number(side.frames)} frames (${percent(side.share)}), score ${side.score === null ? "–" : number(side.score, 2)}`;
  const apart = c.p === null ? "too few frames on a side to test" : `p ${chance(c.p)}, what differs most by ${number(c.effect, 2)} standard deviations`;
  return card(to({ view: "class", model, target: c.target }, name), apart, threeMaps(c.maps, `${nameOf(sides[0])}: ${about(c.first)}`, `${nameOf(sides[1])}: ${about(c.second)}`, "second less first"));
}

export async function compareView(place, isOld) {
  const models = (await ask("/api/classes")).map((m) => m.model).filter((m, i, all) => all.indexOf(m) === i), sides = [asked("a"), asked("b")];
  if (isOld()) return;
  const choose = (a) => el("form", { class: "filters", onsubmit: (e) => e.preventDefault() }, select("a", "First", models, a), select("b", "Second", models, a));
  if (!sides[0] || !sides[1]) {
    if (place.querySelector("form.filters select:focus")) return;
    place.replaceChildren(el("section", {}, el("div", { class: "title" }, el("h2", {}, "Compare"), el("p", {}, "Two models, or two groups or nodes of a model.")), choose(null),
      el("p", { class: "empty" }, models.length ? "Choose two sides." : "No heatmap is at hand yet.")));
    return;
  }
  await panel(`/api/panel/compare?${rangeQuery({ a: sides[0], b: sides[1] })}`, place, isOld,
    (a) => [el("h2", {}, `${nameOf(sides[0])} beside ${nameOf(sides[1])}`), el("p", {}, "models ", modelLink(sides[0].split("~")[0]), " and ", modelLink(sides[1].split("~")[0]), a && !a.error ? ` · ${number(a.frames[0])} and ${number(a.frames[1])} frames` : ""), choose(a)],
    (a) => [
      el("p", { class: "said" }, a.alike ? "Classes that differ most come first. Each p is that of one class alone: of many classes some are below 0.05 by chance."
        : "The maps of the two have different shapes, so that they are shown and not compared."),
      ...(a.classes.length ? [el("div", { class: "pair" }, ...a.classes.map((c) => classCard(c, a, sides)))] : [el("p", { class: "empty" }, "Neither side has a frame in this time range.")]),
    ]);
}
