// The time range that a view is about: in its address, and carried from view to view.
import { asked, go } from "./address.js";
import { el } from "./dom.js";

const PARTS = ["last", "since", "until"];
const LASTS = [["", "newest frames"], ["3600", "last hour"], ["86400", "last day"], ["604800", "last week"], ["2592000", "last 30 days"], ["chosen", "from … to"]];

// What another view's address takes over.
export const range = () => Object.fromEntries(PARTS.map((name) => [name, asked(name)]).filter(([, value]) => value));

// The same for the service: seconds.
export function rangeQuery(more = {}) {
  const query = new URLSearchParams(more);
  if (asked("last")) query.set("last", asked("last"));
  for (const name of ["since", "until"]) {
    const time = Date.parse(`${asked(name)}Z`) / 1000;
    if (Number.isFinite(time)) query.set(name, time);
  }
  return query;
}

export const rangeText = () => {
  if (asked("since") || asked("until")) return [asked("since") && `from ${asked("since").replace("T", " ")}`, asked("until") && `to ${asked("until").replace("T", " ")}`].filter(Boolean).join(" ") + " UTC";
  return LASTS.find(([value]) => value === asked("last"))?.[1] ?? `last ${asked("last")} s`;
};

let choosing = false;

// A choice of ranges; times are UTC, since nodes and operators are in many places.
export function rangeForm() {
  const custom = choosing || Boolean(asked("since") || asked("until"));
  const fields = el("span", { class: "fromto", ...(custom ? {} : { hidden: "" }) }, ...["since", "until"].map((name) => el("label", {}, name === "since" ? "from" : "to",
    el("input", { type: "datetime-local", name, value: asked(name), title: "UTC", onchange: (e) => go({ last: "", offset: "", [name]: e.target.value }) }))), "UTC");
  const choose = (e) => {
    choosing = e.target.value === "chosen";
    fields.hidden = !choosing;
    if (!choosing) go({ last: e.target.value, since: "", until: "", offset: "" });
  };
  const now = custom ? "chosen" : asked("last");
  return el("form", { class: "range", onsubmit: (e) => e.preventDefault() }, el("label", {}, "Time",
    el("select", { name: "range", onchange: choose }, ...LASTS.map(([value, text]) => el("option", { value, ...(value === now ? { selected: "" } : {}) }, text)))), fields);
}
