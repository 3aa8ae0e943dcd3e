// A page whose changing part is asked for again every few seconds, and at once after an act.
import "./keys.js";
import { chooseTheme } from "./themes.js";
import { local, say, tellTimes } from "./times.js";
import { morph } from "./morph.js";
import { redrawCharts, refreshCharts } from "./charts.js";
import "./act.js";

const EVERY = 3000; // ms
const SILENT = 8000; // ms without an answer from which the page calls itself frozen
const part = () => document.getElementById("again");
const frozen = document.getElementById("frozen");
let last = Date.now();

async function look() {
  try {
    const answer = await fetch(part().dataset.again);
    if (!answer.ok) throw new Error(answer.statusText);
    morph(part(), await answer.text());
    last = Date.now();
    offer();
    tellTimes();
  } catch { /* told below */ }
  frozen.hidden = Date.now() - last < SILENT;
  if (!frozen.hidden) say(frozen, `Nothing was received since ${local.format(last)}: the figures below are old.`);
}

// Only what can be done to an incident in this state.
function offer() {
  const status = part().dataset.status === "resolved" ? "resolved" : "open";
  for (const button of document.querySelectorAll("[data-when]")) button.hidden = ![status, "always"].includes(button.dataset.when);
}

chooseTheme(redrawCharts);
offer();
tellTimes();
refreshCharts();
document.addEventListener("acted", look);
document.addEventListener("click", (event) => { if (event.target.closest("[data-print]")) print(); });
setInterval(tellTimes, 1000);
setInterval(() => { if (!document.hidden) look(); }, EVERY);
