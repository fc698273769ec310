// The log-in form: name and password go to this service alone.
import { ask } from "./dom.js";

document.documentElement.dataset.theme = localStorage.getItem("theme") ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
const form = document.getElementById("login"), failed = document.getElementById("failed");
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  failed.textContent = "";
  try {
    await ask("/api/login", { name: form.elements.namedItem("name").value, password: form.elements.namedItem("password").value });
    location.assign("/");
  } catch (error) {
    failed.textContent = error.message;
  }
});
