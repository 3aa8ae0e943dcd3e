// The page of logs: a choice searches at once, and what was found can be followed.
import { local, tellTimes } from "./times.js";
import "./keys.js";
import { chooseTheme } from "./themes.js";
import { morph } from "./morph.js";

const EVERY = 3000; // ms between looks while it is followed
const button = document.getElementById("follow");
const form = document.getElementById("search");
let last = Date.now();

function follows() {
  return button.getAttribute("aria-pressed") === "true";
}

async function look() {
  if (!follows() || document.hidden) return;
  try {
    const answer = await fetch(`/logs/found${location.search}`);
    if (!answer.ok) throw new Error(answer.statusText);
    morph(document.getElementById("found"), await answer.text());
    last = Date.now();
    tell("Following");
    tellTimes();
  } catch {
    tell(`Not heard since ${local.format(last)}`);
  }
}

function tell(words) {
  if (follows() && button.textContent !== words) button.textContent = words;
}

button.addEventListener("click", () => {
  button.setAttribute("aria-pressed", String(!follows()));
  button.textContent = "Follow";
  look();
});
document.addEventListener("click", (event) => {
  const bar = event.target.closest(".histogram g");
  if (!bar) return;
  const link = new URL(location.href);
  link.searchParams.set("since", bar.dataset.start);
  link.searchParams.set("until", bar.dataset.end);
  location.assign(link);
});
form.addEventListener("change", (event) => { if (event.target.matches("select")) form.requestSubmit(); });
button.hidden = false;
chooseTheme(() => {});
tellTimes();
setInterval(tellTimes, 1000);
setInterval(look, EVERY);
