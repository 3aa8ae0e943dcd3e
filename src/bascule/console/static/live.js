// Keeps the page fresh: a stream of fragments, put in place beside what is open.
import { morph } from "./morph.js";
import { refreshCharts, redrawCharts, setWindow } from "./charts.js";
import { local, setAhead, say, tellTimes } from "./times.js";
import "./act.js";
import { alarm } from "./keys.js";
import { chooseTheme } from "./themes.js";

const SILENT = 5000; // ms without news: the page calls itself frozen
const HOPELESS = 15000; // ms without news: the stream is opened again
const $ = (id) => document.getElementById(id);
let stream;
let heard = Date.now();
let told = ""; // when the server spoke last, by its clock

// ------------------------------------------------------------ the stream

function open() {
  stream?.close();
  stream = new EventSource(document.body.dataset.stream);
  stream.addEventListener("frame", (message) => {
    heard = Date.now();
    const frame = JSON.parse(message.data);
    told = frame.at;
    setAhead(Date.now() - Date.parse(told));
    for (const [id, html] of Object.entries(frame.fragments)) morph($(id), html);
    follow();
    tellTimes();
    tellLife();
  });
  stream.addEventListener("over", () => location.reload());
}

function follow() {
  const verdict = $("verdict")?.dataset.verdict;
  const root = document.documentElement;
  if (root.dataset.verdict === verdict) return; // without a verdict both are undefined
  if (verdict === "roll_back") alarm();
  root.dataset.verdict = verdict;
  $("favicon").href = `/static/favicon-${verdict}.svg`;
  document.title = `${$("verdict").querySelector("strong").textContent} · ${document.title.split(" · ").slice(1).join(" · ")}`;
}

function tellLife() {
  const silence = Date.now() - heard;
  const frozen = silence > SILENT;
  if (!told && !frozen) return; // still connecting
  document.body.classList.toggle("is-frozen", frozen);
  $("live").dataset.live = frozen ? "no" : "yes";
  say($("live-text"), frozen ? "frozen" : "live");
  $("frozen").hidden = !frozen;
  if (frozen) say($("frozen"), `This page has received nothing from Bascule since ${told ? local.format(Date.parse(told)) : "it was opened"}: the figures below are old. Check the console and your connection.`);
  if (silence > HOPELESS && silence % HOPELESS < 1000) open();
}

// ------------------------------------------------------------ what the reader does

chooseTheme(redrawCharts);
matchMedia("print").addEventListener("change", redrawCharts);

async function unfold(button) {
  const row = document.getElementById(button.getAttribute("aria-controls"));
  const opens = row.hidden;
  row.hidden = !opens;
  button.setAttribute("aria-expanded", String(opens));
  if (opens) await fill(row, button);
}

async function fill(row, button) {
  const { signal, segment } = button.dataset;
  const answer = await fetch(`/detail?${new URLSearchParams({ signal, segment })}`);
  if (!answer.ok) return;
  const cell = row.firstElementChild;
  const html = await answer.text();
  if (cell.firstElementChild) morph(cell.firstElementChild, html);
  else cell.append(morph.parse(html));
  tellTimes();
  refreshCharts();
}

document.addEventListener("click", (event) => {
  const more = event.target.closest(".more");
  if (more) unfold(more);
  if (event.target.closest("#technical")) showTechnical(!document.body.classList.contains("is-technical"));
  const chosen = event.target.closest("[data-window]");
  if (chosen) choose(chosen.dataset.window);
});

function choose(name) {
  for (const button of document.querySelectorAll("[data-window]")) button.setAttribute("aria-pressed", String(button.dataset.window === name));
  localStorage.setItem("bascule.window", name);
  const link = new URL(location.href);
  link.searchParams.set("window", name);
  history.replaceState(null, "", link);
  setWindow(name);
}

function showTechnical(shown) {
  document.body.classList.toggle("is-technical", shown);
  $("technical")?.setAttribute("aria-pressed", String(shown));
  localStorage.setItem("bascule.technical", shown ? "yes" : "");
}

function refreshOpen() {
  for (const button of document.querySelectorAll('.more[aria-expanded="true"]')) fill(document.getElementById(button.getAttribute("aria-controls")), button);
  refreshCharts();
}

if (localStorage.getItem("bascule.technical")) showTechnical(true);
const kept = new URLSearchParams(location.search).get("window") ?? localStorage.getItem("bascule.window");
if (kept && document.querySelector(`[data-window="${CSS.escape(kept)}"]`)) choose(kept);
tellTimes();
open();
refreshCharts();
setInterval(() => { tellTimes(); tellLife(); }, 1000);
setInterval(() => { if (!document.hidden) refreshOpen(); }, 2000);
document.addEventListener("visibilitychange", () => { if (!document.hidden) refreshOpen(); });
