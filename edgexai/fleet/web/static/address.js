// What is shown stands in the address: it can be sent to somebody, and the browser's back button works.
const listeners = [];

export const asked = (name) => new URLSearchParams(location.search).get(name) ?? "";

export function linkTo(changes, fresh = false) {
  const wanted = fresh ? new URLSearchParams() : new URLSearchParams(location.search);
  for (const [name, value] of Object.entries(changes)) {
    if (value === "" || value === null) wanted.delete(name);
    else wanted.set(name, value);
  }
  const text = wanted.toString();
  return text ? `?${text}` : location.pathname;
}

// Show something else; `quietly` leaves no step to go back to, as while one types.
export function go(changes, { fresh = false, quietly = false } = {}) {
  history[quietly ? "replaceState" : "pushState"](null, "", linkTo(changes, fresh));
  for (const listener of listeners) listener();
}

export function onMove(listener) {
  listeners.push(listener);
  addEventListener("popstate", listener);
}

// A link that changes what is shown without loading the page again.
export function follow(link) {
  link.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    event.preventDefault();
    history.pushState(null, "", link.getAttribute("href"));
    for (const listener of listeners) listener();
  });
  return link;
}
