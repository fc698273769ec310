// Elements and figures for the page. Text is only ever set as text.

export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "class") node.className = value;
    else if (key.startsWith("--")) node.style.setProperty(key, value);
    else if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else node.setAttribute(key, value);
  }
  node.append(...children.filter((c) => c !== null && c !== undefined));
  return node;
}

// The same for drawings.
export function svg(tag, attributes = {}, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

// Draw anew, and leave the keyboard where it was.
export function keepFocus(place, draw) {
  const mark = (one) => one.getAttribute("href") ?? one.getAttribute("aria-label") ?? one.textContent;
  const at = place.contains(document.activeElement) ? document.activeElement : null;
  const wanted = at && [at.tagName, mark(at)];
  draw();
  if (wanted && !place.contains(document.activeElement)) [...place.querySelectorAll(wanted[0])].find((one) => mark(one) === wanted[1])?.focus();
}

export const number = (x, digits = 0) => (Number.isFinite(x) ? x.toLocaleString("en", { maximumFractionDigits: digits }).replace("-", "−") : "–");
export const percent = (x) => `${Math.round(100 * x)} %`;
export const compact = (x) => number(x, x < 10 ? 2 : x < 100 ? 1 : 0);

export function ago(time) {
  const seconds = Math.max(0, Date.now() / 1000 - time);
  if (!Number.isFinite(seconds)) return "never";
  if (seconds < 90) return `${Math.round(seconds)} s ago`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min ago`;
  return seconds < 172800 ? `${Math.round(seconds / 3600)} h ago` : `${Math.round(seconds / 86400)} days ago`;
}

// Who is logged in; asked for once.
let asked = null;
export const session = () => (asked ??= fetch("/api/session", { cache: "no-store" }).then((answer) => answer.json()));

export async function ask(path, body) {
  const headers = { "Content-Type": "application/json", "X-CSRF-Token": (await session()).csrf ?? "" };
  const answer = await fetch(path, body === undefined ? { cache: "no-store" } : { method: "POST", headers, body: JSON.stringify(body) });
  if (answer.status === 401 && location.pathname !== "/login") location.assign("/login");
  if (!answer.ok) throw new Error((await answer.json().catch(() => ({}))).error ?? `${path}: ${answer.status}`);
  return answer.json();
}
