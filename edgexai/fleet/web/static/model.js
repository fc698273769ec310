// A model: who runs it, what was found about it, and what each of its classes looks at.
import { asked, follow, linkTo } from "./address.js";
import { classSection } from "./classes.js";
import { ask, el, keepFocus, number } from "./dom.js";
import { findingLine } from "./findings.js";
import { modelName } from "./names.js";
import { to } from "./panel.js";

export async function modelView(place, isOld) {
  const model = asked("model");
  const [nodes, answer, classes, all] = await Promise.all([
    ask(`/api/inventory?limit=1&model=${encodeURIComponent(model)}`), ask("/api/findings"), classSection("", model), ask("/api/classes")]);
  if (isOld()) return;
  const mine = answer.findings.filter((f) => f.model === model), others = [...new Set(all.map((m) => m.model))].filter((m) => m !== model);
  if (!nodes.total && !mine.length && all.every((m) => m.model !== model)) {
    place.replaceChildren(el("p", { class: "empty" }, `No model ${model} is known. `, to({ view: "models" }, "All models")));
    return;
  }
  const looking = answer.computed === null;
  const none = looking ? "Looking for findings …" : "Nothing was found about this model.";
  const states = Object.entries(nodes.counts.state).map(([state, n]) => `${number(n)} ${state}`).join(", ");
  keepFocus(place, () => place.replaceChildren(
    el("section", {}, el("div", { class: "title" }, el("h2", {}, modelName(model)), el("p", {}, el("code", {}, model)),
      el("p", {}, follow(el("a", { href: linkTo({ view: "nodes", model }, true) }, `${number(nodes.total)} nodes`)), states ? ` (${states})` : ""),
      others.length ? el("p", { class: "links" }, "compare with ", ...others.slice(0, 6).map((m) => to({ view: "compare", a: m, b: model }, el("code", {}, modelName(m))))) : null)),
    el("section", {}, el("div", { class: "title" }, el("h2", {}, "Findings"), el("p", {}, looking ? "the look is under way …" : `${number(mine.length)} among the newest frames`)),
      mine.length ? el("ul", { class: "lines" }, ...mine.map(findingLine)) : el("p", { class: "empty" }, none)),
    classes));
}
